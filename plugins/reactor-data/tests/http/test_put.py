"""PUT: one row at its address."""

from __future__ import annotations

from typing import Any

import pytest

SHOWN = "return=representation"


def test_put_makes_the_row_and_then_changes_it(ann: Any, rows: Any) -> None:
    made = ann.call("PUT", "facts?id=eq.7", body={"id": 7, "what": "a"}, Prefer=SHOWN)
    assert (made.status_code, made.json()) == (201, [{"id": 7, "org_id": None, "what": "a"}])
    changed = ann.call(
        "PUT", "facts?id=eq.7&select=what", body=[{"id": 7, "what": "b"}, {"id": 9, "what": "c"}], Prefer=SHOWN
    )
    assert (changed.status_code, changed.json()) == (200, [{"what": "b"}])
    assert changed.headers["Preference-Applied"] == SHOWN
    quiet = ann.call("PUT", "facts?id=eq.7", body={"id": 7, "what": "d"})
    assert (quiet.status_code, quiet.content, quiet.headers["x-affected-rows"]) == (204, b"", "1")
    assert "Content-Type" not in quiet.headers
    assert "Location" not in quiet.headers
    assert rows("select id::text, what from facts") == [("7", "d")]
    audited = rows("select event_type, row_count::text from _reactor_data.audit_events order by id")
    assert audited == [("rows.insert", "1")] * 3


FILTERS = [
    "",
    "?what=eq.a",
    "?id=eq.7&what=eq.a",
    "?id=gt.7",
    "?id=not.eq.7",
    "?id=eq(any).{7}",
    "?id=eq.7&id=eq.7",
    "?and=(id.eq.7)",
]


@pytest.mark.parametrize("query", FILTERS)
def test_filters_must_be_the_primary_key(ann: Any, query: str) -> None:
    answer = ann.call("PUT", f"facts{query}", body={"id": 7, "what": "a"})
    said = answer.json()
    assert (answer.status_code, said["code"], said["error"]["code"]) == (405, "PGRST105", "invalid_upsert")
    assert said["message"] == "Filters must include all and only primary key columns with 'eq' operators"


def test_other_rules_of_put(ann: Any, rows: Any) -> None:
    page = ann.call("PUT", "facts?id=eq.7&limit=1", body={"id": 7})
    assert (page.status_code, page.json()["code"]) == (400, "PGRST114")
    assert page.json()["message"] == "limit/offset querystring parameters are not allowed for PUT"
    for body in ({"id": 8, "what": "a"}, [], [{"id": 8, "what": "x"}, {"id": 7, "what": "y"}]):
        other = ann.call("PUT", "facts?id=eq.7", body=body)
        assert (other.status_code, other.json()["code"], other.json()["message"]) == (
            400,
            "PGRST115",
            "Payload values do not match URL in primary key column(s)",
        )
    view = ann.call("PUT", "titles?title=eq.a", body={"title": "a"})
    assert view.status_code == 405
    assert rows("select count(*)::text from facts") == [("0",)]
    assert rows("select count(*)::text from _reactor_data.audit_events") == [("0",)]


def test_put_is_subject_to_row_security(two_orgs: Any) -> None:
    ann, bob = two_orgs
    row = ann.insert({"title": "ann's"})[0]
    body = {"id": row["id"], "title": "taken"}
    taken = bob.call("PUT", f"todos?id=eq.{row['id']}", body=body)
    assert (taken.status_code, taken.json()["error"]["code"]) == (403, "policy_denied")
    assert [one["title"] for one in ann.call("GET", "todos").json()] == ["ann's"]


def test_put_takes_every_part_of_a_composite_key_and_csv(ann: Any, kernel: Any, project: Any) -> None:
    (project / "migrations" / "002.sql").write_text(
        'create table pairs (a int, "b c" text, v int, primary key (a, "b c")) with (rls = false);', encoding="utf-8"
    )
    kernel.migrator.run()
    answer = ann.call("PUT", "pairs?a=eq.1", body={"a": 1, "b c": "x", "v": 1})
    assert answer.json()["code"] == "PGRST105"
    answer = ann.call(
        "PUT", "pairs?b c=eq.x,y&a=eq.1", body=b'a,b c,v\n1,"x,y",5\n', Content_Type="text/csv", Prefer=SHOWN
    )
    assert (answer.status_code, answer.json()) == (201, [{"a": 1, "b c": "x,y", "v": 5}])
