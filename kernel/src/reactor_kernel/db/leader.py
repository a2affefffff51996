"""Leadership as a session advisory lock on a connection of its own."""

from __future__ import annotations

import logging
import select
import threading
import time
from typing import Any

import psycopg
from psycopg import pq

from reactor_kernel.db.conninfo import complete
from reactor_kernel.db.locks import lock_id

_log = logging.getLogger("reactor_kernel")
_CHECK_EVERY = 1.0
_CHECK_TIMEOUT = 3.0


class PostgresLeader:
    """Implements `contracts.Leader`: the session that holds a task's lock leads it.

    The lock ends with the connection, so whoever cannot prove that the connection stands does not lead. A broken connection
    is noticed at once, a silent one within a few seconds of the next question.
    """

    def __init__(self, dsn: str) -> None:
        self._conninfo = complete(dsn, connect_timeout=5, application_name="reactor-leader")
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[Any] | None = None
        self._held: set[str] = set()
        self._proven = 0.0

    def acquire(self, task: str) -> bool:
        """Try to become the leader of a task now; True as well when this process leads it already."""
        with self._lock:
            if self._stands() and task in self._held:
                return True
            try:
                if self._connection is None:
                    self._connection = psycopg.Connection.connect(self._conninfo, autocommit=True)
                row = self._connection.execute(
                    "SELECT pg_try_advisory_lock(%s)", (lock_id(f"leader:{task}"),)
                ).fetchone()
            except psycopg.Error as problem:
                self._lose(str(problem).strip())
                return False
            self._proven = time.monotonic()
            if row is not None and row[0]:
                self._held.add(task)
                return True
            return False

    def is_leader(self, task: str) -> bool:
        """Tell whether this process leads the task, with a connection that was proven to stand within the last second."""
        with self._lock:
            return task in self._held and self._stands() and task in self._held

    def release(self, task: str) -> None:
        """Give a task's leadership up; another node may take it at once."""
        with self._lock:
            if task not in self._held or self._connection is None:
                return
            self._held.discard(task)
            try:
                self._connection.execute("SELECT pg_advisory_unlock(%s)", (lock_id(f"leader:{task}"),))
            except psycopg.Error as problem:
                self._lose(str(problem).strip())

    def close(self) -> None:
        """Give everything up."""
        with self._lock:
            self._held.clear()
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _stands(self) -> bool:
        connection = self._connection
        if connection is None:
            return False
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        if not waiting.poll(0) and time.monotonic() - self._proven < _CHECK_EVERY:
            return True
        began = time.monotonic()
        try:
            _ask(connection, waiting, began + _CHECK_TIMEOUT)
        except psycopg.Error as problem:
            self._lose(str(problem).strip())
            return False
        self._proven = time.monotonic()
        return True

    def _lose(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        if self._held:
            _log.warning("leadership of %s is lost: %s", ", ".join(sorted(self._held)), reason)
        self._held.clear()
        if connection is not None:
            connection.close()


def _ask(connection: psycopg.Connection[Any], waiting: select.poll, deadline: float) -> None:
    """Make the server answer before the deadline; psycopg's own calls would wait as long as TCP does."""
    pgconn = connection.pgconn
    pgconn.send_query(b"SELECT 1")
    pgconn.flush()
    answered = False
    while True:
        while pgconn.is_busy():
            left = deadline - time.monotonic()
            if left <= 0 or not waiting.poll(left * 1000):
                raise psycopg.OperationalError("the server does not answer")
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            break
        answered = result.status == pq.ExecStatus.TUPLES_OK
    if not answered:
        raise psycopg.OperationalError(pgconn.get_error_message() or "the server does not answer")
