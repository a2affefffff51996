"""Serve with granian: its Rust HTTP layer in this process, on our listener, with our own WSGI adapter.

Granian's own command starts processes itself; Reactor's master does that here. So the worker class is driven directly,
as `granian/server/mp.py` does. That is private API: `engines.GRANIAN_RANGE` names the versions that were read.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import threading
from typing import Any

from granian._futures import _new_cbscheduler
from granian._granian import SocketHolder, WorkerSignal, WSGIWorker
from granian.http import HTTP1Settings

from reactor_kernel.contributions import ServeRequest
from reactor_kernel.runtime.granian_wsgi import Adapter

# Granian's stub file lags behind its classes.
_SocketHolder: Any = SocketHolder
_scheduler_for: Any = _new_cbscheduler
LOG = logging.getLogger("reactor_kernel.engine")

_BACKLOG = 1024


def serve(request: ServeRequest) -> None:
    """Serve until `request.stop` is set and what was in flight has ended."""
    logging.getLogger("_granian").setLevel(logging.WARNING)
    # The worker owns and closes the descriptor it is given, once it stops accepting.
    holder = _SocketHolder(os.dup(request.listener.fileno()), False, _BACKLOG)
    worker = _worker(
        holder,
        worker_id=1,
        threads=1,
        blocking_threads=1,
        py_threads=request.threads,
        py_threads_idle_timeout=600,
        # A place is held for as long as a connection lasts, idle keep-alive included.
        backpressure=request.options.get("connection_limit", 1000),
        http_mode="1",
        http1_opts=HTTP1Settings(
            header_read_timeout=int(request.options.get("header_timeout_secs", 30.0) * 1000),
            keep_alive=True,
            max_buffer_size=request.options.get("max_header_bytes", 65536),
        ),
        http2_opts=None,
        static_files=None,
        ssl_enabled=False,
    )
    adapter = Adapter(request)
    loop = asyncio.new_event_loop()
    signal, ended = WorkerSignal(), threading.Event()
    signal.add_cb(ended.set)
    scheduler = _scheduler_for(loop, adapter, impl_asyncio=True)
    worker.serve_mtr(scheduler, loop, signal)
    request.stop.wait()
    request.listener.close()
    signal.set()
    if ended.wait(request.drain_timeout):
        loop.close()
        return
    running = adapter.running()
    if running:
        LOG.warning(
            "%d request(s) had not finished when the drain timeout ended; their connections are closed", running
        )


def _worker(holder: Any, **settings: Any) -> Any:
    """Make the worker in the shape of the installed version."""
    parameters = inspect.signature(WSGIWorker).parameters
    if "ipc" in parameters:  # since 2.7
        settings["ipc"] = None
    try:
        return WSGIWorker(sock=(None, holder), **settings)  # since 2.8
    except TypeError:
        return WSGIWorker(sock=holder, **settings)
