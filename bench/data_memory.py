"""What a request of rows costs inside one process: processor time each, and memory over many of them.

    python bench/data_memory.py [--requests 20000] [--database-url postgresql://…]

Requests go straight into the WSGI application, so that no socket and no load generator is measured. Postgres is another process
and not counted. Memory is the process' resident set after a warm-up and at each tenth of the run: a flat column is the point.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCHEMA = """
create table todos (id bigint generated always as identity primary key, org_id uuid not null default auth.org_id(),
  title text not null, n int, done boolean not null default false);
policy of_the_org on todos for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
"""
ORG = "019213f5-0000-7000-8000-0000000000ab"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--database-url")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reactor-bench-") as root:
        measure(Path(root), options.requests, options.database_url)


def measure(root: Path, requests: int, url: str | None) -> None:
    """Boot a kernel of data alone and send it requests."""
    from reactor_data.plugin import DataPlugin
    from reactor_kernel.api import DbRole, Identity, IdentityKind
    from reactor_kernel.embedded.postgres import EmbeddedPostgres
    from reactor_kernel.kernel import Kernel, Stage
    from reactor_kernel.testing import fake_identities
    from reactor_kernel.testing.project import raw_config

    user = Identity(
        IdentityKind.USER,
        "user_x",
        DbRole.AUTHENTICATED,
        user_id=ORG,
        org_id=ORG,
        claims={"iss": "bench", "aud": "bench"},
    )
    plugins = [fake_identities({"token": user}, plugin="auth"), DataPlugin]
    (root / "project" / "migrations").mkdir(parents=True)
    (root / "project" / "migrations" / "001.sql").write_text(SCHEMA, encoding="utf-8")
    embedded = EmbeddedPostgres(root / "postgres") if url is None else None
    if embedded is not None:
        (root / "postgres").mkdir()
        url = embedded.start()
    kernel = Kernel(raw_config(root / "project", plugins, database_url=url), plugins=plugins)
    try:
        kernel.boot(Stage.MIGRATED)
        rows = json.dumps([{"title": f"row {number}", "n": number} for number in range(20)]).encode()
        assert call(kernel.app, "POST", "todos", "", rows) == 201
        report(
            "read of 20 rows",
            kernel.app,
            requests,
            lambda at: ("GET", "todos", "select=id,title,n&order=id&limit=20", b""),
        )
        report("read, every text new", kernel.app, requests, lambda at: ("GET", "todos", f"n=eq.{at}&limit=20", b""))
        report(
            "update of one row", kernel.app, requests // 4, lambda at: ("PATCH", "todos", "n=eq.7", b'{"done": true}')
        )
        many = json.dumps([{"title": f"row {number}", "n": number} for number in range(1000)]).encode()
        report("1,000 rows, not kept", kernel.app, requests // 400, lambda at: ("POST", "todos", "", many))
        report("refused reads", kernel.app, requests // 4, lambda at: ("GET", "todos", f"nope{at}=eq.1", b""))
    finally:
        kernel.close()
        if embedded is not None:
            embedded.stop()


def report(what: str, app: Any, requests: int, made: Callable[[int], tuple[str, str, str, bytes]]) -> None:
    """Send requests and print the processor time of each, and the memory at each tenth."""
    for at in range(min(500, requests)):
        call(app, *made(at))
    gc.collect()
    memory = [resident()]
    share = max(1, requests // 10)
    best = float("inf")
    for tenth in range(10):
        began = time.process_time()
        for at in range(share):
            call(app, *made(tenth * requests + at))
        # The least of ten is what other work on the machine disturbed least.
        best = min(best, (time.process_time() - began) / share)
        memory.append(resident())
    print(f"{what:24} {best * 1e6:9.1f} µs CPU/request   MiB: {' '.join(f'{one:.1f}' for one in memory)}", flush=True)


def call(app: Any, method: str, path: str, query: str, body: bytes) -> int:
    """Call the application; return the status."""
    seen: list[str] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": f"/data/v1/{path}",
        "QUERY_STRING": query,
        "SERVER_NAME": "bench",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "bench",
        "HTTP_AUTHORIZATION": "Bearer token",
        "HTTP_ACCEPT": "application/json",
        "HTTP_USER_AGENT": "bench/1.0",
        "HTTP_ACCEPT_ENCODING": "gzip, deflate",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "SCRIPT_NAME": "",
    }
    if body:
        environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
    answer = app(environ, lambda status, headers, exc_info=None: seen.append(status))
    for _ in answer:
        pass
    getattr(answer, "close", lambda: None)()
    return int(seen[0][:3])


def resident() -> float:
    """Return the resident set in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
