"""Which processes belong to a data directory: asked of the operating system, and ended where a killed server left them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

SOCKET = ".s.PGSQL.5432"


def answers(socket_dir: Path | None) -> bool:
    """Tell whether a server takes connections on the socket of a directory."""
    if socket_dir is None:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(socket_dir / SOCKET))
        except OSError:
            return False
    return True


def exists(pid: int) -> bool:
    """Tell whether a process number is taken, be it by a process that has ended and was not asked for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def alive(pid: int) -> bool:
    """Tell whether a process runs."""
    if not exists(pid):
        return False
    try:
        # A killed server whose parent has not asked for it is a zombie: it has a number but no life.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists()  # gone meanwhile, or a system without /proc


def is_server_of(pid: int, data: Path) -> bool:
    """Tell whether a process is a living server of this data directory."""
    if not alive(pid):
        return False
    if not Path("/proc/self/stat").exists():
        shown = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
        return "postgres" in shown and str(data) in shown
    return _working_directory(pid) == data.resolve()


def processes_in(data: Path) -> Iterator[int]:
    """Yield the living processes of Postgres whose working directory this is, of whatever server."""
    place = data.resolve()
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        try:
            name = (entry / "comm").read_text(errors="replace").strip()
        except OSError:
            continue
        if name in ("postgres", "initdb") and _working_directory(pid) == place and alive(pid):
            yield pid


def end_processes_in(data: Path) -> bool:
    """End the processes of Postgres that work in a directory; tell whether there were any.

    SIGQUIT leaves the data as kill -9 would.
    """
    found = list(processes_in(data))
    for sign in (signal.SIGQUIT, signal.SIGKILL):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline and any(alive(pid) for pid in found):
            time.sleep(0.01)
    return bool(found)


def _working_directory(pid: int) -> Path | None:
    link = f"/proc/{pid}/cwd"
    try:
        return Path(os.readlink(link))
    except PermissionError:
        return _read_as_its_account(pid, link)
    except OSError:
        return None


def _read_as_its_account(pid: int, link: str) -> Path | None:
    """Read a link of a process as the account that runs it may.

    Root in a container usually lacks CAP_SYS_PTRACE and may not look into processes of other accounts. Not to know a living
    server again means to start a second one on its data.
    """
    if os.geteuid() != 0:
        return None
    libc = ctypes.CDLL(None)
    try:
        owner = os.stat(f"/proc/{pid}")
        # Unlike setuid these change the calling thread alone.
        libc.setfsgid(ctypes.c_uint(owner.st_gid))
        libc.setfsuid(ctypes.c_uint(owner.st_uid))
        return Path(os.readlink(link))
    except OSError:
        return None
    finally:
        libc.setfsuid(ctypes.c_uint(os.geteuid()))
        libc.setfsgid(ctypes.c_uint(os.getegid()))
