"""One transaction in the place of a database: what runs in it are the requests of a batch, each within a savepoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from reactor_data.query.changes import INSERTED
from reactor_data.query.compiler import AFFECTED
from reactor_kernel.api import Identity, Isolation, RawResult, Statement, Tx

_SAVE = Statement("savepoint batched", prepare=False)
_KEEP = Statement("release savepoint batched", prepare=False)
_UNDO = Statement("rollback to savepoint batched", prepare=False)
_READ_ONLY = Statement("set local transaction_read_only = on", prepare=False)
# What one request's statements leave for the end of its transaction, and the next must not find.
_LEFT_BEHIND = ("response.status", "response.headers", INSERTED, AFFECTED)
# Who the caller is: a function that says otherwise for the rest of its transaction must not say so for the next request.
_CALLER = "request.jwt.claims"


class SharedTransaction:
    """Implements what of `Database` the resources of rows and functions use, on a transaction that is open.

    A request that fails undoes only itself, so that its answer can be told; that the batch fails with it is not decided here.
    What is to be on record whatever becomes of the transaction (a refusal) waits in `records` for its end: a second connection
    beside this one could be the one that everybody waits for.
    """

    def __init__(self, tx: Tx, identity: Identity) -> None:
        self.records: list[Statement] = []
        self._tx = tx
        self._identity = identity
        self._before: dict[str, str] = {}

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
        """Run a request's statements."""
        if identity is None:
            self.records += statements
            return []
        with self._within(identity, readonly, settings):
            return self._tx.run(statements)

    @contextmanager
    def begin(
        self,
        identity: Identity,
        *,
        readonly: bool = False,
        settings: Mapping[str, str] | None = None,
        isolation: Isolation | None = None,
        abandoned: Callable[[], bool] | None = None,
    ) -> Iterator[Tx]:
        """Give a request the transaction."""
        with self._within(identity, readonly, settings):
            yield self._tx

    @contextmanager
    def _within(self, identity: Identity, readonly: bool, settings: Mapping[str, str] | None) -> Iterator[None]:
        if identity.role_name != self._identity.role_name or identity.subject != self._identity.subject:
            raise AssertionError("a batch is one caller's")
        self._tx.run([_SAVE, self._settings(settings or {}), *([_READ_ONLY] if readonly else [])])
        try:
            yield
        except BaseException:
            self._tx.run([_UNDO, _KEEP])
            raise
        self._tx.run([_KEEP])

    def _settings(self, wanted: Mapping[str, str]) -> Statement:
        """Return what publishes a request's settings, and takes back those of the one before.

        It runs as the login role, which may set what `ALTER ROLE … SET` gives a role that may not, and leaves the
        transaction as the caller's role again.
        """
        unknown = [name for name in (_CALLER, *wanted) if name not in self._before]
        if unknown:
            listed = ", ".join(f"current_setting(${at}, true)" for at in range(1, len(unknown) + 1))
            (found,) = self._tx.run([Statement(f"select {listed}", unknown, prepare=False)])
            before = zip(unknown, found.rows[0], strict=True)
            self._before |= {name: (value or b"").decode() for name, value in before}
        values = {**self._before, **wanted, **dict.fromkeys(_LEFT_BEHIND, "")}
        calls = ", ".join(f"set_config(${2 * at + 1}, ${2 * at + 2}, true)" for at in range(len(values)))
        params: list[str | bytes | None] = [text for pair in values.items() for text in pair]
        return Statement(f"select {calls}", params, as_owner=True, prepare=False)
