"""What requests leave behind for the log and the metrics, off their path: the thread that answers only notes it.

Doing it as it happens costs locks that all threads want and system calls that give the interpreter away: more than the request
itself. What is noted is worked off by one thread, in order, at most `PAUSE_SECS` later; a killed process loses no more than that.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

T = TypeVar("T")
PAUSE_SECS = 0.05
_LOG = logging.getLogger("reactor_kernel")
_QUIET_ROUNDS = 20
_MOST_WAITING = 2000


class Backlog(Generic[T]):
    """Items noted by many threads and handed on in batches by one, which sleeps while nothing happens.

    Args:
        write: takes a batch, oldest first; never called by two threads at once.
        lock: held while it writes; one of its own where absent.
    """

    def __init__(self, write: Callable[[Sequence[T]], None], lock: AbstractContextManager[Any] | None = None) -> None:
        self._write = write
        self._own_lock = lock is None
        self._lock = lock or threading.RLock()
        self._items: deque[T] = deque()
        self._wake = threading.Event()
        self._resting = True
        self._thread: threading.Thread | None = None
        _BACKLOGS.add(self)

    def note(self, item: T) -> None:
        """Add an item; when too many wait, because they are worked off too slowly, do that first."""
        items = self._items
        items.append(item)
        if self._resting:
            self._rouse()
        elif len(items) > _MOST_WAITING:
            self.settle()

    def settle(self) -> None:
        """Write what is waiting now."""
        items = self._items
        if not items:
            return
        with self._lock:
            batch = []
            # No more than there are, or a flood would never let this end.
            for _ in range(len(items)):
                batch.append(items.popleft())
            if batch:
                self._write(batch)

    def _rouse(self) -> None:
        with self._lock:
            self._resting = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="backlog", daemon=True)
                self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            quiet = 0
            while quiet < _QUIET_ROUNDS:
                time.sleep(PAUSE_SECS)
                quiet = 0 if self._items else quiet + 1
                self._settle_or_say()
            self._resting = True
            if self._items:
                # Noted before `_resting` was seen, so nobody set the event.
                self._resting = False
                self._wake.set()

    def _settle_or_say(self) -> None:
        try:
            self.settle()
        except Exception:  # noqa: BLE001 - reported; the thread must live for the next batch
            _LOG.exception("what some requests left for the log or the metrics could not be written")

    # -- forks: no batch may be half-way through another lock, and the child has neither the thread nor the parent's items

    def hold(self) -> None:
        """Keep the writing thread still."""
        self._lock.__enter__()

    def release(self) -> None:
        """Let it go on."""
        self._lock.__exit__(None, None, None)

    def begin_anew(self) -> None:
        """Start without items and thread, in a forked process."""
        if self._own_lock:  # whoever lent us one sees to it himself, as logging does with its handlers'
            self._lock = threading.RLock()
        self._items.clear()
        self._wake = threading.Event()
        self._resting = True
        self._thread = None


_BACKLOGS: weakref.WeakSet[Backlog[Any]] = weakref.WeakSet()
_held: list[Backlog[Any]] = []


def _before_fork() -> None:
    _held.extend(_BACKLOGS)
    for backlog in _held:
        backlog.hold()


def _in_parent() -> None:
    while _held:
        _held.pop().release()


def _in_child() -> None:
    while _held:
        _held.pop().begin_anew()


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
