"""The snapshot in use, replaced when the database says it changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import msgspec

from reactor_data.catalog import queries
from reactor_data.catalog.model import Relation, Schema
from reactor_kernel.api import Clock, Database, RawResult, ReactorError

DEBOUNCE_SECS = 0.1
# A relation made without a notice is found by asking for it, but a flood of unknown names must not become one of
# catalogue queries.
MISS_RELOAD_SECS = 1.0

# Spellings of SQL that are no type names of the catalogue.
_SQL_NAMES = {
    "bigint": "int8",
    "boolean": "bool",
    "char": "bpchar",
    "character": "bpchar",
    "character varying": "varchar",
    "dec": "numeric",
    "decimal": "numeric",
    "double precision": "float8",
    "float": "float8",
    "int": "int4",
    "integer": "int4",
    "real": "float4",
    "smallint": "int2",
    "time with time zone": "timetz",
    "time without time zone": "time",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}


class SchemaCache:
    """Hands out the current snapshot.

    No request queries the catalogue: a snapshot is loaded at the first use, after a notice on the schema channel, after
    the listener lost its connection, and after Postgres contradicted the present one.
    """

    def __init__(
        self,
        database: Database,
        *,
        schema: str,
        extra_search_path: Sequence[str],
        clock: Clock,
        log: logging.Logger,
    ) -> None:
        self._db = database
        self._schema = schema
        self.search_path = [schema, *(name for name in extra_search_path if name != schema)]
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._current: Schema | None = None
        self._stale = False
        self._loaded_at = 0.0
        self._loads = 0
        self._timer: threading.Timer | None = None

    @property
    def loads(self) -> int:
        """How many snapshots were loaded."""
        return self._loads

    def current(self) -> Schema:
        """Return the snapshot, loading one first where there is none that can be trusted."""
        snapshot = self._current
        if snapshot is None or self._stale:
            return self.reload(unless_newer_than=0 if snapshot is None else snapshot.version)
        return snapshot

    def loaded(self) -> Schema | None:
        """Return the snapshot without loading one."""
        return self._current

    def reload(self, *, unless_newer_than: int | None = None) -> Schema:
        """Load a snapshot and return it.

        `unless_newer_than` is the version the caller found wanting: when another thread has replaced it meanwhile, that
        one is returned.
        """
        with self._lock:
            present = self._current
            wanted = self._loads if unless_newer_than is None else unless_newer_than
            if present is not None and not self._stale and present.version > wanted:
                return present
            self._stale = False
            try:
                _, relations, types, policies = self._db.run(
                    None, queries.snapshot(self._schema, self.search_path), readonly=True
                )
            except ReactorError:
                self._stale = True
                raise
            self._loads += 1
            self._loaded_at = self._clock.monotonic()
            self._current = _snapshot(self._schema, self._loads, relations, types, policies)
            return self._current

    def find(self, name: str) -> tuple[Schema, Relation | None]:
        """Return the snapshot and the relation of that name, having looked again when it is unknown."""
        snapshot = self.current()
        relation = snapshot.relations.get(name)
        if relation is None and self._clock.monotonic() - self._loaded_at >= MISS_RELOAD_SECS:
            snapshot = self.reload(unless_newer_than=snapshot.version)
            relation = snapshot.relations.get(name)
        return snapshot, relation

    def doubt(self, version: int) -> bool:
        """Take note that Postgres contradicted a snapshot; return whether there is a newer one to try with."""
        current = self.current()
        if current.version <= version and self._clock.monotonic() - self._loaded_at >= MISS_RELOAD_SECS:
            current = self.reload(unless_newer_than=version)
        return current.version > version

    def heard(self, payload: str | None) -> None:
        """Take a notice: None = some may have been missed, `reload schema` = reload soon, anything else is not for us."""
        if payload is None:
            self._stale = True
        elif payload == "reload schema" and self._timer is None:
            self._timer = threading.Timer(DEBOUNCE_SECS, self._reload_after_notice)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Drop a reload that is still waiting."""
        timer = self._timer
        if timer is not None:
            timer.cancel()

    def _reload_after_notice(self) -> None:
        self._timer = None
        try:
            self.reload()
        except ReactorError as error:
            # The next request tries again, because the snapshot is marked as stale.
            self._log.warning("the schema could not be reloaded: %s", error)


def _snapshot(name: str, version: int, relations: RawResult, types: RawResult, policies: RawResult) -> Schema:
    decoder = msgspec.json.Decoder(Relation)
    found = [decoder.decode(row[0]) for row in relations.rows if row[0] is not None]
    known = {_text(row[0]): _text(row[1]) for row in types.rows}
    for spelling, catalogue in _SQL_NAMES.items():
        known[spelling] = f"pg_catalog.{catalogue}"
    return Schema(
        name=name,
        version=version,
        relations={relation.name: relation for relation in found},
        types=known,
        policies={(_text(row[0]), _text(row[1])): _text(row[2]) for row in policies.rows},
    )


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
