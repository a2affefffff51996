"""A pool of connections: the one given back last is lent first, waiters are served in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from reactor_kernel.db.faults import unavailable
from reactor_kernel.db.link import Link
from reactor_kernel.errors import PoolTimeout

_SURELY_ALIVE_SECS = 0.05


@dataclass(frozen=True, slots=True)
class PoolStats:
    """Connections open, and those of them not lent."""

    size: int
    idle: int


class _Waiter:
    __slots__ = ("link", "ready")

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.link: Link | None = None  # None with `ready` set: permission to connect


class Pool:
    """At most `most` connections made by `conninfo`, made when they are needed."""

    def __init__(
        self,
        conninfo: str,
        *,
        most: int,
        timeout: float,
        on_acquire: Callable[[float], None] | None = None,
    ) -> None:
        self._conninfo = conninfo
        self._most = most
        self._timeout = timeout
        self._on_acquire = on_acquire
        self._lock = threading.Lock()
        self._idle: list[Link] = []
        self._lent: set[Link] = set()
        self._opening = 0
        self._waiters: deque[_Waiter] = deque()
        self._generation = 0

    def stats(self) -> PoolStats:
        """Count the connections."""
        with self._lock:
            return PoolStats(len(self._idle) + len(self._lent), len(self._idle))

    def acquire(self) -> Link:
        """Borrow a connection that stands.

        Raises:
            PoolTimeout: all were lent for the whole time.
            DatabaseUnavailable: a new one cannot be made.
        """
        began = time.perf_counter()
        link = self._take(began)
        # One that was in use a moment ago is not asked: under load that would be a system call for every request.
        if link is not None and began - link.idle_since > _SURELY_ALIVE_SECS and link.ended_by_server():
            # The others were most likely closed by the same restart: look at each before one is lent.
            self.discard(link)
            self._drop_ended()
            link = self._take(began)
            if link is not None and link.ended_by_server():
                self.discard(link)
                link = self._take(began, fresh=True)
        if link is None:
            try:
                link = self.connect()
            except BaseException:
                with self._lock:
                    self._opening -= 1
                    self._admit()
                raise
            with self._lock:
                self._opening -= 1
                self._lent.add(link)
        link.holder = threading.get_ident()
        if self._on_acquire is not None:
            self._on_acquire(time.perf_counter() - began)
        return link

    def release(self, link: Link) -> None:
        """Give a connection back; one that is broken or still inside a transaction is closed."""
        if link.generation != self._generation or not link.healthy:
            self.discard(link)
            return
        link.idle_since = time.perf_counter()
        with self._lock:
            if self._waiters:
                waiter = self._waiters.popleft()
                waiter.link = link
                waiter.ready.set()
            else:
                self._lent.discard(link)
                self._idle.append(link)

    def discard(self, link: Link) -> None:
        """Close a borrowed connection instead of giving it back."""
        with self._lock:
            if link in self._lent:  # giving one up twice must not make room twice
                self._lent.remove(link)
                self._admit()
        link.close()

    def drop_idle(self) -> None:
        """Close every connection that is not lent."""
        with self._lock:
            links, self._idle = self._idle, []
        for link in links:
            link.close()

    def dispose(self) -> None:
        """Close the idle connections now and the lent ones when they come back; new ones may be made afterwards."""
        with self._lock:
            self._generation += 1
        self.drop_idle()

    def connect(self) -> Link:
        """Make a connection outside of the pool's count; the caller closes it."""
        generation = self._generation
        try:
            return Link(psycopg.Connection.connect(self._conninfo, autocommit=True), generation)
        except psycopg.Error as problem:
            raise unavailable(str(problem)) from problem

    def _drop_ended(self) -> None:
        with self._lock:
            links, self._idle = self._idle, []
            ended = [link for link in links if link.ended_by_server()]
            self._idle = [link for link in links if link not in ended]
        for link in ended:
            link.close()

    def _take(self, began: float, *, fresh: bool = False) -> Link | None:
        """Return an idle connection, or None when the caller may (and must) connect."""
        with self._lock:
            if self._idle and not fresh:
                link = self._idle.pop()
                self._lent.add(link)
                return link
            if len(self._idle) + len(self._lent) + self._opening < self._most:
                self._opening += 1
                return None
            waiter = _Waiter()
            self._waiters.append(waiter)
        if waiter.ready.wait(max(0.0, self._timeout - (time.perf_counter() - began))):
            return waiter.link
        with self._lock:
            if waiter.ready.is_set():  # served in the last moment
                return waiter.link
            self._waiters.remove(waiter)
            mine = sum(1 for link in self._lent if link.holder == threading.get_ident())
        held = f"; this thread itself holds {mine} of them" if mine else ""
        raise PoolTimeout(
            f"no database connection became free within {self._timeout:g} s: all {self._most} are in use{held}",
            hint="Raise [database] pool_max, or look for transactions that stay open too long.",
        )

    def _admit(self) -> None:
        # One place became free: the first waiter may connect in it. Called with the lock held.
        if self._waiters:
            self._opening += 1
            self._waiters.popleft().ready.set()
