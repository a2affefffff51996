"""POST, PATCH and DELETE."""

from __future__ import annotations

from typing import Any

SINGLE = "application/vnd.pgrst.object+json"


def titles(member: Any) -> list[str]:
    return [row["title"] for row in member.call("GET", "todos?select=title&order=title").json()]


def test_a_minimal_insert_answers_201_and_how_many(ann: Any) -> None:
    answer = ann.call("POST", "todos", body=[{"title": "a"}, {"title": "b"}])
    assert (answer.status_code, answer.content, answer.headers["x-affected-rows"]) == (201, b"", "2")
    assert (answer.headers["Content-Range"], answer.headers["Content-Length"]) == ("*/*", "0")
    assert titles(ann) == ["a", "b"]


def test_headers_only_says_where_the_row_is(ann: Any) -> None:
    answer = ann.call("POST", "todos", body={"title": "a"}, Prefer="return=headers-only")
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (201, "return=headers-only")
    location = answer.headers["Location"]
    assert location.startswith("/data/v1/todos?id=eq.")
    assert ann.call("GET", location.removeprefix("/data/v1/") + "&select=title").json() == [{"title": "a"}]


def test_a_representation_is_what_select_says(ann: Any) -> None:
    answer = ann.call("POST", "todos?select=title,n", body={"title": "a", "n": 1}, Prefer="return=representation")
    assert (answer.status_code, answer.json()) == (201, [{"title": "a", "n": 1}])
    assert "Location" not in answer.headers


def test_update_and_delete_answer_204_or_the_rows(ann: Any) -> None:
    ann.insert({"title": "a", "n": 1}, {"title": "b", "n": 2}, {"title": "c", "n": 3})
    answer = ann.call("PATCH", "todos?n=gte.2", body={"done": True}, Prefer="count=exact")
    assert (answer.status_code, answer.headers["Content-Range"], answer.headers["x-affected-rows"]) == (
        204,
        "0-1/2",
        "2",
    )
    answer = ann.call("PATCH", "todos?n=eq.1&select=title,n", body={"n": 9}, Prefer="return=representation")
    assert (answer.status_code, answer.json(), answer.headers["Content-Range"]) == (
        200,
        [{"title": "a", "n": 9}],
        "0-0/*",
    )
    answer = ann.call("PATCH", "todos?n=eq.77", body={"n": 9}, Prefer="return=representation")
    assert (answer.status_code, answer.json(), answer.headers["Content-Range"]) == (200, [], "*/*")
    answer = ann.call(
        "DELETE", "todos?done=is.true&select=title&order=title.desc", Prefer="return=representation, count=exact"
    )
    assert (answer.status_code, answer.json()) == (200, [{"title": "c"}, {"title": "b"}])
    assert answer.headers["Content-Range"] == "*/2"
    assert ann.call("DELETE", "todos").status_code == 204
    assert titles(ann) == []


def test_empty_bodies_change_nothing(ann: Any, rows: Any) -> None:
    assert ann.call("POST", "todos", body=[]).status_code == 201
    ann.insert({"title": "a"})
    for body in ({}, [], [{}]):
        assert ann.call("PATCH", "todos", body=body).status_code == 204
        answer = ann.call("PATCH", "todos", body=body, Prefer="return=representation")
        assert (answer.status_code, answer.json()) == (200, [])
    assert ann.call("POST", "facts", body=[{}]).json()["code"] == "23502"
    assert titles(ann) == ["a"]


def test_columns_chooses_what_is_written_and_missing_says_what_the_rest_is(ann: Any) -> None:
    body = [{"title": "a", "n": 1, "junk": 5}, {"title": "b"}]
    answer = ann.call("POST", "todos?columns=title,n,done", body=body, Prefer="missing=default, return=representation")
    assert answer.status_code == 201, answer.text
    assert answer.headers["Preference-Applied"] == "missing=default, return=representation"
    assert [(row["title"], row["n"], row["done"]) for row in answer.json()] == [("a", 1, False), ("b", None, False)]
    refused = ann.call("POST", "todos?columns=title,done", body={"title": "c"})
    assert (refused.status_code, refused.json()["code"]) == (400, "23502")
    unknown = ann.call("POST", "todos?columns=titel", body={"title": "c"})
    assert (unknown.status_code, unknown.json()["code"]) == (400, "PGRST204")


def test_an_upsert_updates_what_exists_and_inserts_what_does_not(ann: Any) -> None:
    merge = "resolution=merge-duplicates, return=representation"
    first = ann.insert({"title": "a", "n": 1})[0]
    answer = ann.call("POST", "todos?select=title,n", body=[{"id": first["id"], "title": "a2", "n": 2}], Prefer=merge)
    assert (answer.status_code, answer.json()) == (200, [{"title": "a2", "n": 2}])
    assert answer.headers["Preference-Applied"] == merge
    body = [{"title": "a2", "n": 5}, {"title": "new", "n": 6}]
    answer = ann.call(
        "POST", "todos?on_conflict=org_id,title", body=[{**row, "org_id": ann.org_id} for row in body], Prefer=merge
    )
    assert answer.status_code == 201, answer.text
    assert [(row["title"], row["n"]) for row in answer.json()] == [("a2", 5), ("new", 6)]
    ignore = "resolution=ignore-duplicates, return=representation"
    answer = ann.call("POST", "todos", body=[{"id": first["id"], "title": "x"}], Prefer=ignore)
    assert (answer.status_code, answer.json()) == (201, [])
    plain = ann.call("POST", "todos", body=[{"id": first["id"], "title": "x"}])
    assert (plain.status_code, plain.json()["code"], plain.json()["error"]["code"]) == (409, "23505", "conflict")
    odd = ann.call("POST", "todos?on_conflict=n", body=[{"title": "y", "n": 1}], Prefer="resolution=merge-duplicates")
    assert (odd.status_code, odd.json()["code"]) == (400, "42P10")


