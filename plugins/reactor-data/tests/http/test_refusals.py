"""What is refused before any statement runs: in both halves of the envelope."""

from __future__ import annotations

from typing import Any

import pytest

SUBJECT = "application/json; charset=utf-8"


def halves(answer: Any) -> tuple[Any, ...]:
    said = answer.json()
    assert said["ok"] is False
    assert said["message"] == said["error"]["message"]
    assert said["error"]["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Content-Type"] == SUBJECT
    return answer.status_code, said["error"]["code"], said["error"].get("pgrst_code"), said["code"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_no_token_is_pgrst302(client: Any, method: str) -> None:
    answer = client.request(method, "/data/v1/todos")
    assert halves(answer) == (401, "unauthorized", "PGRST302", "PGRST302")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_bad_token_is_pgrst301(client: Any) -> None:
    answer = client.get("/data/v1/todos", headers={"Authorization": "Bearer {broken"})
    assert halves(answer) == (401, "invalid_token", "PGRST301", "PGRST301")


def test_a_method_nobody_answers_is_pgrst117(ann: Any) -> None:
    answer = ann.call("TRACE", "todos")
    assert halves(answer) == (405, "method_not_allowed", "PGRST117", "PGRST117")


@pytest.mark.parametrize("path", ["todos/1", "todos/1/2", "rpc/f/g", "rpc", "orgs/a/b"])
def test_other_depths_are_not_found(ann: Any, path: str) -> None:
    answer = ann.call("GET", path)
    assert answer.status_code == 404
    assert answer.json()["code"] in ("PGRST125", "PGRST205")
    if "/" in path:
        assert halves(answer) == (404, "not_found", "PGRST125", "PGRST125")


def test_a_schema_that_is_not_exposed_is_pgrst106(ann: Any) -> None:
    for method, header in (("GET", "Accept_Profile"), ("HEAD", "Accept_Profile"), ("POST", "Content_Profile")):
        answer = ann.call(method, "todos", body={"title": "a"} if method == "POST" else None, **{header: "private"})
        assert answer.status_code == 406
        if method != "HEAD":
            assert halves(answer) == (406, "schema_not_exposed", "PGRST106", "PGRST106")
            assert answer.json()["message"] == "Invalid schema: private"
            assert answer.json()["hint"] == "Only the following schemas are exposed: public"


def test_metrics_are_prometheus_text_where_they_are_switched_on(client: Any, served: Any) -> None:
    hidden = client.get("/data/v1/metrics")
    assert (hidden.status_code, hidden.json()["error"]["code"]) == (404, "not_found")
    own = served(metrics=True)
    own.ann.call("GET", "todos")
    shown = own.client.get("/data/v1/metrics")
    assert (shown.status_code, shown.headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    lines = shown.text.splitlines()
    assert "# TYPE reactor_data_relations gauge" in lines
    assert "reactor_data_relations 6.0" in lines
    samples = [line for line in lines if not line.startswith("#")]
    assert all(line.startswith("reactor_data_") or 'capability="data"' in line for line in samples)


def test_options_need_no_token_and_say_what_a_relation_takes(client: Any) -> None:
    view = client.options("/data/v1/titles")
    assert (view.status_code, view.headers["Allow"], view.content) == (200, "OPTIONS,GET,HEAD,POST,PATCH,DELETE", b"")
    missing = client.options("/data/v1/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "PGRST205")
