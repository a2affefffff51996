"""The embedded server of one project: started by the first reactor process, stopped by the last."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reactor_kernel.embedded.account import Account, account_for
from reactor_kernel.embedded.binaries import MAJOR, programs
from reactor_kernel.embedded.cluster import Cluster, Postmaster, data_major, dsn, wrong_major

FINISHED = "UPGRADED"
"""Marks a new cluster that holds everything of the old one and only has to be renamed."""


@dataclass(frozen=True, slots=True)
class EmbeddedStatus:
    """What is under `.reactor/postgres`: its version, and the server if one runs."""

    data: Path
    major: int | None
    pid: int | None
    dsn: str | None


class EmbeddedPostgres:
    """A Postgres under `<root>/.reactor/postgres`, reached through a socket only.

    Every process that called `start` counts as a user for as long as it lives; the kernel of the operating system forgets a
    killed one. The last user's `stop` stops the server. One left running by a killed process is adopted by the next start.
    """

    def __init__(self, root: Path) -> None:
        self.data = root.resolve() / ".reactor" / "postgres"
        self._use: int | None = None
        self._owner = os.getpid()

    @property
    def url(self) -> str:
        """Where the project's database answers once `start` has returned. Starts nothing."""
        return dsn(self._cluster().socket_dir())

    def start(self) -> str:
        """Start or adopt the server and return the URL of the project's database.

        Raises:
            BootError: it cannot be started, or the data belongs to another major version of Postgres.
        """
        if self._use is not None:
            with locked(self.data):
                found = self._cluster().start()
            return dsn(_socket_dir(found))
        self.data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.data):
            finish_upgrade(self.data)
            cluster = self._cluster()
            if not self.data.exists():
                cluster.make()
            found = cluster.start()
            self._use = _open(users_file(self.data))
            self._owner = os.getpid()
            fcntl.flock(self._use, fcntl.LOCK_SH)
        return dsn(_socket_dir(found))

    def stop(self) -> bool:
        """Give the server up; stop it when nobody else uses it, and tell whether it was stopped.

        In a forked child this only lets go of the parent's claim: a child never stops its parent's server.
        """
        use, self._use = self._use, None
        if use is None:
            return False
        if os.getpid() != self._owner:
            os.close(use)
            return False
        try:
            with locked(self.data):
                try:
                    fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                self._cluster().stop()
                return True
        finally:
            os.close(use)

    def status(self) -> EmbeddedStatus:
        """Look at the data directory and the server without changing either."""
        major = data_major(self.data)
        if major is None:
            return EmbeddedStatus(self.data, None, None, None)
        found = Cluster(self.data, Path(), Account(os.geteuid(), os.getegid(), "", switch=False)).postmaster()
        if found is None:
            return EmbeddedStatus(self.data, major, None, None)
        return EmbeddedStatus(self.data, major, found.pid, dsn(_socket_dir(found)))

    def _cluster(self) -> Cluster:
        major = data_major(self.data)
        if major is not None and major != MAJOR:
            raise wrong_major(self.data, major)
        return Cluster(self.data, programs(MAJOR), account_for(self.data))


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold the lock under which a data directory is made, started, stopped or swapped."""
    handle = _open(data.with_name(data.name + ".lock"))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def users_file(data: Path) -> Path:
    """The file every user of the server holds a shared lock on."""
    return data.with_name(data.name + ".users")


def finish_upgrade(data: Path) -> None:
    """Complete an upgrade that was killed between its two renames."""
    upgraded = data.with_name(data.name + ".upgrade")
    if not data.exists() and (upgraded / FINISHED).exists():
        upgraded.rename(data)
    (data / FINISHED).unlink(missing_ok=True)


def _open(path: Path) -> int:
    # Not inherited by programs we start: Postgres must not count as a user of itself. A forked worker does share it.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _socket_dir(found: Postmaster) -> Path:
    if found.socket_dir is None:
        raise AssertionError("a server that answers has a socket directory")
    return found.socket_dir
