"""Several at once, and much at once."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from reactor_storage.backends.contract import Backend, BackendFailed, BlobMissing
from reactor_storage.conformance.subject import MIB, Subject, content_of, everything, kept, pieces_of, sha256_of, staged

T = TypeVar("T")
_AT_ONCE = 8
# Far less than what is sent.
_SENT, _HELD = 96 * MIB, 40 * MIB


class TogetherChecks(Subject):
    """Threads that share one backend, and contents that do not fit into memory."""

    def test_equal_contents_at_once_are_each_whole(self, backend: Backend) -> None:
        start = threading.Barrier(_AT_ONCE)

        def put(_: int) -> str:
            found = staged(backend, b"equal" * 1000)
            start.wait(30)
            backend.keep(found)
            assert content_of(backend, found.locator) == b"equal" * 1000
            return found.locator

        locators = _all(put)
        assert everything(backend) == set(locators)

    def test_different_contents_at_once_do_not_mix(self, backend: Backend) -> None:
        start = threading.Barrier(_AT_ONCE)

        def put(number: int) -> tuple[str, bytes]:
            content = bytes([number]) * (1000 + number)
            start.wait(30)
            return kept(backend, content), content

        for locator, content in _all(put):
            assert content_of(backend, locator) == content

    def test_who_reads_during_a_removal_reads_the_content_or_an_error(self, backend: Backend) -> None:
        size = 12 * MIB
        found = backend.stage(pieces_of(size), limit=size)
        backend.keep(found)
        whole = content_of(backend, found.locator)
        pieces = backend.read(found.locator)
        read = next(pieces)
        backend.remove(found.locator)
        try:
            read += b"".join(pieces)
        except (BackendFailed, BlobMissing):
            # The beginning of a content, with an error at its end, is no content.
            assert whole.startswith(read)
        else:
            assert read == whole

    def test_memory_does_not_grow_with_the_content(self, backend: Backend) -> None:
        found = _measured(lambda: backend.stage(pieces_of(_SENT), limit=_SENT))
        assert (found.size, found.sha256) == (_SENT, sha256_of(_SENT))
        backend.keep(found)
        assert _measured(lambda: sum(map(len, backend.read(found.locator)))) == _SENT
        twice = _measured(lambda: backend.compose([found.locator] * 2, limit=2 * _SENT))
        assert twice.size == 2 * _SENT


def _all(put: Callable[[int], T]) -> list[T]:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(put, range(_AT_ONCE)))


def _measured(work: Callable[[], T]) -> T:
    """Do some work; AssertionError where Python's memory grows by more than a bound meanwhile."""
    tracemalloc.start()
    try:
        result = work()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < _HELD, f"{peak // MIB} MiB were held for a content of {_SENT // MIB} MiB"
    return result
