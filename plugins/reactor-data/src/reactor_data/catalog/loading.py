"""From the catalogue queries' results to a snapshot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

import msgspec

from reactor_data.catalog.discovery import Key, Shown, merge_computed, relationships, with_keys
from reactor_data.catalog.model import (
    Column,
    Function,
    MediaHandler,
    Parameter,
    Relation,
    Relationship,
    Schema,
    Snapshot,
)
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
_JSON, _TEXT = 114, 25

T = TypeVar("T")


class _Type(msgspec.Struct, frozen=True):
    oid: int
    schema: str
    name: str
    kind: str
    sql: str
    shown: str
    base: str | None = None
    default: str | None = None
    labels: tuple[str, ...] | None = None


class _Cast(msgspec.Struct, frozen=True):
    source: int
    target: int
    function: str


class _Handler(msgspec.Struct, frozen=True):
    schema: str
    media: str
    relation: int
    sql: str
    binary: bool


class _Function(msgspec.Struct, frozen=True):
    """A function as the catalogue has it: `argument` and `result_relation` are oids of relations, 0 where there is none."""

    oid: int
    schema: str
    name: str
    parameters: tuple[Parameter, ...]
    callable: bool
    required: int
    argument: int
    result_oid: int
    result: str
    result_relation: int
    void: bool
    returns_set: bool
    composite: bool
    columns: tuple[Column, ...]
    volatility: Literal["immutable", "stable", "volatile"]
    rows: float
    security_definer: bool
    settings: tuple[tuple[str, str], ...]
    comment: str | None = None


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
        known_types = _decoded(types, _Type)
        representations = _Representations(known_types, _decoded(casts, _Cast))
        constraints = _decoded(keys, Key)
        shown: Shown = base_columns({int(_text(row[0])): origins(_text(row[1])) for row in rules.rows})
        found = [representations.applied(relation) for relation in _decoded(relations, Relation)]
        found = with_keys(found, constraints, shown)
        detected = relationships(found, constraints, shown)
        media = {one.oid: one.name.lower() for one in known_types if one.kind == "d" and _MEDIA.match(one.name)}
        routines = _Routines(_decoded(functions, _Function), found, representations, media)
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


class _Representations:
    """What domains change about a column: its base type, its default and the functions that write and read it."""

    def __init__(self, types: Sequence[_Type], casts: Sequence[_Cast]) -> None:
        self._domains = {one.oid: one for one in types if one.kind == "d"}
        self._casts = {(cast.source, cast.target): cast.function for cast in casts}

    def applied(self, relation: Relation) -> Relation:
        columns = self.columns(relation.columns)
        return relation if columns is relation.columns else msgspec.structs.replace(relation, columns=columns)

    def columns(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        if not any(column.type_oid in self._domains for column in columns):
            return columns
        return tuple(self._column(column) for column in columns)

    def base(self, type_oid: int, shown: str) -> str:
        domain = self._domains.get(type_oid)
        return shown if domain is None or domain.base is None else domain.base

    def _column(self, column: Column) -> Column:
        domain = self._domains.get(column.type_oid)
        if domain is None:
            return column
        default = column.default
        if default is None and not column.generated:
            default = domain.default
        return msgspec.structs.replace(
            column,
            base=domain.base or column.base,
            default=default,
            to_json=self._casts.get((domain.oid, _JSON)),
            from_json=self._casts.get((_JSON, domain.oid)),
            from_text=self._casts.get((_TEXT, domain.oid)),
        )


class _Routines:
    """Functions as what they serve for: to be called, as a computed field, as a computed relationship."""

    def __init__(
        self,
        functions: Sequence[_Function],
        relations: Sequence[Relation],
        representations: _Representations,
        media: Mapping[int, str],
    ) -> None:
        self._relations = {relation.oid: relation for relation in relations}
        self._functions = [(one, self._function(one, representations, media)) for one in functions]

    def exposed(self, schema: str) -> dict[str, tuple[Function, ...]]:
        """Return the functions that can be called, overloads with fewer parameters first."""
        found: dict[str, list[Function]] = {}
        for raw, function in self._functions:
            if raw.schema == schema and raw.callable:
                found.setdefault(function.name, []).append(function)
        return {name: tuple(sorted(them, key=lambda one: len(one.parameters))) for name, them in found.items()}

    def computed(self, schema: str, path: Sequence[str]) -> dict[tuple[str, str], Function]:
        """Return the functions that serve as columns of a relation; a column of the same name hides one."""
        found: dict[tuple[str, str], Function] = {}
        # Backwards, so that what stands first on the search path is what remains.
        for raw, function in sorted(self._functions, key=lambda pair: _place(path, pair[0].schema), reverse=True):
            relation = self._relations.get(raw.argument)
            if relation is None or relation.schema != schema or raw.schema not in path:
                continue
            if raw.required == 1 and not raw.returns_set and not raw.void and raw.name not in relation.by_name:
                found[relation.name, raw.name] = function
        return found

    def related(
        self, schema: str, path: Sequence[str], detected: Mapping[str, Sequence[Relationship]]
    ) -> dict[str, tuple[Relationship, ...]]:
        """Return the relationships of a schema's relations by name, computed ones included."""
        computed: dict[str, list[Relationship]] = {}
        for raw, function in self._functions:
            source, target = self._relations.get(raw.argument), self._relations.get(raw.result_relation)
            if source is None or target is None or raw.schema not in path or len(raw.parameters) != 1:
                continue
            if source.schema == schema and target.schema == schema:
                single = not raw.returns_set or raw.rows == 1
                one = Relationship(
                    raw.name,
                    "many-to-one" if single else "one-to-many",
                    source.name,
                    target.name,
                    function=function.sql,
                )
                computed.setdefault(source.name, []).append(one)
        found: dict[str, tuple[Relationship, ...]] = {}
        for relation in self._relations.values():
            if relation.schema == schema:
                merged = merge_computed(detected.get(relation.sql, ()), computed.get(relation.name, ()))
                if merged:
                    found[relation.name] = merged
        return found

    def _function(self, raw: _Function, representations: _Representations, media: Mapping[int, str]) -> Function:
        target = self._relations.get(raw.result_relation)
        returned = target is not None and target.schema == raw.schema
        return Function(
            oid=raw.oid,
            schema=raw.schema,
            name=raw.name,
            parameters=raw.parameters,
            returns="void" if raw.void else "composite" if raw.composite else "scalar",
            result=raw.result,
            returns_set=raw.returns_set,
            volatility=raw.volatility,
            base=representations.base(raw.result_oid, raw.result),
            relation=target.name if returned and target is not None else None,
            columns=representations.columns(raw.columns),
            rows=raw.rows,
            security_definer=raw.security_definer,
            settings=raw.settings,
            comment=raw.comment,
            media=media.get(raw.result_oid),
        )


def _place(path: Sequence[str], schema: str) -> int:
    return path.index(schema) if schema in path else len(path)


def _castable(types: Sequence[_Type], path: Sequence[str]) -> dict[str, str]:
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
