"""The ring of log lines, in one process and over forked ones."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor_kernel.observe.ring import LogRing


def everything(ring: LogRing) -> list[tuple[int, bytes]]:
    _, lines, _ = ring.read(ring.start(), limit=1 << 30)
    return lines


def test_ids_grow_by_one() -> None:
    ring = LogRing(size=4096, first_id=1)
    assert [ring.append(b"x"), ring.append(b"y")] == [1, 2]
    assert everything(ring) == [(1, b"x"), (2, b"y")]


def test_a_ring_that_is_not_needed_any_more_leaves_no_file_open() -> None:
    gc.collect()  # what tests before this one left
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        LogRing(size=4096).append(b"x")
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_the_default_ring_holds_ten_thousand_lines_of_a_kilobyte() -> None:
    ring = LogRing()
    line = b"x" * 1024
    for _ in range(10_500):
        ring.append(line)
    assert len(everything(ring)) >= 10_000


def test_a_reader_that_is_overtaken_learns_how_much_it_lost() -> None:
    ring = LogRing(size=1000, first_id=1)
    ring.append(b"first")
    cursor = ring.start()
    for number in range(100):
        ring.append(b"%050d" % number)
    lost, lines, after = ring.read(cursor)
    assert lost == lines[0][0] - 1 > 0
    assert [line_id for line_id, _ in lines] == list(range(lost + 1, 102))
    assert ring.read(after) == (0, [], after)


def test_reading_resumes_after_a_line() -> None:
    ring = LogRing(size=4096, first_id=1)
    for number in range(5):
        ring.append(b"%d" % number)
    lost, lines, _ = ring.read(ring.after_id(3))
    assert (lost, lines) == (0, [(4, b"3"), (5, b"4")])
    assert ring.read(ring.after_id(5))[1] == []
    assert ring.read(ring.after_id(0))[1] == everything(ring)


def test_the_ids_of_a_restarted_server_go_on_above_the_old_ones() -> None:
    before = LogRing(size=4096)
    old = [before.append(b"x") for _ in range(3)][-1]
    after = LogRing(size=4096)
    assert after.append(b"y") > old
    assert (before.gave(old), after.gave(old)) == (True, False)
    assert after.read(after.after_id(old)) == (0, everything(after), after.end())


@pytest.mark.parametrize("strange", [0, 99, 104, 1 << 62])
def test_an_id_of_another_start_resumes_at_the_oldest_line_and_counts_what_gave_way(strange: int) -> None:
    ring = LogRing(size=1000, first_id=101)
    for number in range(3):
        ring.append(b"%d" % number)
    assert not ring.gave(strange)
    assert ring.read(ring.after_id(strange))[:2] == (0, [(101, b"0"), (102, b"1"), (103, b"2")])
    for number in range(100):
        ring.append(b"%050d" % number)
    lost, lines, _ = ring.read(ring.after_id(0))
    assert lost == lines[0][0] - 101 > 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=120), max_size=80), st.integers(600, 1500))
def test_what_is_kept_is_always_the_newest_lines_in_order(lines: list[bytes], size: int) -> None:
    ring = LogRing(size=size, first_id=1)
    for line in lines:
        ring.append(line)
    kept = everything(ring)
    assert kept == list(enumerate(lines, 1))[len(lines) - len(kept) :]
    if lines:
        assert kept


def test_all_workers_lines_are_seen_by_each_of_them() -> None:
    ring = LogRing(first_id=1)
    workers = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                for line in range(500):
                    ring.append(b"%d:%d" % (number, line))
                status = 0
            finally:
                os._exit(status)
        workers.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers] == [0, 0, 0, 0]
    lines = everything(ring)
    assert [line_id for line_id, _ in lines] == list(range(1, 2001))
    for number in range(4):
        mine = [line for _, line in lines if line.startswith(b"%d:" % number)]
        assert mine == [b"%d:%d" % (number, line) for line in range(500)]


@pytest.mark.faults
def test_a_worker_killed_while_it_logs_harms_nobody() -> None:
    ring = LogRing()
    for _ in range(5):
        pid = os.fork()
        if pid == 0:
            try:
                while True:
                    ring.append(b"y" * 300)
            finally:
                os._exit(1)
        time.sleep(0.03)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        mark = ring.append(b"still here")
        lines = everything(ring)
        assert lines[-1] == (mark, b"still here")
        assert all(line == b"y" * 300 or line == b"still here" for _, line in lines)
        assert [line_id for line_id, _ in lines] == list(range(lines[0][0], mark + 1))


def test_threads_do_not_tear_each_others_lines() -> None:
    ring = LogRing()
    threads = [
        threading.Thread(target=lambda n=n: [ring.append(b"%d" % n * 50) for _ in range(300)])  # type: ignore[misc]
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = everything(ring)
    assert len(lines) == 1200
    assert {line for _, line in lines} == {b"%d" % n * 50 for n in range(4)}
