"""The forms an answer can have."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

VENDOR = "application/vnd.pgrst."


@pytest.fixture
def filled(ann: Any) -> Any:
    ann.insert(
        {"title": "plain", "n": 1, "tags": None},
        {"title": 'a "quote", a comma', "n": None, "tags": ["x", "y z"]},
        {"title": "line\nbreak", "n": 3, "tags": []},
    )
    return ann


def test_csv_has_the_names_and_each_row_as_postgres_writes_records(filled: Any) -> None:
    answer = filled.call("GET", "todos?select=title,number:n,tags,done&order=n", Accept="text/csv")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Range"] == "0-2/*"
    assert answer.text == (
        'title,number,tags,done\nplain,1,,f\n"line\nbreak",3,{},f\n"a ""quote"", a comma",,"{x,""y z""}",f'
    )
    read = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert read[3] == ['a "quote", a comma', "", '{x,"y z"}', "f"]


def test_csv_names_the_columns_where_there_are_no_rows(filled: Any) -> None:
    answer = filled.call("GET", 'todos?select=id,"odd, name":title&n=eq.77', Accept="text/csv", Prefer="count=exact")
    assert (answer.text, answer.headers["Content-Range"]) == ('id,"odd, name"', "*/0")
    assert filled.call("GET", "todos?n=eq.77", Accept="text/csv").text == "id,org_id,title,n,done,tags,data"


def test_a_change_is_represented_as_csv_too(filled: Any) -> None:
    answer = filled.call(
        "PATCH",
        "todos?select=title,n&order=n&n=not.is.null",
        body={"done": True},
        Accept="text/csv",
        Prefer="return=representation",
    )
    assert (answer.status_code, answer.text) == (200, 'title,n\nplain,1\n"line\nbreak",3')


def test_null_members_are_left_out_where_that_is_asked_for(filled: Any) -> None:
    accept = f"{VENDOR}array+json;nulls=stripped"
    answer = filled.call("GET", "todos?select=title,n,tags&order=n&limit=2&offset=1", Accept=accept)
    assert answer.headers["Content-Type"] == f"{VENDOR}array+json;nulls=stripped; charset=utf-8"
    assert answer.json() == [
        {"title": "line\nbreak", "n": 3, "tags": []},
        {"title": 'a "quote", a comma', "tags": ["x", "y z"]},
    ]
    accept = f"{VENDOR}object+json;nulls=stripped"
    answer = filled.call("GET", "todos?select=title,n,tags&title=eq.plain", Accept=accept)
    assert answer.headers["Content-Type"] == f"{VENDOR}object+json;nulls=stripped; charset=utf-8"
    assert answer.json() == {"title": "plain", "n": 1}
    refused = filled.call("GET", "todos", Accept=accept)
    assert (refused.status_code, refused.json()["code"], refused.json()["details"]) == (
        406,
        "PGRST116",
        "The result contains 3 rows",
    )


def test_what_cannot_be_made_is_406_for_reads_and_changes(filled: Any) -> None:
    for method, body in (("GET", None), ("HEAD", None), ("POST", {"title": "x"}), ("DELETE", None)):
        answer = filled.call(method, "todos", body=body, Accept="image/png, application/geo+json")
        assert answer.status_code == 406
        if method != "HEAD":
            assert (
                answer.json()["message"] == "None of these media types are available: image/png, application/geo+json"
            )
            assert answer.json()["error"]["code"] == "not_acceptable"
    assert len(filled.call("GET", "todos").json()) == 3


def test_plans_are_shown_only_where_that_is_switched_on(ann: Any, wire: Any) -> None:
    refused = ann.call("GET", "todos", Accept=f"{VENDOR}plan+json")
    assert (refused.status_code, refused.json()["hint"]) == (406, "Plans are answered with [data] plan_enabled = true.")
    planner = type(ann)(wire(plan_enabled=True))
    answer = planner.call("GET", "todos?n=eq.5", Accept=f'{VENDOR}plan+json; for="text/csv"; options=verbose')
    assert answer.headers["Content-Type"] == f'{VENDOR}plan+json; for="text/csv"; options=verbose; charset=utf-8'
    (plan,) = answer.json()
    assert plan["Plan"]["Node Type"] == "Aggregate"
    text = planner.call("GET", "todos?n=eq.5", Accept=f"{VENDOR}plan")
    assert text.headers["Content-Type"] == f'{VENDOR}plan+text; for="application/json"; charset=utf-8'
    assert text.text.startswith("Aggregate")


def test_a_plan_changes_nothing_unless_it_is_analysed(served: Any) -> None:
    own = served(plan_enabled=True)
    planner = own.ann
    answer = planner.call("POST", "todos", body={"title": "a"}, Accept=f"{VENDOR}plan")
    assert (answer.status_code, answer.text.split()[0]) == (200, "Aggregate")
    assert planner.call("GET", "todos").json() == []
    analysed = planner.call("POST", "todos", body={"title": "a"}, Accept=f"{VENDOR}plan; options=analyze")
    assert (analysed.status_code, "actual" in analysed.text) == (200, True)
    assert [row["title"] for row in planner.call("GET", "todos").json()] == ["a"]
    audited = own.rows("select event_type, row_count::text from _reactor_data.audit_events")
    assert audited == [("rows.insert", "1")]


HANDLERS = """
create domain "text/tab-separated-values" as text;
create function tsv_row(state "text/tab-separated-values", t todos) returns "text/tab-separated-values" language sql as $$
  select (coalesce(state, '') || t.title || E'\\t' || coalesce(t.n::text, '') || E'\\n')::"text/tab-separated-values" $$;
