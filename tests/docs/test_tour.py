"""The README's tour, run as a newcomer would: the SQL into a migration, the shell lines into a shell."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
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
    [example] = re.findall(r"```toml\n(\[project\]\n.*?)```", guide, re.DOTALL)
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


def test_the_types_of_the_guide_are_made_and_used_as_printed(
    start_server: Callable[..., Any], reactor_tool: Any
) -> None:
    guide = (ROOT / "docs" / "user-guide.md").read_text()
    chapter = guide.split("## Types for your client\n")[1].split("\n## ")[0]
    generate, look = re.findall(r"```sh\n(.*?)```", chapter, re.DOTALL)
    [program] = re.findall(r"```python\n(.*?)```", chapter, re.DOTALL)
    server = start_server(files={"migrations/001_todos.sql": block("sql", "create table todos")}).wait()
    person = {"email": "ada@example.com", "password": "correct horse"}
    token = httpx.post(f"{server.url}/auth/v1/signup", json=person).json()["session"]["access_token"]
    org = {"name": "Acme", "slug": "acme"}
    httpx.post(f"{server.url}/auth/v1/orgs", json=org, headers={"Authorization": f"Bearer {token}"}).raise_for_status()
    (reactor_tool.directory / "program.py").write_text(program)
    tool = f'reactor() {{ {sys.executable} -m reactor_kernel.cli "$@"; }}'
    script = "\n".join([tool, generate, f"{sys.executable} program.py", look])
    environ = reactor_tool.environ | {
        "API": server.url,
        "TOKEN": token,
        "REACTOR_SERVER__BIND": f"127.0.0.1:{server.port}",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=reactor_tool.directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "interface Database" in (reactor_tool.directory / "src" / "database.types.ts").read_text()
    # The tool writes one document for each command; between them is what the program printed.
    answers, rest = [], done.stdout.strip()
    assert "\ntyped\n" in rest
    rest = rest.replace("\ntyped\n", "\n", 1)
    while rest:
        document, end = json.JSONDecoder().raw_decode(rest)
        answers.append(document["data"])
        rest = rest[end:].strip()
    assert answers[2] == ["todos"]
    assert answers[3]["name"] == "todos"
    assert answers[4]["rows"] == [["typed"]]
    assert answers[5]["rows_affected"] == 1
    assert answers[6] == {"applied": [], "pending": []}
