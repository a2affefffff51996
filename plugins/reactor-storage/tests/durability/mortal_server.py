"""A server process that dies by SIGKILL before a step that a request names, and is started again at once.

`mortal_server.py '{"root": …, "database_url": …, "config": {…}}'` imports everything, then for each line on its standard input forks
a child that boots a kernel and serves it, says its pid, and at its end how it ended.

A request with `X-Test-Die-At: 7` kills its process before its 7th step. Steps are round trips to Postgres, what the backend asks of
the file system, pieces of the body, and the answer itself; `X-Test-Steps` names those of a request that was answered.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from reactor_kernel.api import KERNEL_API, Middleware, PluginInfo, hookimpl
from reactor_kernel.contributions import Phase
from reactor_kernel.db.link import Link
from reactor_kernel.kernel import Kernel
from reactor_kernel.testing.fakes import TrustingAuth
from reactor_kernel.testing.project import raw_config
from reactor_storage.backends.contract import Staged
from reactor_storage.backends.fs import FileSystemBackend
from reactor_storage.hookspecs import StorageBackend
from reactor_storage.plugin import StoragePlugin


class Steps(threading.local):
    """The steps of the request that runs on this thread."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, die_at: int) -> None:
        self.die_at = die_at
        self.taken: list[str] = []

    def take(self, name: str) -> None:
        self.taken.append(name)
        if len(self.taken) == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()


STEPS = Steps()


def stepping(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def stepped(*args: Any, **kwargs: Any) -> Any:
        STEPS.take(name)
        return function(*args, **kwargs)

    return stepped


class MortalBackend(FileSystemBackend):
    """The backend `fs`, whose steps count."""

    def stage(self, chunks: Iterable[bytes], *, limit: int) -> Staged:
        return super().stage(_pieces(chunks), limit=limit)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        STEPS.take("piece")
        yield chunk


class Countdown:
    """Begins with each request, and takes its last step."""

    def process_request(self, req: Any, resp: Any) -> None:
        STEPS.begin(int(req.get_header("X-Test-Die-At") or 0))

    def process_response(self, req: Any, resp: Any, resource: Any, req_succeeded: bool) -> None:
        STEPS.take("answer")
        resp.set_header("X-Test-Steps", " ".join(STEPS.taken))


class MortalPlugin:
    """Brings the backend `mortal`."""

    info = PluginInfo(name="mortal", version="1.0.0", api=KERNEL_API, summary="dies when asked")

    @hookimpl
    def reactor_storage_backends(self, ctx: Any) -> Iterable[StorageBackend]:
        yield StorageBackend("mortal", lambda: MortalBackend(Path(ctx.project.root) / "files", ctx.log))

    @hookimpl
    def reactor_middleware(self, ctx: Any) -> Iterable[Middleware]:
        yield Middleware(Countdown(), phase=Phase.BEFORE_ACCESS)


def main() -> None:
    facts = json.loads(sys.argv[1])
    auth = TrustingAuth.named("auth")
    Link.send = stepping("postgres", Link.send)  # type: ignore[method-assign]
    for name in ("mkdir", "replace", "unlink", "fsync"):
        setattr(os, name, stepping(name, getattr(os, name)))
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            os.setsid()
            plugins = [auth, StoragePlugin, MortalPlugin]
            raw = raw_config(Path(facts["root"]), plugins, facts["config"], database_url=facts["database_url"])
            code = 1
            try:
                code = Kernel(raw, plugins=plugins).serve()
            finally:
                logging.shutdown()
                os._exit(code)
        say(child)
        _, status = os.waitpid(child, 0)
        say(os.waitstatus_to_exitcode(status))


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
