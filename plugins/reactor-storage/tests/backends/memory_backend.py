"""The least backend: contents in a dictionary. What the author's guide shows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from reactor_kernel.api import KERNEL_API, PluginContext, PluginInfo, hookimpl, uuid7
from reactor_storage.backends.contract import CHUNK, BackendFailed, BlobMissing, ContentTooLong, Staged
from reactor_storage.hookspecs import StorageBackend


class MemoryBackend:
    """Keeps contents as long as the process lives."""

    name = "memory"

    def __init__(self, contents: dict[str, tuple[datetime, bytes]]) -> None:
        self._contents = contents
        self._staged: set[str] = set()

    def stage(self, chunks: Iterable[bytes], *, limit: int) -> Staged:
        content = bytearray()
        for chunk in chunks:
            content += chunk
            if len(content) > limit:
                raise ContentTooLong
        locator = str(uuid7())
        self._contents[locator] = (datetime.now(UTC), bytes(content))
        self._staged.add(locator)
        return Staged(locator, len(content), hashlib.sha256(content).hexdigest(), locator)

    def keep(self, staged: Staged) -> None:
        if staged.locator not in self._contents:
            raise BackendFailed("what was staged is gone")
        self._staged.discard(staged.locator)

    def discard(self, staged: Staged) -> None:
        if staged.locator in self._staged:
            self._staged.discard(staged.locator)
            self.remove(staged.locator)

    def read(self, locator: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        if locator not in self._contents:
            raise BlobMissing(locator)
        content = self._contents[locator][1]
        end = len(content) if length is None else min(len(content), start + length)
        return (content[at : min(at + CHUNK, end)] for at in range(start, end, CHUNK))

    def remove(self, locator: str) -> None:
        self._contents.pop(locator, None)

    def compose(self, locators: Sequence[str], *, limit: int) -> Staged:
        return self.stage((chunk for locator in locators for chunk in self.read(locator)), limit=limit)

    def kept(self, *, before: datetime) -> Iterator[str]:
        return (locator for locator, (since, _) in list(self._contents.items()) if since < before)

    def sweep_staged(self, *, before: datetime) -> int:
        return 0  # what was staged is listed by `kept`

    def count_staged(self, *, before: datetime) -> int:
        return 0

    def check(self) -> None:
        """There is nothing that could fail."""


class MemoryBackendPlugin:
    """Brings the backend: `[storage] backend = "memory"`."""

    info = PluginInfo(
        name="memory", version="1.0.0", api=KERNEL_API, summary="contents in memory", requires=("storage",)
    )

    @hookimpl
    def reactor_storage_backends(self, ctx: PluginContext) -> Iterable[StorageBackend]:
        yield StorageBackend("memory", lambda: MemoryBackend({}))
