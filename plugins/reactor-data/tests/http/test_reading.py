"""GET, HEAD and OPTIONS."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _rows(ann: Any) -> None:
    ann.insert(
        {"title": "buy milk", "n": 1, "tags": ["home"], "data": {"k": [1, {"z": "q"}]}},
        {"title": "write code", "n": 2, "tags": ["work", "fun"], "data": None},
        {"title": "rest", "n": None, "tags": None, "data": {"k": "plain"}},
    )


FILTERS = {
    "n=eq.1": ["buy milk"],
    "n=neq.1": ["write code"],
    "n=gt.1": ["write code"],
    "n=gte.1&n=lt.2": ["buy milk"],
    "n=lte.2": ["buy milk", "write code"],
    "title=like.*milk": ["buy milk"],
    "title=ilike.*CODE*": ["write code"],
    "title=match.^b": ["buy milk"],
    "title=imatch.^B": ["buy milk"],
    'title=in.("buy milk",rest)': ["buy milk", "rest"],
    "title=in.()": [],
    "title=not.in.()": ["buy milk", "rest", "write code"],
    "n=is.null": ["rest"],
    "n=is.not_null": ["buy milk", "write code"],
    "n=not.is.null": ["buy milk", "write code"],
    "done=is.false&n=eq.2": ["write code"],
    "n=isdistinct.1": ["rest", "write code"],
    "tags=cs.{work}": ["write code"],
    "tags=cs.(work,fun)": ["write code"],
    "tags=cd.{home,other}": ["buy milk"],
    "tags=ov.{home,fun}": ["buy milk", "write code"],
    "or=(n.eq.1,title.eq.rest)": ["buy milk", "rest"],
    "not.or=(n.eq.1,n.eq.2,n.is.null)": [],
    "and=(n.gte.1,or(title.like.buy*,n.eq.5))": ["buy milk"],
    "data->k->1->>z=eq.q": ["buy milk"],
    "data->>k=eq.plain": ["rest"],
    "tags->>0=eq.work": ["write code"],
    "title=like(any).{buy*,rest}": ["buy milk", "rest"],
    "title=fts.milk": ["buy milk"],
    "title=wfts(english).coding": ["write code"],
    "title=EQ.rest": ["rest"],
}


def test_filters_choose_rows(ann: Any) -> None:
    found = {}
    for query in FILTERS:
        answer = ann.call("GET", f"todos?select=title&order=title&{query}")
        found[query] = [row["title"] for row in answer.json()] if answer.status_code == 200 else answer.text
    assert found == FILTERS


def test_select_shapes_the_objects(ann: Any) -> None:
    answer = ann.call("GET", "todos?select=label:title,n::text,z:data->k->1->>z,data->k&title=eq.buy milk")
    assert answer.json() == [{"label": "buy milk", "n": "1", "z": "q", "k": [1, {"z": "q"}]}]
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_order_limit_offset_and_range_make_pages(ann: Any) -> None:
    titles = "todos?select=title&order=n.desc.nullslast"
    assert [row["title"] for row in ann.call("GET", titles).json()] == ["write code", "buy milk", "rest"]
    page = ann.call("GET", f"{titles}&limit=1&offset=1", Prefer="count=exact")
    assert (page.status_code, page.headers["Content-Range"], page.json()) == (206, "1-1/3", [{"title": "buy milk"}])
    assert page.headers["Preference-Applied"] == "count=exact"
    ranged = ann.call("GET", titles, Range="0-1")
    assert (ranged.status_code, ranged.headers["Content-Range"], len(ranged.json())) == (200, "0-1/*", 2)
    assert ann.call("GET", f"{titles}&limit=0").headers["Content-Range"] == "*/*"
    everything = ann.call("GET", titles, Prefer="count=exact")
    assert (everything.status_code, everything.headers["Content-Range"]) == (200, "0-2/3")


def test_an_offset_beyond_a_known_total_is_416(ann: Any) -> None:
    answer = ann.call("GET", "todos?offset=9", Prefer="count=exact")
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "*/3")
    body = answer.json()
    assert body["error"]["code"] == "range_not_satisfiable"
    assert (body["code"], body["message"]) == ("PGRST103", "Requested range not satisfiable")
    assert body["details"] == "An offset of 9 was requested, but there are only 3 rows."
    assert ann.call("GET", "todos?offset=9").json() == []


@pytest.mark.parametrize("kind", ["planned", "estimated"])
def test_estimates_need_no_full_count(ann: Any, kind: str) -> None:
    answer = ann.call("GET", "todos", Prefer=f"count={kind}")
    assert answer.status_code in (200, 206)
    assert int(answer.headers["Content-Range"].split("/")[1]) >= 3
    assert answer.headers["Preference-Applied"] == f"count={kind}"


def test_head_is_get_without_rows(ann: Any) -> None:
    answer = ann.call("HEAD", "todos", Prefer="count=exact")
    assert (answer.status_code, answer.headers["Content-Range"], answer.content) == (200, "0-2/3", b"")


def test_a_single_object_is_one_row_or_406(ann: Any) -> None:
    single = "application/vnd.pgrst.object+json"
    found = ann.call("GET", "todos?select=title&n=eq.1", Accept=single)
    assert (found.status_code, found.json()) == (200, {"title": "buy milk"})
    assert found.headers["Content-Type"] == "application/vnd.pgrst.object+json; charset=utf-8"
    for query, rows in (("n=gte.1", 2), ("n=eq.99", 0)):
        answer = ann.call("GET", f"todos?{query}", Accept=single)
        assert answer.status_code == 406
        assert (answer.json()["code"], answer.json()["details"]) == ("PGRST116", f"The result contains {rows} rows")


def test_content_location_sorts_the_keys(ann: Any) -> None:
    assert ann.call("GET", "todos?select=n&limit=1").headers["Content-Location"] == "/data/v1/todos?limit=1&select=n"
    assert "Prefer" in ann.call("GET", "todos").headers["Vary"]


def test_options_says_what_a_relation_takes(client: Any) -> None:
    answer = client.options("/data/v1/todos")
    assert (answer.status_code, answer.headers["Allow"]) == (200, "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE")
    unknown = client.options("/data/v1/todo")
    assert (unknown.status_code, unknown.json()["code"], unknown.json()["hint"]) == (404, "PGRST205", None)
    assert client.options("/data/v1/nothing").status_code == 404


def test_the_time_zone_is_the_requests_own(ann: Any, rows: Any) -> None:
    answer = ann.call("GET", "todos?limit=1", Prefer="timezone=Asia/Tokyo")
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "timezone=Asia/Tokyo")
    assert ann.call("GET", "todos", Prefer="timezone=Nowhere/X").json()["code"] == "22023"
    assert rows("select current_setting('timezone')")[0][0] != "Asia/Tokyo"


def test_limits_come_from_the_configuration(wire: Any, ann: Any) -> None:

    client = wire(max_limit=2, default_limit=0)
    other = type(ann)(client)
    other.insert(*({"title": f"t{number}"} for number in range(4)))
    assert len(other.call("GET", "todos").json()) == 2
    assert len(other.call("GET", "todos?limit=50").json()) == 2
