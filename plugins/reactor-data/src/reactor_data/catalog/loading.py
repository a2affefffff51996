"""From the catalogue queries' results to a snapshot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from reactor_data.catalog.discovery import Key, Shown, relationships, with_keys
from reactor_data.catalog.domains import CastEntry, Representations, TypeEntry
from reactor_data.catalog.model import MediaHandler, Relation, Schema, Snapshot
from reactor_data.catalog.routines import RawFunction, Routines
from reactor_data.catalog.rules import base_columns, origins
from reactor_kernel.api import RawResult

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
_MEDIA = re.compile(r"[a-z0-9.-]+/[a-z0-9.+-]+\Z|\*/\*\Z", re.IGNORECASE)

T = TypeVar("T")


class _Handler(msgspec.Struct, frozen=True):
    schema: str
    media: str
    relation: int
    sql: str
    binary: bool


class Loader:
    """Makes snapshots of the exposed schemas; `extra_search_path` are reachable without being exposed."""

    def __init__(self, schemas: Sequence[str], extra_search_path: Sequence[str]) -> None:
        self._schemas = tuple(schemas)
        self._extra = tuple(extra_search_path)

    def snapshot(self, version: int, results: Sequence[RawResult]) -> Snapshot:
        """Return the snapshot that the results of `queries.snapshot` describe."""
        relations, keys, rules, functions, types, casts, handlers, policies, settings, comments, fingerprint = results[
            1:
        ]
        known_types = _decoded(types, TypeEntry)
        representations = Representations(known_types, _decoded(casts, CastEntry))
        constraints = _decoded(keys, Key)
        shown: Shown = base_columns({int(_text(row[0])): origins(_text(row[1])) for row in rules.rows})
        found = [representations.applied(relation) for relation in _decoded(relations, Relation)]
        found = with_keys(found, constraints, shown)
        detected = relationships(found, constraints, shown)
        media = {one.oid: one.name.lower() for one in known_types if one.kind == "d" and _MEDIA.match(one.name)}
        routines = Routines(_decoded(functions, RawFunction), found, representations, media)
        aggregates = _decoded(handlers, _Handler)
        comment = {_text(row[0]): row[1].decode() if row[1] is not None else None for row in comments.rows}
        return Snapshot(
            version,
            {
                name: Schema(
                    name=name,
                    version=version,
                    relations={one.name: one for one in found if one.schema == name},
                    types=_castable(known_types, self.search_path(name)),
                    policies={
                        (_text(row[1]), _text(row[2])): _text(row[3]) for row in policies.rows if _text(row[0]) == name
                    },
                    relationships=routines.related(name, self.search_path(name), detected),
                    functions=routines.exposed(name),
                    computed=routines.computed(name, self.search_path(name)),
                    enums={one.shown: one.labels for one in known_types if one.labels is not None},
                    domains={one.shown: one.base for one in known_types if one.base is not None},
                    handlers=_by_relation(name, aggregates, found),
                    search_path=self.search_path(name),
                    comment=comment.get(name),
                )
                for name in self._schemas
            },
            _by_role(settings),
            fingerprint.rows[0][0] or b"",
        )

    def search_path(self, schema: str) -> tuple[str, ...]:
        """Return the search path of statements on a schema."""
        return (schema, *(name for name in self._extra if name != schema))


def _castable(types: Sequence[TypeEntry], path: Sequence[str]) -> dict[str, str]:
    places = {name: at for at, name in enumerate((*path, "pg_catalog"))}
    reachable = [one for one in types if one.schema in places]
    found = {one.name: one.sql for one in sorted(reachable, key=lambda one: places[one.schema], reverse=True)}
    found.update({spelling: f"pg_catalog.{name}" for spelling, name in _SQL_NAMES.items()})
    return found


def _by_relation(
    schema: str, handlers: Sequence[_Handler], relations: Sequence[Relation]
) -> dict[tuple[str | None, str], MediaHandler]:
    names = {relation.oid: relation.name for relation in relations if relation.schema == schema}
    found: dict[tuple[str | None, str], MediaHandler] = {}
    for handler in handlers:
        if handler.relation == 0:
            found[None, handler.media] = MediaHandler(handler.media, handler.sql, None, handler.binary)
        elif handler.relation in names:
            name = names[handler.relation]
            found[name, handler.media] = MediaHandler(handler.media, handler.sql, name, handler.binary)
    return found


def _by_role(settings: RawResult) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for role, name, value in settings.rows:
        found.setdefault(_text(role), {})[_text(name)] = _text(value)
    return found


def _decoded(result: RawResult, kind: type[T]) -> list[T]:
    decoder = msgspec.json.Decoder(kind)
    return [decoder.decode(row[0]) for row in result.rows if row[0] is not None]


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
