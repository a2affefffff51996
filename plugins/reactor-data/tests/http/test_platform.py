"""Administration, health, probes and following the schema."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest


@pytest.fixture
def admin(client: Any) -> Any:
    from reactor_kernel.testing.project import ADMIN_TOKEN

    def call(method: str, path: str, **options: Any) -> Any:
        return client.request(
            method, f"/data/v1/_admin/{path}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, **options
        )

    return call


def test_the_administrator_sees_tables(admin: Any, ann: Any) -> None:
    ann.insert({"title": "a"})
    assert admin("GET", "tables").json() == ["canary", "closed", "facts", "secrets", "titles", "todos"]
    found = admin("GET", "tables/todos").json()
    assert (found["name"], found["schema"], found["row_count"]) == ("todos", "public", 1)
    assert found["columns"][0] == {
        "name": "id",
        "data_type": "reactor_id",
        "is_nullable": False,
        "is_primary_key": True,
    }
    assert admin("GET", "tables/todo").status_code == 404
    assert ann.call("GET", "_admin/tables").status_code in (401, 403)


def test_the_administrator_runs_sql_read_only_unless_asked(admin: Any) -> None:
    asked = {
        "sql": "select id, :x::text as x, ':x' as y from canary where id < :most",
        "params": {"x": "a'b", "most": 3},
    }
    assert admin("POST", "query", json=asked).json() == {
        "columns": ["id", "x", "y"],
        "rows": [[1, "a'b", ":x"], [2, "a'b", ":x"]],
    }
    refused = admin("POST", "query", json={"sql": "delete from canary"})
    assert (refused.status_code, refused.json()["code"]) == (405, "25006")
    assert refused.json()["hint"] == 'Send "write": true to allow changes.'
    written = admin("POST", "query", json={"sql": "delete from canary where id = 3", "write": True})
    assert written.json() == {"columns": [], "rows": [], "rows_affected": 1}
    bad = admin("POST", "query", json={"sql": "select :nope"})
    assert (bad.status_code, bad.json()["message"]) == (400, "params has no value for :nope")
    wrong = admin("POST", "query", json={"sql": "select nope"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "42703")


def test_migrations_are_applied_on_request_and_served_at_once(admin: Any, ann: Any, project: Any) -> None:
    (project / "migrations" / "002_more.sql").write_text(
        "create table more (id int) with (rls = false);", encoding="utf-8"
    )
    planned = admin("POST", "migrate", params={"dry_run": "true"}).json()
    assert (planned["applied"], planned["pending"]) == (["002_more"], ["002_more"])
    assert [(one["code"], one["object"]) for one in planned["warnings"]] == [
        ("table_open", "migrations/002_more.sql:1:1")
    ]
    assert ann.call("GET", "more").status_code == 404
    done = admin("POST", "migrate").json()
    assert (done["applied"], done["pending"]) == (["002_more"], [])
    assert [(one["code"], one["object"]) for one in done["warnings"]] == [("table_open", "public.more")]
    assert admin("POST", "migrate").json() == {"applied": [], "pending": []}
    assert ann.call("GET", "more").json() == []
    (project / "migrations" / "002_more.sql").write_text("-- changed", encoding="utf-8")
    answer = admin("POST", "migrate")
    assert answer.json()["error"]["code"] == "migration_drift"


def test_health_and_readiness(client: Any) -> None:
    from reactor_data import __version__

    assert client.get("/data/v1/health").json() == {"status": "ok", "version": __version__}
    assert client.get("/data/v1/health/ready").status_code == 200


def test_only_get_subscribes(ann: Any) -> None:
    assert ann.call("HEAD", "todos?subscribe=1").status_code == 405
    assert ann.call("GET", "todos?subscribe=0").status_code == 200


def test_safe_update_and_minimal_errors_are_configuration(wire: Any, ann: Any) -> None:
    other = type(ann)(wire(safe_update=True, error_verbosity="minimal"))
    other.insert({"title": "a"})
    answer = other.call("DELETE", "todos")
    assert (answer.status_code, answer.json()["code"], answer.json()["hint"]) == (400, "21000", None)
    assert other.call("DELETE", "todos?title=eq.a").status_code == 204


def test_a_statement_beyond_its_time_is_ended_and_the_next_runs(wire: Any, ann: Any, project: Any) -> None:
    (project / "migrations" / "002.sql").write_text(
        "create view slow as select pg_sleep(5)::text as a;", encoding="utf-8"
    )
    other = type(ann)(wire(statement_timeout_ms=100))
    answer = other.call("GET", "slow")
    assert (answer.status_code, answer.json()["code"]) == (500, "57014")
    assert other.call("GET", "todos").status_code == 200


def test_probes_and_metrics_look_at_every_exposed_schema(served: Any) -> None:
    from reactor_data.catalog.cache import SchemaCache
    from reactor_data.probes import DataProbes

    own = served(
        "create schema annex; create table annex.shut (id int primary key);"
        " create table annex.left_open (id int primary key) with (rls = false);",
        user_schema="public, annex",
        metrics=True,
    )
    kernel = own.kernel
    exposed = {"schema": "public, annex", "extra_search_path": []}
    cache = SchemaCache(kernel.database, clock=kernel.clock, log=kernel.log, **exposed)
    probes = DataProbes(kernel.database, cache)
    assert probes.schema().message == "8 relations in public, annex"
    assert probes.policies().details["without_policy"] == ["annex.shut", "closed", "secrets"]
    assert probes.row_security().details["tables"] == ["annex.left_open", "canary", "facts"]
    own.ann.call("GET", "todos")
    lines = own.client.get("/data/v1/metrics").text.splitlines()
    assert {"reactor_data_relations 8.0", "reactor_data_tables_without_row_security 3.0"} <= set(lines)


def test_probes_find_tables_left_open_and_tables_nobody_can_read(kernel: Any) -> None:
    from reactor_data.catalog.cache import SchemaCache
    from reactor_data.probes import DataProbes

    cache = SchemaCache(kernel.database, schema="public", extra_search_path=[], clock=kernel.clock, log=kernel.log)
    probes = DataProbes(kernel.database, cache)
    assert probes.database().status.value == "ok"
    assert probes.schema().message == "6 relations in public"
    assert probes.policies().message == "7 policies; without any policy nobody sees the rows of: closed, secrets"
    opened = probes.row_security()
    assert opened.status.value == "warn"
    assert opened.message == "row security is off for: canary, facts; every caller with a grant sees all rows"


def test_no_request_queries_the_catalogue(ann: Any, kernel: Any) -> None:
    def loads() -> float:
        text = kernel.metrics.render()[0].decode()
        return float(
            next(line.split()[1] for line in text.splitlines() if line.startswith("reactor_data_schema_loads "))
        )

    ann.insert({"title": "a"})
    before = loads()
    for _ in range(5):
        ann.call("GET", "todos?title=eq.a")
        ann.call("PATCH", "todos?title=eq.a", body={"n": 1})
        ann.call("GET", "nothing")
    assert loads() - before <= 1


def test_a_table_that_changed_unseen_is_served_after_postgres_contradicts(ann: Any, rows: Any) -> None:
    ann.call("GET", "facts")
    rows("alter table facts rename column what to which")
    time.sleep(1.1)
    answer = ann.call("GET", "facts?select=what")
    assert (answer.status_code, answer.json()["code"]) == (400, "42703")
    assert ann.call("GET", "facts?select=which").status_code == 200


def test_a_notice_reloads_the_schema_on_every_node(live_server: Any, ann: Any, rows: Any) -> None:
    live = type(ann)(httpx.Client(base_url=live_server.url))
    assert live.call("GET", "facts").status_code == 200
    rows("alter table facts add column extra int")
    rows("select pg_notify('reactor_data', 'reload schema')")
    deadline = time.monotonic() + 5
    while live.call("GET", "facts?select=extra").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    live.client.close()


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        ("set role reactor_anon", "select current_user = session_user"),
        ("set work_mem = '65kB'", "select current_setting('work_mem') <> '65kB'"),
        ("select set_config('search_path', 'nowhere', false)", "select current_setting('search_path') <> 'nowhere'"),
        ("select pg_advisory_lock(4711)", "select not exists (select from pg_locks where objid = 4711)"),
        ("listen left_behind", "select count(*) = 0 from pg_listening_channels()"),
        ("create temp table left_behind (a int)", "select to_regclass('pg_temp.left_behind') is null"),
    ],
)
def test_a_query_leaves_nothing_behind_for_others_on_its_connection(admin: Any, left: str, shown: str) -> None:
    assert admin("POST", "query", json={"sql": left, "write": left.startswith("create")}).status_code == 200
    assert admin("POST", "query", json={"sql": shown}).json()["rows"] == [[True]]
