"""The `Prefer` header beyond single preferences."""

from __future__ import annotations

from typing import Any

import pytest

SHOWN = "return=representation"


def titles(member: Any) -> list[str]:
    return [row["title"] for row in member.call("GET", "todos?select=title&order=title").json()]


def test_a_transaction_may_be_tried_out_where_that_is_allowed(served: Any) -> None:
    own = served(
        "create table later (id int primary key, up int references later deferrable initially deferred) with (rls = false);",
        tx_end="commit-allow-override",
    )
    answer = own.ann.call("POST", "todos?select=title", body={"title": "a"}, Prefer=f"{SHOWN}, tx=rollback")
    assert (answer.status_code, answer.json()) == (201, [{"title": "a"}])
    assert answer.headers["Preference-Applied"] == f"{SHOWN}, tx=rollback"
    assert titles(own.ann) == []
    # What only the end of a transaction would find is found all the same.
    broken = own.ann.call("POST", "later", body={"id": 1, "up": 2}, Prefer="tx=rollback")
    assert (broken.status_code, broken.json()["code"]) == (409, "23503")
    kept = own.ann.call("POST", "todos", body={"title": "b"}, Prefer="tx=commit")
    assert (kept.status_code, kept.headers["Preference-Applied"]) == (201, "tx=commit")
    assert titles(own.ann) == ["b"]
    assert own.rows("select count(*)::text from _reactor_data.audit_events") == [("1",)]


def test_transactions_end_as_configured(served: Any) -> None:
    own = served(tx_end="rollback-allow-override")
    assert own.ann.call("POST", "todos", body={"title": "a"}).status_code == 201
    assert own.ann.call("POST", "todos", body={"title": "b"}, Prefer="tx=commit").status_code == 201
    assert titles(own.ann) == ["b"]


def test_without_permission_to_override_tx_is_not_known(served: Any) -> None:
    own = served(tx_end="commit")
    answer = own.ann.call("POST", "todos", body={"title": "a"}, Prefer="tx=rollback")
    assert (answer.status_code, "Preference-Applied" in answer.headers) == (201, False)
    assert titles(own.ann) == ["a"]
    strict = own.ann.call("POST", "todos", body={"title": "b"}, Prefer="tx=rollback, handling=strict")
    assert (strict.status_code, strict.json()["code"]) == (400, "PGRST122")
    assert strict.json()["details"] == "Invalid preferences: tx=rollback"


def test_what_took_effect_is_listed_in_the_contracts_order(served: Any) -> None:
    own = served(tx_end="commit-allow-override")
    asked = "max-affected=5, timezone=UTC, tx=commit, count=exact, return=minimal, missing=default, handling=strict"
    answer = own.ann.call("PATCH", "todos?columns=n", body={"n": 1}, Prefer=asked)
    assert answer.headers["Preference-Applied"] == (
        "missing=default, return=minimal, count=exact, tx=commit, handling=strict, timezone=UTC, max-affected=5"
    )
    answer = own.ann.call("DELETE", "todos", Prefer="resolution=merge-duplicates, missing=default, max-affected=5")
    assert "Preference-Applied" not in answer.headers
    read = own.ann.call("GET", "todos", Prefer="return=representation, count=exact, max-affected=1")
    assert read.headers["Preference-Applied"] == "count=exact"
    keyless = own.ann.call("POST", "titles", body=[], Prefer="resolution=merge-duplicates")
    assert (keyless.status_code, "Preference-Applied" in keyless.headers) == (201, False)


def test_a_bad_time_zone_is_400_even_when_lenient(ann: Any) -> None:
    answer = ann.call("GET", "todos", Prefer="timezone=Nowhere/Land")
    assert (answer.status_code, answer.json()["code"]) == (400, "22023")
    assert answer.json()["message"] == 'invalid value for parameter "TimeZone": "Nowhere/Land"'


def test_an_upsert_is_200_when_nothing_was_inserted(ann: Any) -> None:
    row = ann.insert({"title": "a"})[0]
    merge = "resolution=merge-duplicates"
    assert ann.call("POST", "todos", body=[], Prefer=merge).status_code == 200
    assert ann.call("POST", "todos", body={"id": row["id"], "title": "b"}, Prefer=merge).status_code == 200
    assert ann.call("POST", "todos", body={"title": "c"}, Prefer=merge).status_code == 201
    assert ann.call("POST", "todos", body=[], Prefer="resolution=ignore-duplicates").status_code == 201
    located = ann.call(
        "POST", "todos", body={"id": row["id"], "title": "d"}, Prefer=f"{merge}, return=headers-only, count=exact"
    )
    assert (located.status_code, located.headers["Content-Range"]) == (200, "*/1")
    assert located.headers["Location"] == f"/data/v1/todos?id=eq.{row['id']}"
    several = ann.call("POST", "todos", body=[{"title": "e"}, {"title": "f"}], Prefer="return=headers-only")
    assert (several.status_code, "Location" in several.headers) == (201, False)


