"""Bounded caches that can forget by subject."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TaggedCache(Generic[K, V]):
    """Keeps the most recently used entries for at most `ttl` seconds, each filed under tags.

    A reader takes `generation` before it asks the database and hands it to `put`. What was read before a change is then
    not stored after it: any forgetting in between raises the generation.
    """

    def __init__(self, size: int, ttl: float, monotonic: Callable[[], float]) -> None:
        self._size = size
        self._ttl = ttl
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, tuple[float, V, tuple[str, ...]]] = OrderedDict()
        self._tags: dict[str, set[K]] = {}
        self.generation = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return a fresh entry and mark it as used."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry[0] <= self._monotonic():
                self._remove(key)
                return None
            self._entries.move_to_end(key)
            return entry[1]

    def put(self, key: K, value: V, tags: Iterable[str], generation: int) -> None:
        """Store an entry unless something was forgotten since `generation`."""
        with self._lock:
            if generation != self.generation:
                return
            self._remove(key)
            filed = tuple(tags)
            self._entries[key] = (self._monotonic() + self._ttl, value, filed)
            for tag in filed:
                self._tags.setdefault(tag, set()).add(key)
            while len(self._entries) > self._size:
                self._remove(next(iter(self._entries)))

    def forget(self, tag: str) -> None:
        """Drop every entry filed under a tag."""
        with self._lock:
            self.generation += 1
            for key in tuple(self._tags.get(tag, ())):
                self._remove(key)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self.generation += 1
            self._entries.clear()
            self._tags.clear()

    def _remove(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        for tag in entry[2]:
            filed = self._tags[tag]
            filed.discard(key)
            if not filed:
                del self._tags[tag]
