"""Open the listening socket, or say who holds the address."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from reactor_kernel.errors import BootError, ExitCode, Fault

BACKLOG = 1024
_MOVE = "stop it, or choose another address with --bind or [server] bind"


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host:port` (a name, an IPv4 or an IPv6 address; port 0 picks a free one).

    Raises:
        BootError: exit code 3; the address is taken, not ours, reserved or unknown.
    """
    bare = host.removeprefix("[").removesuffix("]")
    shown = f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"
    if not 0 <= port <= 65535:
        # getaddrinfo would silently take it modulo 65536.
        raise _fault(f"{shown} has no valid port", "choose a port from 1 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            bare or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _fault(
            f"{shown} cannot be resolved: {reason}", "set [server] bind to HOST:PORT, e.g. 127.0.0.1:8000"
        ) from None
    listener = socket.socket(family, kind, protocol)
    try:
        # Only lets a port in TIME_WAIT be taken over; a second listener is still refused.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(error, shown, port) from None
    return listener


def share(listener: socket.socket) -> socket.socket:
    """Return a socket that keeps `listener`'s address without listening, and lets `beside` open more there.

    Only on Linux, whose SO_REUSEPORT spreads new connections over all that listen. It is set on an address that is held
    already, so that it lets nobody in who did not get the address the strict way first.

    Raises:
        OSError: the system does not do it.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder = beside(listener)
    # A strict bind by somebody else is refused also while nobody listens.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    return holder


def beside(holder: socket.socket) -> socket.socket:
    """Return one more socket on the address, bound and not yet listening: it takes connections from `listen` on."""
    second = socket.socket(holder.family, holder.type, holder.proto)
    try:
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if holder.family == socket.AF_INET6:
            second.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        second.bind(holder.getsockname())
    except OSError:
        second.close()
        raise
    return second


def _refused(error: OSError, shown: str, port: int) -> BootError:
    if error.errno == errno.EADDRINUSE:
        holder = _holder(port)
        by = f"process {holder[0]} ({holder[1]}) listens there" if holder else "another process listens there"
        return _fault(f"{shown} is already in use; {by}", _MOVE)
    if error.errno == errno.EADDRNOTAVAIL:
        return _fault(
            f"{shown} is not an address of this machine", "set [server] bind to 127.0.0.1 or 0.0.0.0 and a port"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return _fault(
            f"{shown} may not be opened by this user", "choose a port from 1024, or grant CAP_NET_BIND_SERVICE"
        )
    return _fault(f"{shown} cannot be opened: {error.strerror}", _MOVE)


def _fault(message: str, fix: str) -> BootError:
    return BootError([Fault("bind", message, fix=fix, exit_code=ExitCode.BIND)])


def _holder(port: int) -> tuple[int, str] | None:
    """Find who listens on a port, where /proc tells (Linux, processes this user may look into)."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == "0A" and int(columns[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{columns[9]}]")
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if _holds(process, inodes):
                return int(process.name), (process / "comm").read_text().strip()
        except OSError:
            # It ended meanwhile, or belongs to somebody else.
            continue
    return None


def _holds(process: Path, inodes: set[str]) -> bool:
    for link in (process / "fd").iterdir():
        try:
            if os.readlink(link) in inodes:
                return True
        except FileNotFoundError:
            # It was closed meanwhile, as happens all the time in a process that does something.
            continue
    return False
