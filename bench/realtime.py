"""Measure realtime: how long changes take to arrive, and what recording them costs the writer. See README.md.

python bench/realtime.py                        200 subscribers, once of one identity and once of as many
python bench/realtime.py --subscribers 50
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import selectors
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processes import HERE, cpu_seconds, free_port, serving, serving_processes
from project import call, make
from run import table

TABLE = "bench_items"
PASSWORD = "a benchmark's long password"
SETTINGS = """
[auth.password]
memory_kib = 8192
iterations = 1

[auth.limits]
signup_per_address = 0
login_per_address = 0
"""


class Subscribers:
    """Many streams, read by one thread: a thread each would measure the client."""

    def __init__(self, port: int, credentials: Sequence[dict[str, str]]) -> None:
        self._selector = selectors.DefaultSelector()
        self.latencies: list[float] = []
        self.counts = [0] * len(credentials)
        self._texts = [b""] * len(credentials)
        for number, headers in enumerate(credentials):
            sock = socket.create_connection(("127.0.0.1", port))
            lines = [
                f"GET /data/v1/{TABLE}?subscribe=1&event=INSERT HTTP/1.1",
                f"Host: 127.0.0.1:{port}",
                "Accept: text/event-stream",
                *(f"{name}: {value}" for name, value in headers.items()),
            ]
            sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            while b"retry: 3000" not in self._texts[number]:
                part = sock.recv(65536)
                if not part:
                    raise SystemExit(f"a subscription was refused: {self._texts[number].decode()}")
                self._texts[number] += part
            if not self._texts[number].startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"a subscription was refused: {self._texts[number].decode()}")
            self._selector.register(sock, selectors.EVENT_READ, number)

    def read(self, seconds: float) -> None:
        """Take what comes within some seconds."""
        ends = time.time() + seconds
        while (left := ends - time.time()) > 0:
            for key, _ in self._selector.select(left):
                number: int = key.data
                text = self._texts[number] + key.fileobj.recv(1 << 20)  # type: ignore[union-attr]
                now = time.time()
                *blocks, self._texts[number] = text.split(b"\n\n")
                for block in blocks:
                    at = block.find(b'"title":"at ')
                    if at >= 0:
                        self.counts[number] += 1
                        self.latencies.append(now - float(block[at + 12 : block.index(b'"', at + 12)]))

    def close(self) -> None:
        """Hang up."""
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, default=200)
    parser.add_argument("--changes", type=int, default=200, help="changes written, one a time")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between them")
    parser.add_argument("--rows", type=int, default=10000, help="rows of a bulk insert")
    parser.add_argument("--rounds", type=int, default=12, help="bulk inserts with and without recording")
    parser.add_argument("--database-url", help="an external Postgres, empty; the embedded one where absent")
    args = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="reactor-bench-") as folder:
        root = Path(folder) / "project"
        make(root, args.database_url)
        file = root / "Reactor.toml"
        file.write_text(file.read_text() + SETTINGS)
        with reactor(root, args.subscribers) as (port, process):
            deliver(args, port, process)
            write(args, f"http://127.0.0.1:{port}", root)
    return 0


@contextmanager
def reactor(root: Path, subscribers: int) -> Iterator[tuple[int, int]]:
    """Serve the project with a thread for every stream; yields the port and the process."""
    port, threads = free_port(), subscribers + 16
    command = [sys.executable, str(HERE / "serve_reactor.py"), str(root), str(port), "waitress", "1", str(threads)]
    environ = {"REACTOR_SERVER__MAX_STREAMS": str(subscribers + 4), "REACTOR_LOG": "warning"}
    with serving(command, port, "/health", cwd=root, environ=environ) as (process, _):
        yield port, process.pid


def deliver(args: argparse.Namespace, port: int, process: int) -> None:
    """Write changes one by one, and let everybody receive them."""
    base = f"http://127.0.0.1:{port}"
    owner = signed_up(base, "owner")
    org = call(base, "/auth/v1/orgs", {"name": "Bench", "slug": "bench"}, owner)
    owner["X-Reactor-Org"] = org.get("org", org)["id"]
    own: list[dict[str, str]] = []
    for number in range(args.subscribers):
        member = signed_up(base, f"member{number}")
        made = call(base, "/auth/v1/orgs", {"name": f"Org {number}", "slug": f"org-{number}"}, member)
        own.append({**member, "X-Reactor-Org": made.get("org", made)["id"]})
    rows = []
    for name, credentials, receivers in (
        ("one identity", [owner] * args.subscribers, args.subscribers),
        # Everybody's policies are evaluated for every change; one of them may see it.
        ("as many identities, one may see", [owner, *own[1:]], 1),
    ):
        subscribers = Subscribers(port, credentials)
        subscribers.read(1)
        pids = serving_processes(process)
        before = cpu_seconds(pids)
        for _ in range(args.changes):
            call(base, f"/data/v1/{TABLE}", {"title": f"at {time.time():.6f}", "rank": 1}, owner)
            subscribers.read(args.pause)
        subscribers.read(3)
        spent = cpu_seconds(pids) - before
        cuts = statistics.quantiles(subscribers.latencies, n=100)
        lost = args.changes * receivers - len(subscribers.latencies)
        subscribers.close()
        rows.append(
            [
                name,
                f"{len(subscribers.latencies)}{f' ({lost} missing)' if lost else ''}",
                f"{cuts[49] * 1000:.1f}",
                f"{cuts[98] * 1000:.1f}",
                f"{spent / args.changes * 1000:.1f}",
            ]
        )
        time.sleep(1)
    head = [f"{args.subscribers} subscribers", "received", "p50 ms", "p99 ms", "CPU ms a change"]
    table("From before the writer's request to the subscriber", head, rows)


def write(args: argparse.Namespace, base: str, root: Path) -> None:
    """Compare bulk and single inserts with and without the triggers, turn by turn, straight in Postgres."""
    import psycopg

    rows = []
    with psycopg.connect(dsn(args, root), autocommit=True) as connection:
        for name, count, repeats in (
            (f"bulk insert of {args.rows} rows", args.rows, 1),
            ("insert of one row", 1, 200),
        ):
            took: dict[str, list[tuple[float, float]]] = {"enable": [], "disable": []}
            backend = connection.info.backend_pid
            for round_ in range(args.rounds + 1):
                for state in took:
                    connection.execute(f"alter table {TABLE} {state} trigger user")
                    connection.execute(f"truncate {TABLE}")
                    before = cpu_seconds([backend])
                    seconds = inserted(connection, count, repeats)
                    if round_:  # the first one warms up
                        took[state].append((seconds / repeats, (cpu_seconds([backend]) - before) / repeats))
            with_, without = (statistics.median(t for t, _ in took[state]) for state in ("enable", "disable"))
            spent, least = (statistics.mean(cpu for _, cpu in took[state]) for state in ("enable", "disable"))
            cells = [f"{value * 1000:.2f}" for value in (without, with_, least, spent)]
            rows.append([name, *cells[:2], f"{with_ / without - 1:+.0%}", *cells[2:], f"{spent / least - 1:+.0%}"])
        connection.execute(f"alter table {TABLE} enable trigger user")
    head = ["", "without ms", "with ms", "slower by", "CPU without", "CPU with", "more CPU"]
    table("What recording costs the writer (goal: at most 15 % in bulk)", head, rows)


def inserted(connection: Any, count: int, repeats: int) -> float:
    """Insert as the data API does, `repeats` times; return the seconds."""
    org = "018f0000-0000-7000-8000-000000000001"
    body = json.dumps([{"org_id": org, "title": f"item {n}", "rank": n} for n in range(count)])
    claims = json.dumps({"org_id": org})
    began = time.perf_counter()
    for _ in range(repeats):
        with connection.transaction():
            connection.execute(
                "select set_config('request.jwt.claims', %s, true), set_config('role', 'reactor_authenticated', true)",
                (claims,),
            )
            connection.execute(
                f"insert into {TABLE} (org_id, title, rank) select b.org_id, b.title, b.rank"
                " from json_to_recordset(%s) b(org_id uuid, title text, rank int)",
                (body,),
            )
    return time.perf_counter() - began


def dsn(args: argparse.Namespace, root: Path) -> str:
    """Return the URL of the database."""
    if args.database_url is not None:
        return str(args.database_url)
    from reactor_kernel.embedded.postgres import EmbeddedPostgres

    return str(EmbeddedPostgres(root).status().dsn)


def signed_up(base: str, name: str) -> dict[str, str]:
    """Sign somebody up; return the headers of its requests."""
    made = call(base, "/auth/v1/signup", {"email": f"{name}@example.com", "password": PASSWORD})
    return {"Authorization": f"Bearer {made['session']['access_token']}"}


if __name__ == "__main__":
    raise SystemExit(main())
