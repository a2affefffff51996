"""`reactor data explain-access` and `reactor data lint`, as a process that talks to a server."""

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

NIL = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def tool(live_server: Any, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REACTOR_")}
    environ |= {
        "REACTOR_HOME": str(tmp_path / "home"),
        "REACTOR_URL": live_server.url,
        "REACTOR_TOKEN": ADMIN_TOKEN,
        "NO_COLOR": "1",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "reactor_kernel.cli", "data", *arguments],
            cwd=elsewhere,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_decision_is_explained(tool: Any, make_caller: Any, put: Any, explained: Any, tmp_path: Path) -> None:
    me = make_caller()
    row = put("notes", org_id=NIL, a="x")
    claims = tmp_path / "claims.json"
    claims.write_text(json.dumps(me.claims))
    asked = ("explain-access", "notes", "select", "--key", f"id={row}", "--claims", f"@{claims}")
    done = tool(*asked)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"ok": True, "data": explained(me, "notes", "select", key={"id": row})}
    human = tool(*asked, "-o", "human").stdout
    assert human.startswith(
        '✗ denied\n  the row exists, but no policy shows it: policy "notes_read" (notes_read__select) fails at'
        " org_id = (select auth.org_id()), which is false\n"
    )
    assert "row exists  yes" in human
    assert "notes_read  select  using   no      org_id = (select auth.org_id())" in human


def test_every_part_of_a_question_can_be_given(tool: Any, explained: Any, put: Any) -> None:
    who = {"user_id": NIL, "org": NIL}
    row = put("notes", org_id=NIL, owner_id=NIL)
    done = tool("explain-access", "notes", "update", "--key", json.dumps({"id": row}), "--values", '{"a": "forbidden"}',
                "--columns", "id, a", "--returning", "--user", NIL, "--org", NIL)  # fmt: skip
    body = {"key": {"id": row}, "values": {"a": "forbidden"}, "columns": ["id", "a"], "returning": True}
    assert json.loads(done.stdout)["data"] == explained(who, "notes", "update", **body)
    allowed = tool("explain-access", "free", "insert", "--claims", "{}", "-o", "human")
    assert allowed.stdout.startswith("✓ allowed\n  allowed: row security is off for table free\n")
    assert allowed.stdout.rstrip().endswith("No policy was asked.")


@pytest.mark.parametrize(
    ("arguments", "code", "error", "message"),
    [
        (("notes", "select"), 1, "MISSING_ARGUMENT", "say whose access: --user ID or --claims JSON"),
        (("notes", "select", "--user", "a", "--claims", "{}"), 1, "MISSING_ARGUMENT",
         "say whose access: --user ID or --claims JSON"),
        (("notes", "select", "--claims", "{}", "--org", "a"), 1, "INVALID_ARGUMENT",
         "--org goes with --user; in claims it is org_id"),
        (("notes", "select", "--claims", "[]"), 4, "JSON_ERROR", "--claims must be a JSON object"),
        (("notes", "select", "--claims", "{"), 4, "JSON_ERROR",
         "--claims is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (("notes", "select", "--claims", "{}", "--key", "id"), 1, "INVALID_ARGUMENT",
         "--key must be COLUMN=VALUE or a JSON object, not 'id'"),
        (("nodes", "select", "--claims", "{}"), 1, "CLIENT_ERROR",
         "Could not find the table 'public.nodes' in the schema cache"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told(
    arguments: tuple[str, ...], code: int, error: str, message: str, tool: Any
) -> None:
    done = tool("explain-access", *arguments)
    found = json.loads(done.stdout)["error"]
    assert (done.returncode, found["code"], found["message"]) == (code, error, message)


def test_the_linter_lists_its_findings_and_fails_on_demand(tool: Any, client: Any) -> None:
    served = client.get("/data/v1/_admin/lint", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}).json()
    done = tool("lint")
    assert json.loads(done.stdout) == {"ok": True, "data": served}
    levels = [finding["level"] for finding in served]
    assert levels == sorted(levels, key=["error", "warning", "info"].index)
    assert set(levels) == {"error", "warning", "info"}
    human = tool("lint", "-o", "human").stdout
    assert (
        "error: public.free: row security is off, and there is granted SELECT, INSERT, UPDATE, DELETE to reactor_anon;"
        " SELECT, INSERT, UPDATE, DELETE to reactor_authenticated [table_open]\n"
        "  why: every caller sees every row, and changes it\n"
        '  fix: alter table "public"."free" enable row level security; and add policies, or revoke what is granted\n'
    ) in human
    strict = tool("lint", "--strict")
    assert (strict.returncode, json.loads(strict.stdout)["error"]["code"]) == (4, "VALIDATION_ERROR")
    assert json.loads(strict.stdout)["error"]["details"]["findings"] == served
    assert client.get("/data/v1/_admin/lint").status_code == 401
