"""Preferences, pages, bodies, negotiation and the administrator's parameters."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_data.admin import bind_names
from reactor_data.bodies import read_payload
from reactor_data.catalog.model import Schema
from reactor_data.errors import DataError
from reactor_data.http.negotiation import Negotiator
from reactor_data.pages import content_range, page_of, read_status
from reactor_data.preferences import parse_preferences
from reactor_data.query.rendering import Shape


def test_the_first_occurrence_of_a_preference_counts_and_unknown_ones_are_ignored() -> None:
    found = parse_preferences("return=representation, return=minimal, foo=bar, count=exact")
    assert (found.returning, found.count, found.unknown) == ("representation", "exact", ("foo=bar",))


def test_strict_handling_lists_what_is_unknown() -> None:
    with pytest.raises(DataError) as raised:
        parse_preferences("handling=strict, foo=bar, return=everything")
    error = raised.value
    assert (error.status, error.error_code, error.pgrst) == (400, "invalid_preference", "PGRST122")
    assert error.detail == "Invalid preferences: foo=bar, return=everything"


def test_the_comma_list_of_the_js_client_is_put_together_again() -> None:
    found = parse_preferences("resolution=merge-duplicates,on_conflict=a,b")
    assert (found.resolution, found.on_conflict, found.unknown) == ("merge-duplicates", "a,b", ())


def test_applied_preferences_are_in_the_order_of_the_contract() -> None:
    found = parse_preferences(
        "timezone=UTC, count=exact, handling=strict, return=minimal, missing=default, max-affected=3"
    )
    applied = found.applied(resolution=True, missing=True, returning=True, count=True, max_affected=True)
    assert applied == "missing=default, return=minimal, count=exact, handling=strict, timezone=UTC, max-affected=3"


@pytest.mark.parametrize(
    ("limit", "offset", "header", "expected"),
    [
        (None, 0, None, (0, 100)),
        (5, 10, None, (10, 5)),
        (5000, 0, None, (0, 1000)),
        (0, 0, None, (0, 0)),
        (None, 0, "0-24", (0, 25)),
        (None, 0, "items=10-19", (10, 10)),
        (None, 0, "10-", (10, 100)),
        (10, 5, "0-7", (5, 3)),
        (None, 0, "nonsense", (0, 100)),
        (None, 0, "bytes=0-3", (0, 100)),
    ],
)
def test_a_page_is_the_intersection_of_what_is_asked(
    limit: int | None, offset: int, header: str | None, expected: tuple[int, int]
) -> None:
    page = page_of(limit, offset, header, default_limit=100, max_limit=1000)
    assert (page.offset, page.limit) == expected


@pytest.mark.parametrize(("limit", "header"), [(-1, None), (None, "5-2")])
def test_impossible_ranges_are_416(limit: int | None, header: str | None) -> None:
    with pytest.raises(DataError) as raised:
        page_of(limit, 0, header, default_limit=100, max_limit=1000)
    assert (raised.value.status, raised.value.pgrst) == (416, "PGRST103")


@pytest.mark.parametrize(
    ("offset", "rows", "total", "status", "header"),
    [
        (0, 15, None, 200, "0-14/*"),
        (0, 0, None, 200, "*/*"),
        (0, 15, 15, 200, "0-14/15"),
        (0, 2, 15, 206, "0-1/15"),
        (0, 0, 0, 200, "*/0"),
        (15, 0, 15, 206, "*/15"),
    ],
)
def test_statuses_and_content_range_follow_the_table(
    offset: int, rows: int, total: int | None, status: int, header: str
) -> None:
    assert read_status(offset, rows, total) == status
    assert content_range(offset, rows, total) == header


def test_an_offset_beyond_the_total_is_416_and_says_both() -> None:
    with pytest.raises(DataError) as raised:
        read_status(20, 0, 15)
    assert raised.value.detail == "An offset of 20 was requested, but there are only 15 rows."
    assert raised.value.headers["Content-Range"] == "*/15"


rows = st.lists(st.fixed_dictionaries({"a": st.integers(), "b": st.text(max_size=5) | st.none()}), max_size=4)


@given(rows)
def test_arrays_pass_through_with_their_keys(made: list[dict[str, object]]) -> None:
    text = msgspec.json.encode(made)
    payload = read_payload("application/json; charset=utf-8", text, None)
    assert (payload.text, payload.rows) == (text, len(made))
    assert payload.keys == (("a", "b") if made else ())


def test_an_object_is_an_array_of_one_and_a_scalar_an_empty_array() -> None:
    assert read_payload(None, b' {"a": 1.10}', None).text == b'[ {"a": 1.10}]'
    assert read_payload(None, b"7", None).rows == 0


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        (None, b"", "Empty or invalid json"),
        (None, b"{", "Empty or invalid json"),
        (None, b'{"a": "\xff"}', "Empty or invalid json"),
        (None, b'[{"a": nul}]', "Empty or invalid json"),
        (None, b"[1]", "All elements of the array must be JSON objects"),
        (None, b'[{"a": 1}, {"b": 1}]', "All object keys must match"),
        ("text/yaml", b"a: 1", "Content-Type not acceptable: text/yaml"),
        (None, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the JSON is nested too deep"),
    ],
)
def test_bodies_that_cannot_be_used_are_refused(kind: str | None, body: bytes, message: str) -> None:
    with pytest.raises(DataError) as raised:
        read_payload(kind, body, None)
    error = raised.value
    assert (error.status, error.error_code, error.pgrst, error.message) == (400, "invalid_body", "PGRST102", message)


def negotiated(accept: str | None, **types: str) -> tuple[Shape, str]:
    schema = Schema("public", 1, {}, types, {})
    form = Negotiator(plan_enabled=True).choose(accept, schema, "t", whole=True)
    return form.shape, form.content_type


VENDOR = "application/vnd.pgrst."


@pytest.mark.parametrize(
    ("accept", "shape", "content_type"),
    [
        (None, Shape(), "application/json"),
        ("", Shape(), "application/json"),
        (f"text/html, {VENDOR}object+json, application/json", Shape("object"), f"{VENDOR}object+json"),
        (f"application/json;q=0.1, {VENDOR}object+json", Shape(), "application/json"),
        (f"{VENDOR}array+json", Shape(), "application/json"),
        (f"{VENDOR}array+json;nulls=stripped", Shape(stripped=True), f"{VENDOR}array+json;nulls=stripped"),
        (
            f"{VENDOR}object; nulls=stripped",
            Shape("object", stripped=True),
            f"{VENDOR}object+json;nulls=stripped",
        ),
        ("text/csv", Shape("csv"), "text/csv"),
        ("image/png, */*;q=0.1", Shape(), "application/json"),
        (f"{VENDOR}plan", Shape(explain="format text"), f'{VENDOR}plan+text; for="application/json"'),
        (
            f'{VENDOR}plan+json; for="text/csv"; options=buffers|analyze|nope',
            Shape("csv", explain="format json, analyze, buffers"),
            f'{VENDOR}plan+json; for="text/csv"; options=analyze|buffers',
        ),
    ],
)
def test_the_first_acceptable_entry_wins(accept: str | None, shape: Shape, content_type: str) -> None:
    assert negotiated(accept) == (shape, f"{content_type}; charset=utf-8")


def test_geojson_is_made_by_the_function_beside_the_type() -> None:
    shape, content_type = negotiated("application/geo+json", geometry='"gis stuff".geometry')
    assert (shape.function, content_type) == ('"gis stuff".st_asgeojson', "application/geo+json; charset=utf-8")


@pytest.mark.parametrize(
    ("accept", "hint"),
    [
        (
            "image/png, text/html",
            "Rows are answered as application/json, text/csv and application/vnd.pgrst.object+json.",
        ),
        ("application/geo+json", "GeoJSON is made by PostGIS, which is not on this database's search path."),
    ],
)
def test_what_nobody_can_make_is_406(accept: str, hint: str) -> None:
    with pytest.raises(DataError) as raised:
        negotiated(accept)
    error = raised.value
    assert (error.status, error.pgrst, error.error_hint) == (406, "PGRST107", hint)
    assert error.message == f"None of these media types are available: {accept}"


def test_named_parameters_are_bound_only_where_they_are_parameters() -> None:
    text, used = bind_names("select :a, ':a', a::text, $$ :a $$, x[1:2], 100 % 3 -- :a\n, :b_2", {"a": 1, "b_2": 2})
    assert text == "select %(a)s, ':a', a::text, $$ :a $$, x[1:2], 100 %% 3 -- :a\n, %(b_2)s"
    assert used == {"a", "b_2"}
    with pytest.raises(DataError) as raised:
        bind_names("select :nam", {"name": 1})
    assert (raised.value.message, raised.value.error_hint) == ("params has no value for :nam", "Did you mean :name?")
    with pytest.raises(DataError) as raised:
        bind_names("select 1; select 2", {})
    assert raised.value.message == "sql must be one statement, not 2"
