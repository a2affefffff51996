"""A kernel behind a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from reactor_kernel.contributions import ServerEngine, ServeRequest

if TYPE_CHECKING:
    from reactor_kernel.kernel import Kernel


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A running server. `url` has no trailing slash; `address` is (host, port)."""

    url: str
    address: tuple[str, int]
    kernel: Kernel


@contextmanager
def live(
    kernel: Kernel, *, engine: ServerEngine | None = None, services: bool = True, port: int = 0
) -> Iterator[LiveServer]:
    """Serve `kernel` on a free port of 127.0.0.1 in a thread for the block; by default with its background services.

    `port` is for kernels that must know their address before; see `free_port`.
    """
    from reactor_kernel.kernel import Stage
    from reactor_kernel.runtime.engines import WAITRESS

    if engine is None:
        # Here and not on the server's thread: pytest rewrites what it imports, and two threads that parse at once break on 3.11.
        import_module("reactor_kernel.runtime.waitress_engine")

    kernel.boot(Stage.STARTED if services else Stage.MIGRATED)
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    stop = threading.Event()
    config = kernel.config.server
    asked = ServeRequest(
        app=kernel.app,
        listener=listener,
        threads=config.threads,
        body_limit=config.max_body_bytes,
        body_limit_for=kernel.app.body_limit_for,
        drain_timeout=5.0,
        stop=stop,
        cross_origin_headers=kernel.app.cross_origin_headers,
    )
    failures: list[BaseException] = []

    def run() -> None:
        try:
            (engine or WAITRESS).serve(asked)
        except BaseException as exc:  # noqa: BLE001 - handed to the test, which is on another thread
            failures.append(exc)

    thread = threading.Thread(target=run, name="reactor-live-server")
    thread.start()
    host, port = listener.getsockname()[:2]
    try:
        yield LiveServer(f"http://{host}:{port}", (host, port), kernel)
    finally:
        stop.set()
        thread.join(timeout=15)
        listener.close()
        if thread.is_alive():
            raise AssertionError("the engine did not stop within 15 s of being told to")
        if failures:
            raise failures[0]
