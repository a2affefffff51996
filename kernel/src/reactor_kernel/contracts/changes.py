"""Changes of rows as they happen, for capabilities that bring them to clients."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from reactor_kernel.contracts.identity import Identity

CHANGE_EVENTS = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Change:
    """One row that was inserted, updated or deleted, as one subscriber may see it.

    Attributes:
        seq: its number. Numbers order the changes of one writer, and say nothing about which of two concurrent transactions
            committed first; a stream's `cursor` says where to go on.
        id: a UUID that is the same whenever this change is delivered again.
        event: INSERT, UPDATE or DELETE.
        schema, table: where the row is; for a partition its partitioned table.
        timestamp: when it was written, ISO 8601.
        new: the row as JSON text, the selected columns; None for DELETE. It is read when it is delivered: where the row was
            changed again meanwhile, it is the newer row.
        old: the old primary key as JSON text for UPDATE and DELETE; None for INSERT.
        request_id: of the request that wrote it; None where none did.
        payload: all of it as the JSON text that contract data.md §10.2 describes.
    """

    seq: int
    id: str
    event: str
    schema: str
    table: str
    timestamp: str
    new: bytes | None
    old: bytes | None
    request_id: str | None
    payload: bytes


@dataclass(frozen=True, slots=True)
class ChangeSignal:
    """What a stream says beside changes.

    `name` is `resync` (changes may have been missed: read again; the stream goes on), or the reason it ends: `overflow` (its
    reader was too slow; go on behind the last change received), `token_expired`, `error`. `facts` are for the client.
    """

    name: str
    facts: dict[str, object] = field(default_factory=dict)
    seq: int | None = None


class ChangeStream(Protocol):
    """What one subscriber receives, in order. For one reader; `close` may be called from anywhere."""

    @property
    def ended(self) -> bool:
        """Tell whether nothing will come any more."""
        ...

    @property
    def cursor(self) -> int | None:
        """The number to go on behind after what `next` returned last; None = nothing is known to go on behind.

        Mostly the number of that change; where it committed later than changes with higher numbers, the highest received.
        """
        ...

    def next(self, timeout: float) -> Change | ChangeSignal | None:
        """Return what comes next, waiting at most `timeout` seconds; None where nothing came.

        While it catches up from `after_seq` it asks the database itself, also with `timeout=0`.
        """
        ...

    def identify(self, identity: Identity, recheck: Callable[[], Identity] | None = None) -> None:
        """Go on as this identity: the same subscriber with a new token."""
        ...

    def close(self) -> None:
        """End it; harmless when it has ended."""
        ...


class ChangeFeed(Protocol):
    """Offers authorised streams of changes. Version 1.

    What is delivered is what the subscriber's role and claims may see at that moment; its policies are evaluated by Postgres.
    Delivery is at least once, in the order of commits for one row.
    """

    def subscribe(
        self,
        identity: Identity,
        table: str,
        *,
        schema: str | None = None,
        events: Collection[str] = CHANGE_EVENTS,
        filters: str = "",
        select: str = "*",
        after_seq: int | None = None,
        recheck: Callable[[], Identity] | None = None,
        wake: Callable[[], None] | None = None,
    ) -> ChangeStream:
        """Subscribe to a table, or to `*`, every table of the schema that the identity may read.

        Args:
            identity: whose eyes see.
            table: an exposed table with a primary key.
            schema: the exposed schema it is in; None = the default one.
            events: which of INSERT, UPDATE and DELETE.
            filters: as in a data URL, percent-encoded: `status=eq.open&or=(a.is.null,b.gt.3)`. They test the new row, for
                DELETE what can be tested of them on the key.
            select: columns as in a data URL, not encoded: `id,title,at:created_at`.
            after_seq: go on behind this cursor of an earlier stream; what was already received may come again.
            recheck: returns the identity anew, and raises where it no longer holds (InvalidCredential, Forbidden). It is
                asked before each delivery and every few seconds, so it has to be cheap. None = the identity holds until
                `close`, or its claim `exp`.
            wake: called from another thread when something can be had from `next`; must be short.

        Raises:
            ReactorError: 404 unknown table, 403 not permitted, 400 for filters, columns or events that cannot be, 426
                `realtime_unavailable` where the table's changes are not recorded.
        """
        ...
