"""Who may see which changes: Postgres says, once for each group of equal identities.

The statement of a group runs as its role, with its claims, under row-level security, and reads the rows whose keys were
recorded. So nobody receives anything that a read at the same moment would not show: no content is kept, and none is sent that
the policies hide by now. A deleted row cannot be asked for; only its key is sent, to those who may read the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from reactor_data.catalog.cache import SchemaCache
from reactor_data.catalog.model import Relation, Schema, Snapshot
from reactor_data.errors import DataError
from reactor_data.realtime.eyes import Eyes
from reactor_data.realtime.outbox import Entry
from reactor_data.realtime.payloads import make_change
from reactor_data.realtime.stream import Delivery, Stream, error_signal
from reactor_data.realtime.watching import Watch, keys_statement, rows_statement
from reactor_data.running import Caller
from reactor_kernel.api import (
    ChangeSignal,
    DatabaseFault,
    DatabaseUnavailable,
    Identity,
    PoolTimeout,
    ReactorError,
    Statement,
)

_STALE = ("42P01", "42703")
_EVENT = {"insert": "INSERT", "update": "UPDATE", "delete": "DELETE"}
_decode_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode

Shape = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One change of one row. `key` and `old` are places in the table's list of keys."""

    entry: Entry
    seq: int
    event: str
    key: int
    old: int | None


class TableChanges:
    """What happened to one table in a batch: changes in order, and the distinct keys they concern."""

    def __init__(self, relation: Relation) -> None:
        self.relation = relation
        self.items: list[Item | tuple[Entry, str]] = []
        self._names = [msgspec.json.encode(name) for name in relation.primary_key]
        self._places: dict[bytes, int] = {}
        self.objects: list[bytes] = []
        self._present: dict[int, bytes] = {}
        self._gone: dict[int, bytes] = {}

    def add(self, entry: Entry, first: int, last: int) -> None:
        """Add the changes of an entry, from place `first` up to `last`."""
        event = entry.event
        if event.op not in _EVENT:
            self.items.append((entry, "truncated" if event.op == "truncate" else "unknown_changes"))
            return
        if event.key != self.relation.primary_key:
            self.items.append((entry, "unknown_changes"))
            return
        name = _EVENT[event.op]
        for at in range(first, min(last, len(event.keys))):
            place = self._place(event.keys[at], gone=name == "DELETE")
            old = place if name == "DELETE" else None
            if name == "UPDATE":
                old = place if event.old is None else self._place(event.old[at], gone=None)
            self.items.append(Item(entry, entry.seq + at, name, place, old))

    def present(self) -> bytes:
        """The keys of rows inserted or updated, as the parameter of a statement."""
        return b"[" + b",".join(self._present.values()) + b"]"

    def gone(self) -> bytes:
        """The keys of rows deleted."""
        return b"[" + b",".join(self._gone.values()) + b"]"

    @property
    def deletes(self) -> bool:
        """Tell whether rows were deleted."""
        return bool(self._gone)

    def _place(self, raw: msgspec.Raw, *, gone: bool | None) -> int:
        text = bytes(raw)
        place = self._places.get(text)
        if place is None:
            place = self._places[text] = len(self.objects)
            named = zip(self._names, self._parts(text), strict=True)
            self.objects.append(b"{" + b",".join(map(b":".join, named)) + b"}")
        wanted = self._gone if gone else self._present
        if gone is not None and place not in wanted:
            columns = b",".join(b'"k%d":%b' % pair for pair in enumerate(self._parts(text)))
            wanted[place] = b'{"i":%d,%b}' % (place, columns)
        return place

    def _parts(self, text: bytes) -> list[bytes]:
        return [text] if len(self._names) == 1 else [bytes(part) for part in _decode_parts(text)]


