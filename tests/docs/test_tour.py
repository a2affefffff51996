"""The README's tour, run as a newcomer would: the SQL into a migration, the shell lines into a shell."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]


def block(language: str, marker: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    found = [code for code in blocks if marker in code]
    assert len(found) == 1, f"README.md must have one {language} block with {marker!r}"
    return found[0]


def test_the_tour_of_the_readme_works_as_printed(start_server: Callable[..., Any]) -> None:
    server = start_server(files={"migrations/001_todos.sql": block("sql", "create table todos")}).wait()
    script = block("sh", "/auth/v1/signup").replace("http://127.0.0.1:8000", server.url)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith('[{"title":"try Reactor","done":false}]'), done.stdout
    assert httpx.get(f"{server.url}/data/v1/todos").status_code == 401


def test_the_example_configuration_of_the_guide_binds_without_a_problem(reactor_tool: Any) -> None:
    guide = (ROOT / "docs" / "user-guide.md").read_text()
    [example] = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    made = reactor_tool.run("init", "--yes")
    assert made.returncode == 0, made.stderr
    config = reactor_tool.directory / "Reactor.toml"
    sections = config.read_text().split("[vault]", 1)[1]
    config.write_text(example.replace('"vault:admin/token"', '"file:.reactor/admin-token"') + "\n[vault]" + sections)
    # The vault belongs to the id that init made, not to the example's.
    reactor_tool.environ["REACTOR_AUTH__DATA_KEY"] = base64.b64encode(bytes(32)).decode()
    reactor_tool.environ["REACTOR_STORAGE__SIGNING_SECRET"] = "a secret that signs URLs"
    reactor_tool.environ["DATABASE_URL"] = "postgresql://nobody@localhost/app"
    checked = reactor_tool.run("config", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "unknown" not in checked.stdout + checked.stderr
