"""Serve one kernel: bind, boot what is left, run the engine in one or several processes, drain."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from reactor_kernel.contributions import ServerEngine
from reactor_kernel.errors import BootError, ExitCode, Fault, MigrationFailed
from reactor_kernel.kernel import Kernel, Stage

if TYPE_CHECKING:
    from reactor_kernel.config.loader import RawConfig
    from reactor_kernel.http.app import WsgiApp


class KernelTarget:
    """A kernel as `runtime.serve.run` drives it, before and after the workers are forked."""

    def __init__(self, kernel: Kernel, listener: socket.socket, engine: ServerEngine) -> None:
        server = kernel.config.server
        self.kernel = kernel
        self.listener = listener
        self.engine = engine
        self.workers = server.workers
        self.threads = server.threads
        self.drain_timeout = float(server.drain_timeout_secs)
        self.body_limit = server.max_body_bytes

    def before_fork(self) -> None:
        """Close every connection of the master; each worker opens its own."""
        self.kernel.database.dispose()
        self.kernel.leader.close()

    def start_worker(self, index: int) -> WsgiApp:
        """Start this process' services and hand out the application."""
        self.kernel.boot(Stage.STARTED)
        return self.kernel.app

    def drain(self, deadline: float) -> None:
        """Stop taking part: `/health` says draining, services end within `deadline` seconds."""
        self.kernel.drain(deadline)

    def stop_worker(self) -> None:
        """Release what this process holds."""
        self.kernel.close()


def engines(kernel: Kernel) -> Sequence[ServerEngine]:
    """The kernel's own engines and those of plugins."""
    from reactor_kernel.runtime.engines import GRANIAN, WAITRESS

    return (WAITRESS, GRANIAN, *(owned.item for owned in kernel.collected.engines))


def choose_engine(kernel: Kernel) -> ServerEngine:
    """Return the engine that `[server] engine` names.

    Raises:
        BootError: there is none of that name, or it cannot run here.
    """
    wanted = kernel.config.server.engine
    known = {engine.name: engine for engine in engines(kernel)}
    if wanted not in known:
        origin = kernel.raw.origin("server.engine")
        raise BootError(
            [
                Fault(
                    "config",
                    f"there is no engine {wanted!r}; known are {', '.join(sorted(known))}",
                    subject="server.engine",
                    where=origin.where,
                    exit_code=ExitCode.CONFIG,
                )
            ]
        )
    engine = known[wanted]
    if engine.check is not None:
        engine.check()
    return engine


def prepare(kernel: Kernel) -> ServerEngine:
    """Boot up to the built application and return the engine, which is looked at before anything is built.

    Raises:
        BootError: the kernel is closed and must be thrown away.
    """
    kernel.boot(Stage.COLLECTED)
    try:
        engine = choose_engine(kernel)
    except BootError:
        kernel.close()
        raise
    kernel.boot(Stage.BUILT)
    return engine


def configure(kernel: Kernel) -> None:
    """Send the log to stderr: as configured, or as text for a person where nothing is and a terminal reads it."""
    from reactor_kernel.observe.logs import configure_logging

    if kernel.ring is None:
        raise RuntimeError("serving needs a log ring")
    unset = kernel.raw.origin("tracing.fmt").source == "default"
    pretty = sys.stderr.isatty() if unset else kernel.config.tracing.fmt == "pretty"
    configure_logging(kernel.config.tracing, ring=kernel.ring, pretty=pretty)


def run(raw: RawConfig) -> int:
    """Serve a project as `reactor serve` does, until told to stop; faults go to stderr, and the exit code is returned.

    For programs that embed the server: what is configured is loaded with `reactor_kernel.config.loader.load`. SIGTERM and SIGINT
    end it, so it is called on the main thread.
    """
    from reactor_kernel.runtime.signals import interruptible

    try:
        with interruptible():
            return Kernel(raw).serve()
    except KeyboardInterrupt:  # while it was starting
        return ExitCode.OK
    except BootError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except MigrationFailed as error:
        fix = f"\n  fix: {error.error_hint}" if error.error_hint else ""
        sys.stderr.write(f"migration error: {error.message}{fix}\n")
        return error.exit_code


def serve(kernel: Kernel, *, listener: Any = None, on_ready: Callable[[Kernel], None] | None = None) -> int:
    """Serve until told to stop; return the process exit code.

    The port is bound before the database is touched, so that a taken port leaves no trace.
    """
    from reactor_kernel.runtime.binding import bind
    from reactor_kernel.runtime.serve import request_shutdown, run

    engine = prepare(kernel)
    address = kernel.config.server.bind
    try:
        bound = listener if listener is not None else bind(address.host, address.port)
    except BootError:
        kernel.close()
        raise
    try:
        configure(kernel)
        kernel.on_shutdown_request = request_shutdown
        kernel.boot(Stage.MIGRATED)
        if on_ready is not None:
            on_ready(kernel)
        kernel.log.info(
            "listening",
            extra={
                "bind": ":".join(map(str, bound.getsockname()[:2])),
                "capabilities": [plugin.name for plugin in kernel.enabled],
                "engine": engine.name,
                "workers": kernel.config.server.workers,
            },
        )
        return run(KernelTarget(kernel, bound, engine))
    finally:
        bound.close()
        kernel.close()
