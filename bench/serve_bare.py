"""A bare Falcon application on one of Reactor's engines: the ceiling for anything Falcon serves there.

With BENCH_STATEMENTS=FILE and BENCH_DSN=URL it also answers `/read/v1/read` with what the recorded statements return, sent as Reactor
sends them and with nothing else around: the ceiling for a read.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import falcon

from reactor_kernel.runtime.engines import GRANIAN, WAITRESS
from reactor_kernel.runtime.serve import bind, run

BODY = b'{"answer":42}'


class Noop:
    """Answers at once."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer."""
        resp.content_type = "application/json"
        resp.data = BODY


class Read:
    """Runs recorded statements in one pipeline and answers the second column of the last result."""

    def __init__(self, recorded: Path, dsn: str) -> None:
        from reactor_kernel.db.conninfo import complete
        from reactor_kernel.db.link import Command
        from reactor_kernel.db.pool import Pool

        self._pool = Pool(complete(dsn, connect_timeout=5), most=20, timeout=5)
        self._commands = [
            Command(command["sql"], [None if value is None else value.encode() for value in command["params"]])
            for command in json.loads(recorded.read_text())
        ]

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer."""
        link = self._pool.acquire()
        try:
            results = link.send(self._commands)
            # Of a write the answer has no body, and what stands last is its entry in the audit.
            answer = results[-1].get_value(0, 1) if results[-1].ntuples else b""
        finally:
            self._pool.release(link)
        resp.content_type = "application/json"
        resp.data = answer


class Bare(falcon.App):
    """Falcon as it comes, with the methods the engines ask for."""

    def body_limit_for(self, method: str, path: str) -> int:
        """Accept 2 MiB everywhere."""
        return 2 * 1024 * 1024

    def cross_origin_headers(self, path: str, origin: str | None) -> list[tuple[str, str]]:
        """Serve no other origins."""
        return []


class Target:
    """A serve target around the bare application."""

    drain_timeout = 5.0
    body_limit = 2 * 1024 * 1024

    def __init__(self, port: int, engine: str, workers: int, threads: int) -> None:
        self.listener = bind("127.0.0.1", port)
        self.engine = {"waitress": WAITRESS, "granian": GRANIAN}[engine]
        self.workers = workers
        self.threads = threads

    def before_fork(self) -> None:
        """Nothing is open."""

    def start_worker(self, index: int) -> Any:
        """Make the application."""
        app = Bare()
        app.add_route("/noop/v1/noop", Noop())
        if recorded := os.environ.get("BENCH_STATEMENTS"):
            app.add_route("/read/v1/read", Read(Path(recorded), os.environ["BENCH_DSN"]))
        return app

    def drain(self, deadline: float) -> None:
        """Nothing runs in the background."""

    def stop_worker(self) -> None:
        """Nothing is held."""


if __name__ == "__main__":
    port, engine, workers, threads = sys.argv[1:]
    raise SystemExit(run(Target(int(port), engine, int(workers), int(threads))))
