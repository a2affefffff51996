"""One open transaction, for raw statements and SQLAlchemy alike."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import psycopg

from reactor_kernel.contracts.db import RawResult, Statement
from reactor_kernel.db.faults import ConnectionGone, translated, unavailable
from reactor_kernel.db.link import Command, Link, command, raw
from reactor_kernel.errors import DatabaseFault, DatabaseUnavailable, InternalError

if TYPE_CHECKING:
    from psycopg import pq
    from sqlalchemy import Connection, CursorResult, Executable

    from reactor_kernel.db.alchemy import Alchemy
    from reactor_kernel.db.pool import Pool

_log = logging.getLogger("reactor_kernel")
_SET_ROLE = "SELECT set_config('role', $1, true)"
AS_OWNER = Command(_SET_ROLE, (b"none",))
_COMMIT = Command("COMMIT")
_ROLLBACK = Command("ROLLBACK")
_ABORTED = "25P02"
_STALE_PLANS = frozenset({"0A000", "26000"})
_NOTIFY = "SELECT pg_notify($1, $2)"


class Publisher(Protocol):
    """What a transaction needs of the event bus."""

    def publish(self, tx: PostgresTx, topic: str, *payloads: object) -> None:
        """Write the rows of events through `tx` and arrange their local delivery."""
        ...


def set_role(role: bytes) -> Command:
    """Return the command that makes the transaction go on as a role."""
    return Command(_SET_ROLE, (role,))


def with_roles(
    statements: Sequence[Statement], role: bytes | None, *, restore: bool
) -> tuple[list[Command], list[int]]:
    """Encode statements with the role switches they need; return the commands and where each statement's answer will be."""
    commands: list[Command] = []
    at: list[int] = []
    owner = False
    for statement in statements:
        if role is not None and statement.as_owner is not owner:
            owner = statement.as_owner
            commands.append(AS_OWNER if owner else set_role(role))
        at.append(len(commands))
        commands.append(command(statement))
    if owner and restore and role is not None:
        commands.append(set_role(role))
    return commands, at


