"""Lends pooled connections to SQLAlchemy, which is imported at its first use only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg
from sqlalchemy import create_engine, event
from sqlalchemy.pool import Pool
from sqlalchemy.pool.base import _ConnectionRecord

from reactor_kernel.db.faults import translated
from reactor_kernel.db.link import Link
from reactor_kernel.errors import InternalError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine import Dialect, ExceptionContext

    from reactor_kernel.db.transaction import PostgresTx

_OPTION = "reactor_tx"


class _Lending(Pool):
    """Hands out the one connection the calling thread is just wrapping, and never closes it."""

    def __init__(self) -> None:
        self._current = threading.local()
        super().__init__(self._raw, reset_on_return=None)

    def _raw(self) -> Any:
        return self._current.link.connection

    def wrap(self, link: Link, connect: Callable[[], Connection]) -> Connection:
        self._current.link = link
        try:
            return connect()
        finally:
            del self._current.link

    def _do_get(self) -> Any:
        link: Link = self._current.link
        if link.alchemy is None:
            link.alchemy = _ConnectionRecord(self)
        return link.alchemy

    def _do_return_conn(self, record: Any) -> None:
        """Leave the connection where it is: its link goes back to Reactor's own pool."""

    def status(self) -> str:
        return "lends Reactor's connections"


class Alchemy:
    """One SQLAlchemy engine over the links of a pool."""

    def __init__(self, connect: Callable[[], Link]) -> None:
        self._pool = _Lending()
        self._engine = create_engine(
            "postgresql+psycopg://", pool=self._pool, use_native_hstore=False, skip_autocommit_rollback=False
        )
        event.listen(self._engine, "handle_error", _raise_ours)
        for name in ("commit", "rollback"):
            event.listen(self._engine, name, _refuse_ending)
        _mark_savepoints(self._engine.dialect)
        event.listen(self._engine, "rollback_savepoint", _rollback_savepoint)
        # SQLAlchemy's first connection asks the server a few questions and rolls back: not in somebody's transaction.
        link = connect()
        try:
            self._pool.wrap(link, self._engine.connect).close()
        finally:
            link.close()

    def connection(self, link: Link, tx: PostgresTx) -> Connection:
        """Wrap a link whose transaction is open."""
        return self._pool.wrap(link, self._engine.connect).execution_options(**{_OPTION: tx})


def _raise_ours(context: ExceptionContext) -> None:
    problem = context.original_exception
    if isinstance(problem, psycopg.Error):
        raise translated(problem) from problem


def _tx_of(connection: Connection) -> PostgresTx | None:
    return connection.get_execution_options().get(_OPTION)


def _refuse_ending(connection: Connection) -> None:
    tx = _tx_of(connection)
    if tx is not None and tx.open:
        _refuse()


def _refuse() -> NoReturn:
    # A commit here would let the next statement run outside of the transaction: as the login role, without row security.
    raise InternalError(
        "the transaction ends with its `with` block; do not commit or roll back its connection",
        hint="Use a second db.begin() for work of its own, or connection.begin_nested() for a savepoint.",
    )


def _mark_savepoints(dialect: Dialect) -> None:
    # The engine's own "savepoint" event comes before the savepoint has a name.
    make = dialect.do_savepoint

    def do_savepoint(connection: Connection, name: str) -> None:
        if (tx := _tx_of(connection)) is not None:
            tx.mark(name)
        make(connection, name)

    dialect.do_savepoint = do_savepoint  # type: ignore[method-assign]


def _rollback_savepoint(connection: Connection, name: str, context: None) -> None:
    if (tx := _tx_of(connection)) is not None:
        tx.return_to(name)
