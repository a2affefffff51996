"""Ports for servers that a test starts as processes."""

from __future__ import annotations

import itertools
import os
import socket

_FIRST, _EACH, _WORKERS = 20_000, 500, 20
_next = itertools.count(os.getpid())


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on.

    Each worker of pytest-xdist has ports of its own, below those that the system hands out for outgoing connections: a port
    that was free a moment ago must still be free when the server binds it.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = _FIRST + int(worker) % _WORKERS * _EACH
    for _ in range(_EACH):
        port = first + next(_next) % _EACH
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError(f"no port from {first} to {first + _EACH - 1} is free")
