"""`reactor data …` and `reactor types …` as processes against a served kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reactor_kernel.testing.project import ADMIN_TOKEN


@pytest.fixture
def tool(live_server: Any, tmp_path: Path) -> Callable[..., Any]:
    directory = tmp_path / "elsewhere"
    directory.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REACTOR_")}
    environ |= {"REACTOR_HOME": str(tmp_path / "home"), "REACTOR_TOKEN": ADMIN_TOKEN, "REACTOR_URL": live_server.url}

    def run(*arguments: str, env: dict[str, str] | None = None) -> Any:
        return subprocess.run(
            [sys.executable, "-m", "reactor_kernel.cli", *arguments],
            cwd=directory,
            env={**environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def answer(tool: Callable[..., Any]) -> Callable[..., Any]:
    """Run a command that succeeds; return its data."""

    def run(*arguments: str) -> Any:
        done = tool(*arguments)
        assert done.returncode == 0, (done.stdout, done.stderr)
        document = json.loads(done.stdout)
        assert document["ok"] is True
        return document["data"]

    return run


@pytest.fixture
def failure(tool: Callable[..., Any]) -> Callable[..., Any]:
    """Run a command that fails; return its exit code and error."""

    def run(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        done = tool(*arguments, env=env)
        document = json.loads(done.stdout)
        assert document["ok"] is False
        return done.returncode, document["error"]

    return run


def test_tables_are_listed_and_inspected(
    answer: Callable[..., Any], tool: Callable[..., Any], failure: Callable[..., Any]
) -> None:
    assert answer("data", "tables") == ["canary", "closed", "facts", "secrets", "titles", "todos"]
    assert tool("-o", "human", "data", "tables").stdout.splitlines()[2:4] == ["canary", "closed"]
    found = answer("data", "inspect", "canary")
    assert (found["name"], found["schema"], found["row_count"], found["columns"]) == (
        "canary",
        "public",
        3,
        [{"name": "id", "data_type": "integer", "is_nullable": False, "is_primary_key": True}],
    )
    assert tool("-o", "human", "data", "inspect", "canary").stdout == (
        "public.canary: 3 rows, row security off, 0 policies\n\n"
        "COLUMN  TYPE     NULL  KEY\n------  -------  ----  ---\nid      integer  -     yes\n"
    )
    code, error = failure("data", "inspect", "canari")
    assert (code, error["code"], error["message"], error["details"]["server_code"]) == (
        1,
        "CLIENT_ERROR",
        "Could not find the table 'public.canari' in the schema cache",
        "table_not_found",
    )


def test_sql_runs_read_only_until_a_write_is_confirmed(
    answer: Callable[..., Any], tool: Callable[..., Any], failure: Callable[..., Any], tmp_path: Path
) -> None:
    reading = ("data", "query", "--sql", "select id, null as n from canary where id < :most order by id")
    assert answer(*reading, "--params", '{"most": 3}') == {"columns": ["id", "n"], "rows": [[1, None], [2, None]]}
    (tmp_path / "params.json").write_text('{"most": 2}', encoding="utf-8")
    assert answer(*reading, "--params", f"@{tmp_path}/params.json")["rows"] == [[1, None]]
    shown = tool("-o", "human", *reading, "--params", '{"most": 2}')
    assert shown.stdout == "ID  N\n--  ----\n1   null\n"
    writing = ("data", "query", "--sql", "delete from canary where id = 3")
    code, error = failure(*writing)
    assert (code, error["code"], error["hint"]) == (1, "CLIENT_ERROR", 'Send "write": true to allow changes.')
    code, error = failure(*writing, "--write")
    assert (code, error) == (
        1,
        {
            "code": "REQUIRES_CONFIRMATION",
            "message": "running this statement past row security needs confirmation",
            "hint": "pass --yes or set REACTOR_ASSUME_YES=1",
        },
    )
    assert answer("data", "query", "--sql", "select count(*) from canary")["rows"] == [[3]]
    assert answer("--yes", *writing, "--write") == {"columns": [], "rows": [], "rows_affected": 1}
    assert failure("data", "query")[1]["code"] == "MISSING_ARGUMENT"
    code, error = failure("data", "query", "--sql", "select 1", "--params", "[1]")
    assert (error["code"], error["message"]) == ("JSON_ERROR", "--params must be a JSON object")
    code, error = failure("data", "query", "--sql", "select nope")
    assert (code, error["message"]) == (1, 'column "nope" does not exist')


def test_migrations_are_applied_by_the_server(
    answer: Callable[..., Any], tool: Callable[..., Any], project: Path
) -> None:
    assert answer("data", "migrate") == {"applied": [], "pending": []}
    (project / "migrations" / "002_more.sql").write_text("create table more (id int primary key);", encoding="utf-8")
    planned = answer("data", "migrate", "--dry-run")
    assert (planned["applied"], planned["pending"]) == (["002_more"], ["002_more"])
    assert tool("-o", "human", "data", "migrate", "--dry-run").stdout == "Pending:\n  002_more\n"
    assert "more" not in answer("data", "tables")
    done = answer("data", "migrate")
    assert (done["applied"], done["pending"]) == (["002_more"], [])
    assert "more" in answer("data", "tables")
    assert tool("-o", "human", "data", "migrate").stdout == "Nothing is pending.\n"


def test_types_are_written_into_files(answer: Callable[..., Any], failure: Callable[..., Any], tmp_path: Path) -> None:
    found = answer("types", "generate")
    text = (tmp_path / "elsewhere" / "database.types.ts").read_bytes()
    assert found == {"written": "database.types.ts", "bytes": len(text)}
    assert b"export interface Database {" in text
    again = answer("types", "generate", "--out", "src/again.ts")
    assert (tmp_path / "elsewhere" / "src" / "again.ts").read_bytes() == text
    assert again["written"] == "src/again.ts"
    assert answer("types", "generate", "--lang", "python")["written"] == "database_types.py"
    assert "class TodosRow(TypedDict):" in (tmp_path / "elsewhere" / "database_types.py").read_text(encoding="utf-8")
    code, error = failure("types", "generate", env={"REACTOR_TOKEN": "wrong-wrong-wrong-wrong"})
    assert (code, error["code"], error["message"]) == (3, "AUTH_FAILED", "the admin token is wrong")
    code, error = failure("types", "generate", "--out", "database.types.ts/x.ts")
    assert (code, error["code"]) == (2, "IO_ERROR")
    code, error = failure("types", "generate", env={"REACTOR_URL": "http://127.0.0.1:9"})
    assert (code, error["code"]) == (6, "CONNECTION_REFUSED")
