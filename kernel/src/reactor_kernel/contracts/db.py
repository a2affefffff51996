"""The database as plugins see it. `Database.begin` and `Database.run` are the only ways to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from reactor_kernel.contracts.identity import Identity

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, Executable

Isolation = Literal["read committed", "repeatable read", "serializable"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with `$1…$n` placeholders for `Database.run`.

    Parameters are sent as text of unknown type, so Postgres infers their types from where they stand; `None` is NULL.
    `as_owner` resets the role first, so that the statement runs as the login role (audit rows). `prepare=False` for
    statements that are used once or may not be prepared.
    """

    sql: str
    params: Sequence[str | bytes | None] = ()
    as_owner: bool = False
    prepare: bool = True


@dataclass(frozen=True, slots=True)
class RawResult:
    """What one statement returned: columns by name, values as Postgres' own text, and the command tag."""

    columns: tuple[str, ...]
    rows: list[tuple[bytes | None, ...]]
    tag: str

    @property
    def affected(self) -> int:
        """The number of rows the command tag reports; 0 where it reports none."""
        last = self.tag.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0


class Tx(Protocol):
    """One open transaction. It commits when its `with` block ends and rolls back when the block raises."""

    @property
    def connection(self) -> Connection:
        """The SQLAlchemy connection of this transaction."""
        ...

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run a SQLAlchemy Core statement (or `text()` with bound parameters)."""
        ...

    def run(self, statements: Sequence[Statement]) -> list[RawResult]:
        """Run raw statements in one round trip inside this transaction."""
        ...

    def publish(self, topic: str, *payloads: object) -> None:
        """Emit events: written to the outbox for durable subscribers, delivered only if this commits.

        Each of `payloads` is an event, an instance of the type declared for the topic by `reactor_event_types`. However many there
        are, they cost no round trip: they go with the statements that follow, or with the commit.
        """
        ...

    def notify(self, channel: str, payload: str = "") -> None:
        """NOTIFY listeners on every node when this commits."""
        ...

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` in this process after the commit; it is dropped on rollback."""
        ...


class Database(Protocol):
    """Connections of one project's database, borrowed per transaction."""

    def begin(
        self,
        identity: Identity | None = None,
        *,
        readonly: bool = False,
        settings: Mapping[str, str] | None = None,
        isolation: Isolation | None = None,
        abandoned: Callable[[], bool] | None = None,
    ) -> AbstractContextManager[Tx]:
        """Open a transaction.

        Without an identity it runs as the login role, which owns the plugins' schemas. With one it runs as that
        identity's database role under row-level security, with `request.jwt.claims` and `settings` set
        transaction-local; nothing stays behind in the pool. `isolation` is another level than the server's default.
        What begins the transaction goes with its first statements, so a block that runs none does not reach the server.
        `abandoned` is asked about four times a second while a raw statement runs: once it tells that nobody waits for the
        answer any more, the statement is cancelled, which is a fault 57014. Of SQLAlchemy's statements it is not asked.

        Raises:
            DatabaseUnavailable: no connection can be made.
            PoolTimeout: none became free within `[database] acquire_timeout_secs`.
            DatabaseFault: a statement was refused.
        """
        ...

    def run(
        self,
        identity: Identity | None,
        statements: Sequence[Statement],
        *,
        readonly: bool = False,
        settings: Mapping[str, str] | None = None,
        isolation: Isolation | None = None,
        abandoned: Callable[[], bool] | None = None,
    ) -> list[RawResult]:
        """Run statements as one transaction in one round trip and return each one's result.

        The first failing statement rolls back all of them. The other arguments are those of `begin`.
        """
        ...

    def on_notify(self, channel: str, handler: Callable[[str | None], None]) -> None:
        """Call `handler(payload)` for each NOTIFY on `channel`, and `handler(None)` after every (re)connection.

        `None` means that notifications may have been missed: whatever is cached must be dropped.
        Register before services start; handlers run on the listener's thread and must be short.
        """
        ...

    def is_superuser_login(self) -> bool:
        """Tell whether the login role is a superuser (see decision 50 on the service role)."""
        ...