create aggregate tsv(todos) (sfunc = tsv_row, stype = "text/tab-separated-values");
"""


def test_a_media_type_of_the_database_is_made_by_its_aggregate(served: Any) -> None:
    ann = served(HANDLERS).ann
    ann.insert({"title": "a", "n": 1}, {"title": "b", "n": None})
    answer = ann.call("GET", "todos?order=title", Accept="text/html, text/tab-separated-values")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/tab-separated-values")
    assert answer.text == "a\t1\nb\t\n"
    part = ann.call("GET", "todos?select=title", Accept="text/tab-separated-values")
    assert (part.status_code, part.json()["code"]) == (406, "PGRST107")


def test_a_row_with_a_path_in_it_is_one_csv_field(ann: Any) -> None:
    ann.insert({"title": "a", "data": {"k": [1, {"x": "é"}]}})
    answer = ann.call("GET", "todos?select=data,data->k", Accept="text/csv")
    (_, fields) = csv.reader(io.StringIO(answer.text, newline=""))
    assert [json.loads(field) for field in fields] == [{"k": [1, {"x": "é"}]}, [1, {"x": "é"}]]


GEOMETRY = """
create domain geometry as point;
create function st_asgeojson(of record) returns text language plpgsql as $$ begin
  return json_build_object('type', 'Feature', 'properties', to_json(of)); end $$;
"""


def test_geojson_is_a_collection_of_what_postgis_makes_of_each_row(served: Any) -> None:
    # The embedded server has no PostGIS; the name and form of its function stand in.
    ann = served(GEOMETRY).ann
    ann.insert({"title": "a"}, {"title": "b"})
    answer = ann.call("GET", "todos?select=title&order=title", Accept="application/geo+json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/geo+json; charset=utf-8")
    features = [{"type": "Feature", "properties": {"title": title}} for title in ("a", "b")]
    assert answer.json() == {"type": "FeatureCollection", "features": features}
    assert ann.call("GET", "todos?n=eq.7", Accept="application/geo+json").json()["features"] == []


def test_a_column_may_have_any_name_in_csv(ann: Any) -> None:
    ann.insert({"title": "a", "n": 1})
    assert ann.call("GET", "todos?select=_:title,n", Accept="text/csv").text == "_,n\na,1"
