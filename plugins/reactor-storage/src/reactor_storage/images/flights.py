"""One run for all who ask for the same at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Flights(Generic[T]):
    """Lets the first asker work and the others wait for what it finds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._going: dict[Hashable, Future[T]] = {}

    def run(self, key: Hashable, work: Callable[[], T]) -> T:
        """Return what `work` returns, or raise what it raises; it runs once for all who wait under a key."""
        with self._lock:
            going = self._going.get(key)
            mine: Future[T] | None = None
            if going is None:
                going = mine = self._going[key] = Future()
        if mine is not None:
            try:
                mine.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised again below, here and where others wait
                mine.set_exception(error)
            finally:
                with self._lock:
                    del self._going[key]
        return going.result()