class Audience:
    """Finds out what each of a set of streams receives of a batch."""

    def __init__(self, schema: SchemaCache, eyes: Eyes) -> None:
        self._schema = schema
        self._eyes = eyes

    def deliveries(
        self, pieces: Sequence[tuple[Entry, int, int]], streams: Sequence[Stream]
    ) -> dict[Stream, list[tuple[int, Delivery]]]:
        """Return what each stream receives, by transaction and in order; streams that an error ends are ended.

        `pieces` are entries with the places of their changes to look at. The identities must have been refreshed.

        Raises:
            DatabaseUnavailable, PoolTimeout: nothing can be said at the moment.
        """
        snapshot = self._schema.snapshot()
        tables = _by_table(snapshot, pieces)
        received: dict[Stream, list[tuple[int, Delivery]]] = {stream: [] for stream in streams}
        for table in tables:
            schema = snapshot.schemas[table.relation.schema]
            for identity, shapes in _groups(streams, table.relation):
                for group in shapes:
                    self._ask(schema, table, identity, group, received)
        if len(tables) > 1:
            # A client goes on behind the last number it received, so that numbers must rise within a batch.
            for stream, found in received.items():
                if stream.watch.table is None:
                    found.sort(key=lambda pair: pair[1].seq or 0)
        return received

    def prove(self, identity: Identity, schema: Schema, relation: Relation, watch: Watch) -> None:
        """Run a watch's statements on no keys.

        Raises:
            DataError: the identity may not read the table, or the filters cannot be.
        """
        self._eyes.demand(identity, relation.name)
        statements = [rows_statement(schema, relation, watch, b"[]")]
        if watch.query.where:
            statements.append(keys_statement(schema, relation, watch, b"[]"))
        caller = self._eyes.caller(identity, schema)
        try:
            self._eyes.run(caller, statements)
        except DatabaseFault as fault:
            raise self._eyes.explained(fault, caller, relation.name) from fault

    def _ask(
        self,
        schema: Schema,
        table: TableChanges,
        identity: Identity,
        group: list[Stream],
        received: dict[Stream, list[tuple[int, Delivery]]],
    ) -> None:
        # `*` is every table that may be read, and this may be none of them.
        named = [stream for stream in group if stream.watch.table is not None]
        try:
            self._eyes.demand(identity, table.relation.name)
        except DataError as error:
            _end(named, error)
            return
        try:
            caller = self._eyes.caller(identity, schema)
            visible, gone = self._answers(schema, table, caller, group[0].watch)
        except DatabaseFault as fault:
            ended = named if fault.sqlstate == "42501" else group
            _end(ended, self._eyes.explained(fault, caller, table.relation.name))
            return
        except (DatabaseUnavailable, PoolTimeout):
            raise
        except ReactorError as error:
            _end(group, error)
            return
        found = list(_found(table, visible, gone))
        for stream in group:
            events = stream.watch.events
            received[stream] += [(xid, one) for xid, event, one in found if not event or event in events]

    def _answers(
        self, schema: Schema, table: TableChanges, caller: Caller, watch: Watch
    ) -> tuple[dict[int, bytes], set[int] | None]:
        try:
            return self._statements(schema, table, caller, watch)
        except DatabaseFault as fault:
            if fault.sqlstate not in _STALE or not self._schema.doubt(schema.version):
                raise
        return self._statements(self._schema.current(schema.name), table, caller, watch)

    def _statements(
        self, schema: Schema, table: TableChanges, caller: Caller, watch: Watch
    ) -> tuple[dict[int, bytes], set[int] | None]:
        relation = schema.relations.get(table.relation.name, table.relation)
        # Also without a key to ask for: it proves that the table may be read.
        statements: list[Statement] = [rows_statement(schema, relation, watch, table.present())]
        if table.deletes and watch.query.where:
            statements.append(keys_statement(schema, relation, watch, table.gone()))
        results = self._eyes.run(caller, statements)
        visible = {int(place or 0): row or b"null" for place, row in results[0].rows}
        return visible, {int(row[0] or 0) for row in results[1].rows} if len(results) > 1 else None


def _end(streams: Iterable[Stream], error: ReactorError) -> None:
    for stream in streams:
        stream.end(error_signal(error))


def _by_table(snapshot: Snapshot, pieces: Iterable[tuple[Entry, int, int]]) -> list[TableChanges]:
    tables: dict[tuple[str, str], TableChanges] = {}
    for entry, first, last in pieces:
        event = entry.event
        schema = snapshot.schemas.get(event.schema)
        relation = None if schema is None else schema.relations.get(event.table)
        if relation is None:
            continue  # the outbox's first row, or a table that is gone
        table = tables.get((event.schema, event.table))
        if table is None:
            table = tables[event.schema, event.table] = TableChanges(relation)
        table.add(entry, first, last)
    return list(tables.values())


def _groups(streams: Iterable[Stream], relation: Relation) -> Iterable[tuple[Identity, list[list[Stream]]]]:
    """Group the streams that watch a relation by identity, and within one by what they ask for."""
    groups: dict[object, tuple[Identity, dict[Shape, list[Stream]]]] = {}
    for stream in streams:
        watch = stream.watch
        if watch.table not in (None, relation.name) or watch.schema != relation.schema:
            continue
        identity = stream.identity
        _, shapes = groups.setdefault((identity.db_role, identity.claims_json), (identity, {}))
        shapes.setdefault(watch.shape, []).append(stream)
    return [(identity, list(shapes.values())) for identity, shapes in groups.values()]


def _found(
    table: TableChanges, visible: Mapping[int, bytes], gone: set[int] | None
) -> Iterable[tuple[int, str, Delivery]]:
    """Yield what a group receives: transaction, event, change."""
    relation = table.relation
    for item in table.items:
        if isinstance(item, tuple):
            entry, reason = item
            facts: dict[str, object] = {"reason": reason, "schema": relation.schema, "table": relation.name}
            yield entry.xid, "DELETE" if reason == "truncated" else "", ChangeSignal("resync", facts, entry.seq)
            continue
        new = None
        if item.event == "DELETE":
            if gone is not None and item.key not in gone:
                continue
        else:
            new = visible.get(item.key)
            if new is None:
                continue
        old = None if item.old is None else table.objects[item.old]
        change = make_change(
            item.event,
            item.seq,
            schema=relation.schema,
            table=relation.name,
            timestamp=item.entry.timestamp,
            new=new,
            old=old,
            request_id=item.entry.event.request_id,
        )
        yield item.entry.xid, item.event, change