def test_each_row_has_an_outcome_of_its_own(ann: Any, rows: Any) -> None:
    body = [{"title": "a", "n": 1}, {"title": "forbidden", "n": 2}, {"title": "a", "n": 3}, {"title": "d", "n": 4}]
    answer = ann.call("POST", "todos?select=title", body=body, Prefer=f"outcome=per-row, {SHOWN}, count=exact")
    assert answer.status_code == 207
    assert answer.headers["Preference-Applied"] == f"{SHOWN}, count=exact, outcome=per-row"
    assert answer.headers["Content-Range"] == "*/2"
    found = answer.json()["results"]
    assert found[0] == {"index": 0, "status": 201, "data": {"title": "a"}}
    assert found[3] == {"index": 3, "status": 201, "data": {"title": "d"}}
    refused = found[1]["error"]
    assert (found[1]["index"], found[1]["status"], refused["code"], refused["status"]) == (1, 403, "policy_denied", 403)
    assert refused["details"]["policy"] == "todos_write"
    assert (found[2]["status"], found[2]["error"]["code"], found[2]["error"]["pgrst_code"]) == (
        409,
        "conflict",
        "23505",
    )
    assert titles(ann) == ["a", "d"]
    audited = rows("select event_type, row_count::text, details::text from _reactor_data.audit_events")
    decisions = (
        '{"policy_decisions": [{"row": 0, "policy": null, "decision": "allow"},'
        ' {"row": 1, "policy": "todos_write", "decision": "deny"}, {"row": 3, "policy": null, "decision": "allow"}]}'
    )
    assert audited == [("rows.insert", "2", decisions)]


def test_rows_that_fare_alike_share_their_status(ann: Any) -> None:
    per_row = "outcome=per-row"
    good = ann.call("POST", "todos", body=[{"title": "a"}, {"title": "b"}], Prefer=per_row)
    assert (good.status_code, good.json()) == (
        201,
        {"results": [{"index": 0, "status": 201}, {"index": 1, "status": 201}]},
    )
    bad = ann.call("POST", "todos", body=[{"title": "forbidden"}, {"title": "forbidden"}], Prefer=per_row)
    assert (bad.status_code, [one["status"] for one in bad.json()["results"]]) == (403, [403, 403])
    assert ann.call("POST", "todos", body=[], Prefer=per_row).json() == {"results": []}
    single = ann.call("POST", "todos", body={"title": "c"}, Prefer=per_row)
    assert (single.status_code, single.content) == (201, b"")
    unknown = ann.call("POST", "todos", body=[{"titel": "c"}], Prefer=per_row)
    assert (unknown.status_code, unknown.json()["code"]) == (400, "PGRST204")


def test_rows_one_by_one_take_columns_csv_and_resolutions(ann: Any) -> None:
    row = ann.insert({"title": "a", "n": 1})[0]
    lines = f"id,title,n,junk\n{row['id']},b,2,x\nNULL,c,3,y\n".encode()
    answer = ann.call(
        "POST",
        "todos?columns=id,title,n&select=title,n",
        body=lines,
        Content_Type="text/csv",
        Prefer=f"outcome=per-row, resolution=merge-duplicates, {SHOWN}",
    )
    assert answer.status_code == 207
    first, second = answer.json()["results"]
    assert first == {"index": 0, "status": 200, "data": {"title": "b", "n": 2}}
    assert (second["status"], second["error"]["pgrst_code"]) == (400, "23502")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_more_than_max_affected_is_undone(ann: Any, method: str) -> None:
    ann.insert({"title": "a"}, {"title": "b"})
    body = {"n": 5} if method == "PATCH" else None
    answer = ann.call(method, "todos", body=body, Prefer="handling=strict, max-affected=1")
    assert answer.json()["message"] == "Query result exceeds max-affected preference constraint"
    assert [row["n"] for row in ann.call("GET", "todos").json()] == [None, None]


def test_row_by_row_takes_ten_thousand_rows_at_most(ann: Any) -> None:
    body = b"[" + b",".join([b"{}"] * 10_001) + b"]"
    answer = ann.call("POST", "todos", body=body, Prefer="outcome=per-row")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")
    assert answer.json()["error"]["details"] == {"rows": 10_001, "limit": 10_000}
