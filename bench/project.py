"""A project with rows in it, made the way a person makes one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIGRATION = """
create table bench_items (
  id     reactor_id primary key default reactor_id(),
  org_id uuid not null default auth.org_id(),
  title  text not null,
  done   boolean not null default false,
  rank   int not null
) with (rls = true);

policy bench_items_of_the_org on bench_items for all using (org_id = auth.org_id()) check (org_id = auth.org_id());

create index bench_items_by_org on bench_items (org_id, rank);
"""

READ = "/data/v1/bench_items?select=id,title,done,rank&order=rank.asc&limit=20"


@dataclass(frozen=True)
class Reader:
    """Who reads: a signed-up member of an organisation."""

    headers: dict[str, str]


def make(root: Path, database_url: str | None) -> None:
    """Write a project with auth and data, and the migration of the table that is read."""
    root.mkdir(parents=True, exist_ok=True)
    subprocess.run([reactor(), "init"], cwd=root, check=True, capture_output=True)
    file = root / "Reactor.toml"
    text = re.sub(r"(?ms)^\[hello\].*?(?=^\[|\Z)", "", file.read_text())
    if database_url is not None:
        text = re.sub(r'(?m)^url = "embedded"', f"url = {json.dumps(database_url)}", text)
    file.write_text(text)
    (root / "migrations").mkdir(exist_ok=True)
    (root / "migrations" / "001_bench.sql").write_text(MIGRATION)


def fill(base: str, rows: int) -> Reader:
    """Sign a member up and write rows through the API into ten organisations; the member reads in the first."""
    credentials = {"email": "bench@example.com", "password": "a benchmark's long password"}
    token = call(base, "/auth/v1/signup", credentials)["session"]["access_token"]
    readers = []
    for number in range(10):
        headers = {"Authorization": f"Bearer {token}"}
        org = call(base, "/auth/v1/orgs", {"name": f"Bench {number}", "slug": f"bench-{number}"}, headers)
        headers["X-Reactor-Org"] = org.get("org", org)["id"]
        for start in range(0, rows, 1000):
            batch = [{"title": f"item {n}", "rank": n} for n in range(start, min(start + 1000, rows))]
            call(base, "/data/v1/bench_items", batch, headers)
        readers.append(Reader(headers))
    return readers[0]


def call(base: str, path: str, document: Any = None, headers: dict[str, str] | None = None) -> Any:
    """Send JSON, return JSON."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(base + path, body, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{path} answered {error.code}: {error.read().decode()}") from None
    return json.loads(text) if text else None


def reactor() -> str:
    """Return the tool that belongs to this interpreter."""
    return str(Path(sys.executable).parent / "reactor")
