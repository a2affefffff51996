"""Several exposed schemas, and which of them a request means."""

from __future__ import annotations

from typing import Any

import pytest

TWO = """
create schema if not exists api;
create table api.things (id int primary key, what text) with (rls = false);
create table api.todos (id int primary key, other text) with (rls = false);
insert into api.things values (1, 'a');
"""


@pytest.fixture
def two(served: Any) -> Any:
    return served(TWO, user_schema="public, api")


def test_a_read_names_its_schema_and_the_answer_repeats_it(two: Any) -> None:
    answer = two.ann.call("GET", "things", Accept_Profile="api")
    assert (answer.status_code, answer.json(), answer.headers["Content-Profile"]) == (
        200,
        [{"id": 1, "what": "a"}],
        "api",
    )
    default = two.ann.call("GET", "todos")
    assert (default.json(), default.headers["Content-Profile"]) == ([], "public")
    assert two.ann.call("GET", "things").json()["code"] == "PGRST205"
    # Content-Profile says nothing about a read.
    assert two.ann.call("GET", "things", Content_Profile="api").status_code == 404


def test_a_write_names_its_schema_and_equal_names_stay_apart(two: Any) -> None:
    made = two.ann.call(
        "POST", "todos", body={"id": 1, "other": "x"}, Content_Profile="api", Prefer="return=representation"
    )
    assert (made.status_code, made.json()) == (201, [{"id": 1, "other": "x"}])
    two.ann.insert({"title": "mine"})
    for _ in range(2):
        assert [row["title"] for row in two.ann.call("GET", "todos").json()] == ["mine"]
        assert two.ann.call("GET", "todos", Accept_Profile="api").json() == [{"id": 1, "other": "x"}]
    changed = two.ann.call("PATCH", "todos?id=eq.1", body={"other": "y"}, Content_Profile="api")
    assert (changed.status_code, changed.headers["Content-Profile"]) == (204, "api")
    assert two.ann.call("DELETE", "todos", Content_Profile="api").status_code == 204


def test_an_unknown_schema_lists_those_there_are(two: Any) -> None:
    answer = two.ann.call("GET", "things", Accept_Profile="_reactor_data")
    assert (answer.status_code, answer.json()["hint"]) == (
        406,
        "Only the following schemas are exposed: public, api",
    )


def test_one_schema_needs_no_name_in_the_answer(ann: Any) -> None:
    answer = ann.call("GET", "todos", Accept_Profile="public")
    assert (answer.status_code, "Content-Profile" in answer.headers) == (200, False)
