"""What requests leave behind is worked off in order, by one thread, and never lost while the process lives."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

import pytest

from reactor_kernel.observe.backlog import Backlog


class Written:
    """Collects batches, and lets a test wait for as many items as it noted."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.threads: set[str] = set()
        self._changed = threading.Condition()

    def __call__(self, batch: Sequence[int]) -> None:
        with self._changed:
            self.items.extend(batch)
            self.threads.add(threading.current_thread().name)
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.items) >= count, timeout=30)


def test_items_are_written_in_order_by_a_thread_of_its_own_without_being_asked() -> None:
    written = Written()
    backlog: Backlog[int] = Backlog(written)
    for number in range(500):
        backlog.note(number)
    written.wait_for(500)
    assert written.items == list(range(500))
    assert written.threads == {"backlog"}


def test_settling_writes_what_waits_before_it_returns() -> None:
    written = Written()
    backlog: Backlog[int] = Backlog(written)
    backlog.note(1)
    backlog.note(2)
    backlog.settle()
    assert written.items == [1, 2]
    backlog.settle()
    assert written.items == [1, 2]


def test_a_log_that_is_read_too_slowly_slows_the_requests_down_instead_of_filling_memory() -> None:
    gate = threading.Event()
    longest = 0
    items: list[int] = []

    def write(batch: Sequence[int]) -> None:
        nonlocal longest
        gate.wait(30)
        longest = max(longest, len(batch))
        items.extend(batch)

    backlog: Backlog[int] = Backlog(write)
    noting = threading.Thread(target=lambda: [backlog.note(number) for number in range(20_000)])
    noting.start()
    noting.join(0.5)
    assert noting.is_alive()
    gate.set()
    noting.join(30)
    backlog.settle()
    assert items == list(range(20_000))
    assert longest < 5_000


def test_many_threads_lose_and_double_nothing() -> None:
    written = Written()
    backlog: Backlog[int] = Backlog(written)
    threads = [
        threading.Thread(target=lambda first=first: [backlog.note(first + n) for n in range(2_000)])  # type: ignore[misc]
        for first in range(0, 16_000, 2_000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    written.wait_for(16_000)
    assert sorted(written.items) == list(range(16_000))


def test_a_forked_process_begins_with_an_empty_backlog_of_its_own() -> None:
    written = Written()
    backlog: Backlog[int] = Backlog(written)
    for number in range(1_000):
        backlog.note(number)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        backlog.settle()
        before = len(written.items)
        backlog.note(-1)
        written.wait_for(before + 1)
        os.write(writer, b"ok" if written.items[-1] == -1 and written.items.count(-1) == 1 else b"no")
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 2) == b"ok"
    os.waitpid(pid, 0)
    written.wait_for(1_000)
    assert written.items == list(range(1_000))


def test_a_batch_that_cannot_be_written_is_reported_and_the_next_one_is_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    written, broken = Written(), threading.Event()

    def write(batch: Sequence[int]) -> None:
        if not broken.is_set():
            broken.set()
            raise OSError("no space left")
        written(batch)

    backlog: Backlog[int] = Backlog(write)
    backlog.note(1)
    assert broken.wait(30)
    backlog.note(2)
    written.wait_for(1)
    assert written.items == [2]
    assert caplog.messages == ["what some requests left for the log or the metrics could not be written"]
