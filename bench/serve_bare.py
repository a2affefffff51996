"""A bare Falcon application on one of Reactor's engines: the ceiling for anything Falcon serves there."""

from __future__ import annotations

import sys
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


class Bare(falcon.App):
    """Falcon as it comes, with the one method the engines ask for."""

    def body_limit_for(self, method: str, path: str) -> int:
        """Accept 2 MiB everywhere."""
        return 2 * 1024 * 1024


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
        return app

    def drain(self, deadline: float) -> None:
        """Nothing runs in the background."""

    def stop_worker(self) -> None:
        """Nothing is held."""


if __name__ == "__main__":
    port, engine, workers, threads = sys.argv[1:]
    raise SystemExit(run(Target(int(port), engine, int(workers), int(threads))))
