"""One connection: statements go down it in a single pipeline, and are prepared once."""

from __future__ import annotations

import logging
import select
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

import psycopg
from psycopg import pq

from reactor_kernel.contracts.db import RawResult, Statement
from reactor_kernel.db.faults import ConnectionGone, fault_of, refused, says_gone

_log = logging.getLogger("reactor_kernel")
_COMMAND_OK = pq.ExecStatus.COMMAND_OK
_TUPLES_OK = pq.ExecStatus.TUPLES_OK
_SYNC = pq.ExecStatus.PIPELINE_SYNC
_EMPTY = pq.ExecStatus.EMPTY_QUERY
_COPIES = (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)
_BAD = pq.ConnStatus.BAD
_IDLE = pq.TransactionStatus.IDLE
_READ = select.POLLIN
_BOTH = select.POLLIN | select.POLLOUT
_MOST_PREPARED = 256
_LOOK_MILLIS = 250
_CANCEL_SECS = 5


class Command(NamedTuple):
    """A statement ready to be sent: its parameters are bytes."""

    sql: str
    params: Sequence[bytes | None] = ()
    prepare: bool = True


class Link:
    """A pooled connection.

    Not for two threads at once; the pool hands it to one borrower at a time.
    """

    def __init__(self, connection: psycopg.Connection[Any], generation: int) -> None:
        self.connection = connection
        self.generation = generation
        self.holder = 0  # the borrowing thread
        self.idle_since = 0.0  # when the pool got it back, on the performance counter
        self.alchemy: Any = None  # SQLAlchemy's record of this connection, made at its first use
        self._pg = connection.pgconn
        self._poll = select.poll()
        self._socket = self._pg.socket
        self._poll.register(self._socket, _READ)
        self._prepared: OrderedDict[str, bytes] = OrderedDict()
        self._dropped: list[bytes] = []
        self._serial = 0
        self.stale_plan = False
        self._cancelled = False

    @property
    def healthy(self) -> bool:
        """Whether the connection stands and no transaction is open on it."""
        # A cancellation may arrive after its statement ended, and would meet the next borrower's.
        return not self._cancelled and self._pg.status != _BAD and self._pg.transaction_status == _IDLE

    def ended_by_server(self) -> bool:
        """Look, without sending anything, whether the server closed the connection while it was idle."""
        if not self._poll.poll(0):
            return False
        try:
            self._pg.consume_input()  # a notice, a changed parameter, or the end
            if self._pg.is_busy():
                return False
        except psycopg.OperationalError:
            return True
        # The farewell and the end of the stream are two events; the second follows at once.
        return self._pg.status == _BAD or bool(self._poll.poll(20))

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def send(self, commands: Sequence[Command], abandoned: Callable[[], bool] | None = None) -> list[pq.abc.PGresult]:
        """Run commands in one round trip: outside of a transaction block they are one transaction.

        Once `abandoned` tells that nobody waits any more, what runs is cancelled.

        Raises:
            DatabaseFault: one was refused, and with it all of them. `stale_plan` then tells whether only the prepared
                form was refused, in which case it is forgotten and the commands may be sent again.
            ConnectionGone: the connection was lost.
        """
        pg = self._pg
        self.stale_plan = False
        expected: list[tuple[str, bytes] | None] = []  # what is prepared; None where a statement is run
        reused: dict[int, str] = {}
        fresh: dict[str, bytes] = {}
        prepared = self._prepared
        try:
            pg.enter_pipeline_mode()
            # In a transaction that failed the server would refuse it, and what follows.
            dropping = list(self._dropped) if pg.transaction_status == _IDLE else []
            for name in dropping:
                pg.send_query_params(b"DEALLOCATE " + name, None)
            if dropping:
                pg.pipeline_sync()  # a transaction apart: it would take the snapshot before an isolation level is set
            for sql, params, prepare in commands:
                if not prepare:
                    pg.send_query_params(sql.encode(), params)
                    expected.append(None)
                    continue
                if (known := prepared.get(sql)) is not None:
                    prepared.move_to_end(sql)
                    reused[len(expected)] = sql
                elif (known := fresh.get(sql)) is None:
                    self._serial += 1
                    known = fresh[sql] = b"reactor_%d" % self._serial
                    pg.send_prepare(known, sql.encode())
                    expected.append((sql, known))
                pg.send_query_prepared(known, params)
                expected.append(None)
            pg.pipeline_sync()
            if dropping:
                self._dropped_are(dropping, self._receive(None))
            results = self._receive(abandoned)
        except psycopg.OperationalError as problem:
            raise ConnectionGone(str(problem), untouched=False) from problem
        answers: list[pq.abc.PGresult] = []
        for index, result in enumerate(results):
            # One more than expected: the server said farewell between the last statement and the commit.
            made = expected[index] if index < len(expected) else None
            if result.status not in (_TUPLES_OK, _COMMAND_OK, _EMPTY):
                self._fail(index, result, reused.get(index))
            if made is None:
                answers.append(result)
            else:
                self._remember(*made)
        if len(results) != len(expected):
            raise ConnectionGone("the server stopped answering in the middle of a pipeline", untouched=False)
        pg.exit_pipeline_mode()
        return answers

    def _receive(self, abandoned: Callable[[], bool] | None) -> list[pq.abc.PGresult]:
        # libpq's own blocking calls would hold the interpreter lock; poll releases it.
        pg, poll = self._pg, self._poll
        if pg.flush():
            self._poll.modify(self._socket, _BOTH)
            try:
                while pg.flush():
                    if poll.poll()[0][1] & _READ:
                        pg.consume_input()
            finally:
                poll.modify(self._socket, _READ)
        results: list[pq.abc.PGresult] = []
        ends = 0
        while True:
            try:
                while pg.is_busy():
                    if abandoned is None:
                        poll.poll()
                    elif not poll.poll(_LOOK_MILLIS):
                        if abandoned():
                            abandoned = None
                            self._cancel()
                        continue
                    pg.consume_input()
            except psycopg.OperationalError:
                # The last words of the server may already have been read.
                if (result := pg.get_result()) is None:
                    raise
                return [*results, result]
            result = pg.get_result()
            if result is None:
                ends += 1
                if ends > 1 or pg.status == _BAD:
                    return results
                continue
            ends = 0
            status = result.status
            if status == _SYNC:
                return results
            results.append(result)
            if status in _COPIES:
                return results

    def _cancel(self) -> None:
        self._cancelled = True
        try:
            self.connection.cancel_safe(timeout=_CANCEL_SECS)
        except psycopg.Error as problem:
            # The statement goes on to its own end, which is where it would be without a cancellation.
            _log.warning("a statement that nobody waits for could not be cancelled: %s", problem)

    def _dropped_are(self, names: Sequence[bytes], results: Sequence[pq.abc.PGresult]) -> None:
        for name, result in zip(names, results, strict=False):
            if result.status == _COMMAND_OK:
                self._dropped.remove(name)
                continue
            fault = fault_of(result)
            if self._pg.status == _BAD or says_gone(fault.sqlstate):
                raise ConnectionGone(fault.primary, untouched=fault.sqlstate.startswith("57P"))
            if fault.sqlstate == "26000":  # something between us and the server forgot them all
                self._dropped.clear()
            return  # it was refused, and the rest of them with it
        if len(results) != len(names):
            raise ConnectionGone("the server stopped answering in the middle of a pipeline", untouched=False)

    def _fail(self, index: int, result: pq.abc.PGresult, reused: str | None) -> NoReturn:
        if result.status in _COPIES:
            self._pg.finish()
            raise refused("0A000", "COPY cannot run here")
        fault = fault_of(result)
        if self._pg.status == _BAD or says_gone(fault.sqlstate):
            # The server ends a session between two messages: had anything of the pipeline run, its result came first.
            raise ConnectionGone(fault.primary, untouched=index == 0 and fault.sqlstate.startswith("57P"))
        self._pg.exit_pipeline_mode()
        if fault.sqlstate == "26000" and reused:  # something between us and the server forgot them all
            self.stale_plan = True
            self._prepared.clear()
            self._dropped.clear()
        elif fault.sqlstate == "0A000" and reused:  # "cached plan must not change result type"
            self.stale_plan = True
            self._dropped.append(self._prepared.pop(reused))
        raise fault

    def _remember(self, sql: str, name: bytes) -> None:
        self._prepared[sql] = name
        if len(self._prepared) > _MOST_PREPARED:
            self._dropped.append(self._prepared.popitem(last=False)[1])


def command(statement: Statement) -> Command:
    """Encode a statement's parameters; refuse what libpq would cut off silently."""
    values: list[bytes | None] = []
    for value in statement.params:
        if isinstance(value, str):
            try:
                value = value.encode()
            except UnicodeEncodeError:
                raise refused("22021", 'invalid byte sequence for encoding "UTF8": a lone surrogate') from None
        if value is not None and b"\0" in value:
            raise refused("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
        values.append(value)
    return Command(statement.sql, values, statement.prepare)


def raw(result: pq.abc.PGresult) -> RawResult:
    """Copy a result out of libpq."""
    width = result.nfields
    value = result.get_value
    if width == 1:
        rows: list[tuple[bytes | None, ...]] = [(value(row, 0),) for row in range(result.ntuples)]
    else:
        span = range(width)
        rows = [tuple([value(row, at) for at in span]) for row in range(result.ntuples)]
    columns = tuple([(result.fname(at) or b"").decode() for at in range(width)])
    return RawResult(columns, rows, (result.command_status or b"").decode())
