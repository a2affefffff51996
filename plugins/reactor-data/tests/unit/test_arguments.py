"""Reading a function's arguments from what a client sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_data.arguments import from_body, from_query
from reactor_data.catalog.model import Function, Parameter
from reactor_data.errors import DataError
from reactor_data.query.calls import ARGUMENT, Call
from reactor_data.query.expressions import BODY

MEDIA = ["application/json", "application/x-www-form-urlencoded", "text/csv", "text/plain", "application/octet-stream"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def function(*parameters: Parameter) -> Function:
    return Function(
        oid=1,
        schema="public",
        name="f",
        parameters=parameters,
        returns="scalar",
        result="text",
        returns_set=False,
        volatility="volatile",
    )


@given(st.binary(max_size=60), st.sampled_from(MEDIA))
def test_any_body_is_understood_or_refused(body: bytes, media: str) -> None:
    refusal = ""
    try:
        arguments = from_body(media, body, None)
    except DataError as error:
        refusal = error.error_code
    if refusal:
        assert refusal == "invalid_body"
        return
    named = function(*(Parameter(name, "text", True) for name in (*arguments.names, "other")))
    assert arguments.call(named).names == arguments.names
    json.loads(arguments.recorded(named))


@given(st.dictionaries(st.text(min_size=1), JSON, max_size=5))
def test_an_object_gives_its_members_and_goes_to_postgres_unchanged(sent: dict[str, Any]) -> None:
    text = json.dumps(sent).encode()
    arguments = from_body(None, text, None)
    named = function(*(Parameter(name, "text", True) for name in sent))
    assert arguments.names == tuple(sorted(sent))
    assert arguments.call(named) == Call(tuple(sorted(sent)), "json")
    assert arguments.values(named) == {BODY: text}


@pytest.mark.parametrize(
    ("sent", "names", "row"),
    [
        (b"", (), b"{}"),
        (b" \n", (), b"{}"),
        (b"[]", (), b"{}"),
        (b"7", (), b"{}"),
        (b"[1, 2]", (), b"{}"),
        (b'[{"b": 1, "a": 2}, {"c": 3}]', ("a", "b"), b'{"b": 1, "a": 2}'),
    ],
)
def test_bodies_that_are_no_object(sent: bytes, names: tuple[str, ...], row: bytes) -> None:
    arguments = from_body("application/json; charset=utf-8", sent, None)
    assert (arguments.names, arguments.row) == (names, row)


def test_columns_choose_among_the_members() -> None:
    assert from_body(None, b'{"a": 1, "b": 2}', ("b",)).names == ("b",)
    form = from_body("application/x-www-form-urlencoded", b"a=1&b=2", ("b", "c"))
    assert form.texts == {"b": ("2",), "c": (None,)}


def test_the_last_of_several_counts_except_for_a_variadic_parameter() -> None:
    arguments = from_query([("a", "1"), ("v", 'x"'), ("a", "2"), ("v", "\\")])
    plain = function(Parameter("a", "int", True), Parameter("v", "text[]", True, True))
    assert arguments.values(plain) == {ARGUMENT: "2", ARGUMENT - 1: '{"x\\"","\\\\"}'}
    assert json.loads(arguments.recorded(plain)) == {"a": ["1", "2"], "v": ['x"', "\\"]}


def test_a_whole_body_of_bytes_is_sent_in_hexadecimal() -> None:
    arguments = from_body("application/octet-stream", b"\x00\xff", None)
    taker = function(Parameter("", "bytea", True))
    assert (arguments.call(taker), arguments.values(taker)) == (Call((), "body"), {BODY: b"\\x00ff"})
    assert arguments.recorded(taker) == b"null"


def test_a_deep_body_is_called_with_or_refused_and_never_breaks_the_record() -> None:
    taker = function(Parameter("", "json", True))
    for depth in (10, 200, 400, 600, 900, 100_000):
        body = b"[" * depth + b"]" * depth
        refusal = ""
        try:
            arguments = from_body(None, body, None)
        except DataError as error:
            refusal = error.message
        assert refusal in ("", "the JSON is nested too deep")
        if not refusal:
            assert arguments.recorded(taker) in (body, b"null")
    assert refusal, "the deepest is beyond what can be read"


def test_what_is_long_or_cannot_be_stored_is_not_recorded_as_it_is() -> None:
    taker = function(Parameter("a", "text", True))
    assert from_query([("a", "x" * 9000)]).recorded(taker) == b"null"
    assert json.loads(from_body(None, b'{"a": "x\\u0000y"}', None).recorded(taker)) == {"a": "x\ufffdy"}
    assert json.loads(from_body(None, b'{"a": 1e400}', None).recorded(taker)) == {"a": "1e400"}