def test_a_single_object_that_is_not_single_keeps_nothing(ann: Any) -> None:
    answer = ann.call("POST", "todos", body=[{"title": "a"}, {"title": "b"}], Accept=SINGLE)
    assert (answer.status_code, answer.json()["code"]) == (406, "PGRST116")
    assert titles(ann) == []
    ann.insert({"title": "a"}, {"title": "b"})
    assert ann.call("DELETE", "todos", Accept=SINGLE).status_code == 406
    assert titles(ann) == ["a", "b"]
    answer = ann.call(
        "PATCH", "todos?title=eq.a&select=title,n", body={"n": 1}, Accept=SINGLE, Prefer="return=representation"
    )
    assert (answer.status_code, answer.json()) == (200, {"title": "a", "n": 1})


def test_max_affected_keeps_nothing_beyond_it(ann: Any) -> None:
    ann.insert({"title": "a"}, {"title": "b"})
    answer = ann.call("DELETE", "todos", Prefer="handling=strict, max-affected=1")
    assert (answer.status_code, answer.json()["code"]) == (400, "PGRST124")
    assert answer.json()["details"] == "The query affects 2 rows"
    assert titles(ann) == ["a", "b"]
    assert ann.call("DELETE", "todos?title=eq.a", Prefer="handling=strict, max-affected=1").status_code == 204
    assert ann.call("DELETE", "todos", Prefer="max-affected=0").status_code == 204


def test_every_mutation_is_on_record_in_its_own_transaction(ann: Any, rows: Any) -> None:
    ann.call("POST", "todos", body=[{"title": "a"}, {"title": "b"}], X_Request_Id="req-1")
    ann.call("PATCH", "todos?title=eq.a", body={"n": 1})
    ann.call("DELETE", "todos?title=eq.zzz")
    ann.call("POST", "todos", body=[{"title": "c"}, {"title": "a"}])
    ann.call("POST", "todos", body=[{"title": "forbidden"}])
    found = rows(
        "select event_type, table_name, row_count::text, details::text, actor_user_id::text, org_id::text"
        " from _reactor_data.audit_events order by id"
    )
    who = (ann.user_id, ann.org_id)
    assert found == [
        ("rows.insert", "todos", "2", "{}", *who),
        ("rows.update", "todos", "1", "{}", *who),
        ("rows.delete", "todos", "0", "{}", *who),
        ("rows.insert", "todos", "0", '{"denied": true}', *who),
    ]
    assert rows("select request_id from _reactor_data.audit_events order by id limit 1") == [("req-1",)]


def test_values_keep_their_exact_form(ann: Any, kernel: Any, project: Any) -> None:
    (project / "migrations" / "002.sql").write_text(
        "create table kinds (id int primary key, a numeric, b timestamptz, c bytea, d date[], e int8, f jsonb, g interval,"
        " h double precision, i boolean) with (rls = false);",
        encoding="utf-8",
    )
    kernel.migrator.run()
    body = (
        b'{"id": 1, "a": 1234567890123456789.1000, "b": "2024-02-29T12:00:00.123456+02:00", "c": "\\\\x00ff",'
        b' "d": ["2024-01-01", null], "e": 9223372036854775807, "f": {"x": [1.50, "\\u00e9"]}, "g": "1 day 02:03",'
        b' "h": 0.1, "i": null}'
    )
    answer = ann.call("POST", "kinds", body=body, Prefer="return=representation, timezone=UTC")
    assert answer.text == (
        '[{"id":1,"a":1234567890123456789.1000,"b":"2024-02-29T10:00:00.123456+00:00","c":"\\\\x00ff",'
        '"d":["2024-01-01",null],"e":9223372036854775807,"f":{"x": [1.50, "é"]},"g":"1 day 02:03:00","h":0.1,"i":null}]'
    )


BAD_BODIES = [
    ("", b"", 400, "invalid_body", "PGRST102"),
    ("", b'{"title": ', 400, "invalid_body", "PGRST102"),
    ("", b'[{"title": "a"}, {"n": 1}]', 400, "invalid_body", "PGRST102"),
    ("", b'{"titel": "a"}', 400, "column_not_found", "PGRST204"),
    ("", b'{"title": "a", "n": "x"}', 400, "invalid_input", "22P02"),
    ("", b'{"title": "a", "n": 99999999999}', 400, "invalid_input", "22003"),
    ("", b'{"title": null}', 400, "constraint_violation", "23502"),
    ("", b'{"title": "a", "id": "019213f5-0000-4000-8000-000000000001"}', 400, "constraint_violation", "23514"),
    ("?columns=", b'{"title": "a"}', 400, "invalid_filter", "PGRST100"),
    ("?select=nope", b'{"title": "a"}', 400, "column_not_found", "42703"),
]


def test_bad_bodies_are_refused_with_the_contracts_code(ann: Any) -> None:
    for query, body, *expected in BAD_BODIES:
        answer = ann.call("POST", f"todos{query}", body=body, Prefer="return=representation")
        assert [answer.status_code, answer.json()["error"]["code"], answer.json()["code"]] == expected, body
    assert titles(ann) == []
