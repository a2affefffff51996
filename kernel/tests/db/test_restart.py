"""The server goes away under load and comes back: no wrong answer, no stuck pool, no committed row lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactor_kernel.contracts import ANONYMOUS, Statement
from reactor_kernel.db.database import PostgresDatabase
from reactor_kernel.db.migrate import Migrator
from reactor_kernel.embedded.postgres import EmbeddedPostgres
from reactor_kernel.errors import DatabaseUnavailable

pytestmark = pytest.mark.faults


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(tmp_path)
    made.start()
    yield made
    made.start()
    made.stop()


def end(embedded: EmbeddedPostgres, sign: signal.Signals) -> None:
    """Send a signal to the server, and wait for the end, which comes some time after it was sent."""
    pid = embedded.status().pid
    assert pid is not None
    os.kill(pid, sign)
    until = time.monotonic() + 30
    while embedded.status().pid is not None:
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_the_server_restarts_under_load(embedded: EmbeddedPostgres, sign: signal.Signals) -> None:
    database = PostgresDatabase(embedded.start(), pool_max=4, acquire_timeout_secs=5)
    Migrator(database, []).run()
    database.run(None, [Statement("CREATE TABLE t (a bigint PRIMARY KEY)")])
    stop = threading.Event()
    committed: list[int] = []
    unexpected: list[BaseException] = []
    answered_after = [0, 0, 0, 0]
    restarted = threading.Event()

    def load(worker: int) -> None:
        number = worker * 10_000_000
        while not stop.is_set():
            number += 1
            try:
                if number % 2:
                    database.run(None, [Statement("INSERT INTO t VALUES ($1)", (str(number),))])
                else:
                    with database.begin() as tx:
                        tx.run([Statement("INSERT INTO t VALUES ($1)", (str(number),))])
                committed.append(number)
                [result] = database.run(ANONYMOUS, [Statement("SELECT current_user")])
                assert result.rows == [(b"reactor_anon",)]
                if restarted.is_set():
                    answered_after[worker] += 1
            except DatabaseUnavailable:
                time.sleep(0.005)
            except BaseException as problem:
                unexpected.append(problem)
                return

    workers = [threading.Thread(target=load, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(4):
            time.sleep(0.4)
            end(embedded, sign)
            embedded.start()
        restarted.set()
        until = time.monotonic() + 30
        while not all(answered_after) and not unexpected and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in workers:
            thread.join(30)
    assert unexpected == []
    assert all(answered_after)
    stored = {int(row[0] or 0) for row in database.run(None, [Statement("SELECT a FROM t")])[0].rows}
    assert set(committed) <= stored
    assert len(committed) > 100
    assert database.stats().size <= 4
    database.dispose()


def test_the_first_use_after_a_restart_does_not_fail(embedded: EmbeddedPostgres) -> None:
    database = PostgresDatabase(embedded.start(), pool_max=4)
    held = [database.begin() for _ in range(4)]
    for tx in held:
        tx.__enter__()
    for tx in held:
        tx.__exit__(None, None, None)
    assert database.stats().idle == 4
    end(embedded, signal.SIGKILL)
    embedded.start()
    for _ in range(6):
        assert database.run(None, [Statement("SELECT 1")])[0].rows == [(b"1",)]
    with database.begin() as one, database.begin() as two:
        assert one.run([Statement("SELECT 1")])[0].rows == two.run([Statement("SELECT 1")])[0].rows
    database.dispose()
