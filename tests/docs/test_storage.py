"""The guide's chapter on storage: its migration is applied, and what it shows is run from top to bottom."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

GUIDE = Path(__file__).parents[2] / "docs" / "user-guide.md"


def test_the_chapter_on_storage_works_as_printed(start_server: Callable[..., Any], reactor_tool: Any) -> None:
    chapter = GUIDE.read_text().split("\n## Storage\n", 1)[1].split("\n## ", 1)[0]
    [migration] = re.findall(r"```sql\n(.*?)```", chapter, re.DOTALL)
    blocks = re.findall(r"```(sh|python)\n(.*?)```", chapter, re.DOTALL)
    assert [language for language, _ in blocks] == ["sh"] * 5 + ["python", "sh"]
    server = start_server(files={"migrations/001_storage.sql": migration}).wait()
    person = {"email": "ada@example.com", "password": "correct horse"}
    token = httpx.post(f"{server.url}/auth/v1/signup", json=person).json()["session"]["access_token"]
    org = {"name": "Acme", "slug": "acme"}
    httpx.post(f"{server.url}/auth/v1/orgs", json=org, headers={"Authorization": f"Bearer {token}"}).raise_for_status()
    (reactor_tool.directory / "clients.py").write_text(blocks[5][1])
    steps = [f"{sys.executable} clients.py" if language == "python" else code for language, code in blocks]
    marked = "\n".join(f"{code}\necho; echo '# end of a block'" for code in steps)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'reactor() {{ {sys.executable} -m reactor_kernel.cli "$@"; }}\n{marked}'],
        cwd=reactor_tool.directory,
        env=reactor_tool.environ | {"API": server.url, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made, copied, by_curl, signed, hidden, clients, cleared, _ = done.stdout.split("\n# end of a block\n")
    assert [one["name"] for one in documents(made)] == ["docs", "homes", "pictures"]
    *answers, listing = documents(copied.rpartition("a,b\n1,2\n")[0])
    assert [one["copied"][0]["to"] for one in answers] == [
        "storage://docs/drafts/notes.txt",
        "storage://docs/reports/2026.csv",
        "copy.txt",
        "storage://docs/final/notes.txt",
    ]
    assert [one["key"] for one in listing["objects"]] == ["drafts/notes.txt", "final/notes.txt", "reports/2026.csv"]
    assert by_curl.strip().endswith("hell")
    assert signed.startswith("hello")
    assert hidden.strip().endswith("403")
    assert clients.splitlines()[0] == "b'hello'"
    assert clients.splitlines()[1] == "['by-curl.txt', 'by-s3.txt', 'by-storage3.txt']"
    removed, deleted, left = documents(cleared)
    assert (removed, deleted, [one["name"] for one in left]) == (
        {"removed": 1},
        {"deleted": "docs"},
        ["homes", "pictures"],
    )


def documents(text: str) -> list[Any]:
    """Return the data of the tool's documents, one behind the other."""
    found, rest = [], text.strip()
    while rest:
        document, end = json.JSONDecoder().raw_decode(rest)
        found.append(document["data"])
        rest = rest[end:].strip()
    return found
