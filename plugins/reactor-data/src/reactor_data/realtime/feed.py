"""Subscribing: the contract `ChangeFeed`, and the steps from a request to a stream that misses nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator

from reactor_data.catalog.cache import SchemaCache
from reactor_data.catalog.model import Relation, Schema
from reactor_data.errors import realtime_unavailable, table_not_found
from reactor_data.realtime.audience import Audience
from reactor_data.realtime.outbox import Outbox, Position
from reactor_data.realtime.reader import ChangeReader, slices
from reactor_data.realtime.recording import CHUNK
from reactor_data.realtime.stream import Delivery, Stream
from reactor_data.realtime.watching import make_watch
from reactor_kernel.api import (
    CHANGE_EVENTS,
    Change,
    ChangeSignal,
    Clock,
    Database,
    Identity,
    Statement,
)

_RECORDED = Statement(
    "select 1 from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid"
    " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
    " where n.nspname = $1 and c.relname = $2 and t.tgname = 'reactor_realtime_insert' and t.tgenabled <> 'D'"
)


class DataChanges:
    """Implements `ChangeFeed` over the outbox of one database."""

    def __init__(
        self,
        database: Database,
        schema: SchemaCache,
        audience: Audience,
        *,
        enabled: bool,
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self._db = database
        self._schema = schema
        self._enabled = enabled
        self._clock = clock
        self.outbox = Outbox(database)
        self._audience = audience
        self.reader = ChangeReader(self.outbox, audience, clock, log)

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
    ) -> Stream:
        """Subscribe; see `contracts.ChangeFeed.subscribe`."""
        if not self._enabled:
            raise realtime_unavailable(
                "realtime is switched off on this server", "Read without subscribe=, or set [data] realtime = true."
            )
        profile = self._schema.exposed(schema)
        if table != "*":
            self._recorded(table, profile)
        watch = make_watch(profile, table, tuple(events), filters, None if select == "*" else select)
        if table != "*":
            found, relation = self._relation(table, profile)
            self._audience.prove(identity, found, relation, watch)
        position = None if after_seq is None else self.outbox.position(after_seq)
        stream = Stream(watch, identity, recheck=recheck, wake=wake, clock=self._clock, on_close=self.reader.remove)
        self.reader.add(stream)
        try:
            # What this sees belongs to the past; the reader hands over all the rest.
            start = self.outbox.now()
            newest = self.outbox.newest(start)
            mark = None if newest is None else newest + CHUNK - 1
            backlog: Iterator[Delivery | None] | None = None
            if position is not None:
                backlog = self._missed(stream, position)
            elif after_seq is not None:
                backlog = iter([ChangeSignal("resync", {"reason": "too_old", "after": after_seq}, mark)])
            cursor = None if position is None else position.seq
            stream.begin(start, backlog, cursor=cursor, mark=mark)
        except BaseException:
            stream.close()
            raise
        return stream

    def _recorded(self, table: str, profile: str) -> None:
        _, relation = self._relation(table, profile)
        if relation.kind not in ("r", "p"):
            raise realtime_unavailable(
                f"{table} is not a table, and only changes of tables are recorded",
                "Subscribe to the tables it reads from.",
            )
        if relation.partition:
            raise realtime_unavailable(
                f"{table} is a partition, and its changes are those of its partitioned table",
                "Subscribe to the partitioned table.",
            )
        if not relation.primary_key:
            raise realtime_unavailable(
                f"{table} has no primary key, so its changes are not recorded", "Add a primary key in a migration."
            )
        (found,) = self._db.run(None, [Statement(_RECORDED.sql, (relation.schema, relation.name))], readonly=True)
        if not found.rows:
            raise realtime_unavailable(
                f"{table} does not record its changes",
                f"A migration may let it: alter table {table} set (realtime = true); a table that was made by hand"
                " records them from the next start or migration on.",
            )

    def _relation(self, table: str, profile: str) -> tuple[Schema, Relation]:
        schema, relation = self._schema.find(table, profile)
        if relation is None:
            raise table_not_found(table, schema.name, schema.near(table))
        return schema, relation

    def _missed(self, stream: Stream, position: Position) -> Iterator[Delivery | None]:
        """Yield what a stream has missed, up to where its live changes begin; None between pages."""
        start = stream.start
        reached = position.seq - position.seq % CHUNK
        for page in self.outbox.behind(position, start):
            if not self.outbox.reaches(reached):
                # Whoever reads slowly may be overtaken by the sweep.
                yield ChangeSignal("resync", {"reason": "too_old", "after": reached})
            reached = page[-1].seq if page else reached
            for pieces in slices(page):
                if not stream.refresh():
                    return
                for _, one in self._audience.deliveries(pieces, [stream])[stream]:
                    # Of the row in which the client stopped only the rest is new to it.
                    if (
                        not isinstance(one, Change)
                        or one.seq > position.seq
                        or one.seq < position.seq - position.seq % CHUNK
                    ):
                        yield one
                yield None