class PostgresTx:
    """A transaction on a borrowed connection; made by `PostgresDatabase.begin`.

    What begins it goes with its first statements, and what it publishes with the next ones or with the commit: none of it costs a
    round trip of its own.
    """

    def __init__(
        self,
        pool: Pool,
        opening: Sequence[Command],
        role: bytes | None,
        alchemy: Callable[[], Alchemy],
        publisher: Callable[[], Publisher],
        abandoned: Callable[[], bool] | None = None,
    ) -> None:
        self._abandoned = abandoned
        self._pool = pool
        self._ahead = list(opening)
        self._role = role
        self._alchemy = alchemy
        self._publisher = publisher
        self._link: Link | None = None
        self._connection: Connection | None = None
        self._actions: list[Callable[[], None]] = []
        self._marks: list[tuple[str, int]] = []
        self._fault: DatabaseFault | None = None
        self._entered = False
        self._began = False
        self._effects = False  # whether something waits that was asked for, besides what begins the transaction

    @property
    def open(self) -> bool:
        """Whether the transaction is open."""
        return self._link is not None

    def __enter__(self) -> PostgresTx:
        if self._entered:
            raise InternalError("a transaction can be entered once; ask db.begin() for another")
        self._entered = True
        self._link = self._pool.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._standing()
        actions = self._actions if problem is None else []
        try:
            if problem is None:
                self._commit()
            else:
                self._roll_back()
        finally:
            link, self._link = self._standing(), None
            try:
                self._leave_alchemy(link)
            finally:
                if isinstance(problem, DatabaseFault) and problem.sqlstate in _STALE_PLANS:
                    # psycopg prepares what SQLAlchemy runs and would meet the stale plan again.
                    self._pool.discard(link)
                else:
                    self._pool.release(link)
        if isinstance(problem, psycopg.Error):
            raise translated(problem) from problem
        for action in actions:
            try:
                action()
            except Exception:  # noqa: BLE001 - the commit stands; one action must not keep the others from running
                _log.exception("an after-commit action failed")

    def _commit(self) -> None:
        if not self._began and not self._effects:
            return
        try:
            [answer] = self._send([_COMMIT])
        except ConnectionGone as gone:
            lost = DatabaseUnavailable("the connection was lost during the commit: it may or may not have happened")
            raise lost from gone
        except DatabaseFault as fault:
            self._roll_back()  # what was published may have been refused before the commit was reached
            if fault.sqlstate == _ABORTED and self._fault is not None:
                raise self._fault from fault
            raise
        if answer.command_status == b"ROLLBACK":
            # A statement failed, the error was caught, and Postgres had already given the transaction up.
            if self._fault is not None:
                raise self._fault
            raise InternalError("the transaction was rolled back: a statement in it failed and the error was swallowed")

    def _roll_back(self) -> None:
        link = self._standing()
        if self._began and not link.connection.closed and not link.healthy:
            try:
                link.send([_ROLLBACK])
            except (ConnectionGone, DatabaseFault) as failed:
                # The link is closed instead of given back, which rolls back as well; the first error matters more.
                _log.debug("rollback: %s", failed)

    def _leave_alchemy(self, link: Link) -> None:
        if self._connection is None:
            return
        if not link.healthy:
            # SQLAlchemy would roll back what it took for its own transaction, and fail where the connection is gone.
            self._connection.invalidate()
        self._connection.close()

    def _standing(self) -> Link:
        if self._link is None:
            state = "has ended" if self._entered else "has not begun"
            raise InternalError(f"this transaction {state}; use it inside `with db.begin(…) as tx:`")
        return self._link

    def _send(self, commands: Sequence[Command], abandoned: Callable[[], bool] | None = None) -> list[pq.abc.PGresult]:
        """Run commands behind what waits to go ahead of them; return the answers to the commands."""
        link, skip = self._standing(), len(self._ahead)
        every, self._ahead = [*self._ahead, *commands], []
        self._effects = False
        first, self._began = not self._began, True
        try:
            answers = link.send(every, abandoned)
        except ConnectionGone as gone:
            if not first or not gone.untouched:
                raise
            self._pool.discard(link)
            self._pool.drop_idle()
            self._link = link = self._pool.acquire()
            answers = link.send(every, abandoned)
        except DatabaseFault:
            if not first or not link.stale_plan:
                raise
            link.send([_ROLLBACK])
            answers = link.send(every, abandoned)
        return answers[skip:]

    # -- statements -----------------------------------------------------------------------------------------------

    @property
    def connection(self) -> Connection:
        """The SQLAlchemy connection of this transaction."""
        self._standing()
        self._flush()
        if self._connection is None:
            self._connection = self._alchemy().connection(self._standing(), self)
        return self._connection

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run a SQLAlchemy Core statement."""
        try:
            return self.connection.execute(statement, parameters)
        except DatabaseFault as fault:
            self._fault = fault
            raise

    def run(self, statements: Sequence[Statement]) -> list[RawResult]:
        """Run raw statements in one round trip."""
        self._standing()
        commands, at = with_roles(statements, self._role, restore=True)
        if not commands:
            return []
        answers = self._answers(commands)
        return [raw(answers[index]) for index in at]

    def later(self, statements: Sequence[Statement]) -> None:
        """Run statements whose results nobody needs with the next ones, or with the commit, which their refusal makes fail."""
        self._standing()
        commands, _ = with_roles(statements, self._role, restore=True)
        self._ahead += commands
        self._effects = True

    def _answers(self, commands: Sequence[Command]) -> list[pq.abc.PGresult]:
        try:
            return self._send(commands, self._abandoned)
        except DatabaseFault as fault:
            self._fault = fault
            raise
        except ConnectionGone as gone:
            raise unavailable(str(gone)) from gone

    def _flush(self) -> None:
        if self._ahead:
            self._answers([])

    # -- effects of the commit ------------------------------------------------------------------------------------

    def publish(self, topic: str, *payloads: object) -> None:
        """Emit events with this transaction."""
        self._standing()
        self._publisher().publish(self, topic, *payloads)

    def notify(self, channel: str, payload: str = "") -> None:
        """NOTIFY listeners when this commits."""
        self.later([Statement(_NOTIFY, (channel, payload))])

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` after the commit."""
        self._standing()
        self._actions.append(action)

    def mark(self, savepoint: str) -> None:
        """Remember which actions came before a savepoint, which is about to be made."""
        self._flush()
        self._marks.append((savepoint, len(self._actions)))

    def return_to(self, savepoint: str) -> None:
        """Drop the actions that came after a savepoint that is rolled back to, and what would go ahead of the next statements."""
        self._ahead.clear()
        for index in range(len(self._marks) - 1, -1, -1):
            name, count = self._marks[index]
            if name == savepoint:
                del self._actions[count:]
                del self._marks[index:]
                return
