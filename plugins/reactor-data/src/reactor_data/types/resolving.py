"""What a database type is to a client, whatever its language."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from reactor_data.catalog.model import Column, ForeignKey, Function, Relation, Relationship, Schema, Snapshot

Kind = Literal["string", "integer", "number", "coded", "boolean", "json", "labels", "enum", "row", "unknown"]

_NAME = re.compile(r'(?:("(?:[^"]|"")+"|[^."]+)\.)?("(?:[^"]|"")+"|[^."]+)\Z')
_STRINGS = (
    *("uuid", "text", "citext", "name", "character", "bpchar", '"char"', "character varying", "xml", "bytea"),
    *("date", "interval", "time with time zone", "time without time zone"),
    *("timestamp with time zone", "timestamp without time zone"),
    *("inet", "cidr", "macaddr", "macaddr8", "tsvector", "tsquery"),
)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(_STRINGS, "string"),
    **dict.fromkeys(("smallint", "integer", "bigint"), "integer"),
    **dict.fromkeys(("real", "double precision", "numeric"), "number"),
    **dict.fromkeys(("money", "oid"), "coded"),
    "boolean": "boolean",
    "json": "json",
    "jsonb": "json",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """A type that a client sees.

    `coded` are numbers that Postgres writes into JSON as text. An `enum` is one of an exposed schema, `labels` those of one
    that is not; a `row` is that of an exposed relation. `array` is one of any depth.
    """

    kind: Kind
    schema: str = ""
    name: str = ""
    labels: tuple[str, ...] = ()
    array: bool = False


class Meanings:
    """Looks types up in a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        some = next(iter(snapshot.schemas.values()))
        self._enums = {split(name): labels for name, labels in some.enums.items()}
        self._domains = some.domains

    def of(self, type_name: str) -> Meaning:
        """Return what a type is, by the name that the catalogue gives it."""
        array = type_name.endswith("[]")
        element = type_name[:-2] if array else type_name
        below = self._domains.get(element)
        if below is not None:
            found = self.of(below)
            return Meaning(found.kind, found.schema, found.name, found.labels, array or found.array)
        schema, name = split(element)
        kind = _KINDS.get(name if schema and name == "citext" else element)
        if kind is not None:
            return Meaning(kind, array=array)
        labels = self._enums.get((schema, name))
        if labels is not None:
            shown = schema in self._snapshot.schemas
            return Meaning("enum" if shown else "labels", schema, name, labels, array)
        exposed = self._snapshot.schemas.get(schema)
        if exposed is not None and name in exposed.relations:
            return Meaning("row", schema, name, array=array)
        return Meaning("unknown", array=array)

    def is_view(self, schema: str, relation: str) -> bool:
        """Tell whether an exposed relation is a view."""
        return self._snapshot.schemas[schema].relations[relation].view

    def enums(self, schema: str) -> dict[str, tuple[str, ...]]:
        """Return the enumerations of an exposed schema by their names, sorted."""
        return {name: labels for (place, name), labels in sorted(self._enums.items()) if place == schema}


def split(shown: str) -> tuple[str, str]:
    """Part a type's name as SQL writes it into its schema, empty where it has none, and its bare name."""
    found = _NAME.match(shown)
    if found is None:
        return "", shown
    schema, name = found.groups()
    return (_bare(schema), _bare(name)) if schema else ("", shown)


def tables(schema: Schema) -> list[Relation]:
    """Return what rows can be kept in, sorted by name."""
    return [relation for _, relation in sorted(schema.relations.items()) if not relation.view]


def views(schema: Schema) -> list[Relation]:
    """Return the views, materialised or not, sorted by name."""
    return [relation for _, relation in sorted(schema.relations.items()) if relation.view]


def overloads(schema: Schema) -> Iterable[tuple[str, list[Function]]]:
    """Return the functions sorted by name, the overloads of each in an order that does not depend on when they were made."""
    for name, found in sorted(schema.functions.items()):
        yield name, sorted(found, key=lambda one: [(p.name, p.type) for p in one.parameters])


def optional(column: Column, relation: Relation) -> bool:
    """Tell whether a row may be inserted without this column."""
    return column.nullable or column.default is not None or column.generated or column.name in relation.primary_key


def writable(column: Column) -> bool:
    """Tell whether a value of the caller's can stand in the column."""
    return not column.generated and not column.identity_always


def references(schema: Schema, relation: Relation) -> list[Relationship]:
    """Return the relationships that come from the relation's own foreign keys, sorted by name and target."""
    own = {_facts(key) for key in relation.foreign_keys}
    return sorted(
        (
            one
            for one in schema.relationships.get(relation.name, ())
            if one.to_one and one.columns and (one.name, tuple(mine for mine, _ in one.columns)) in own
        ),
        key=lambda one: (one.name, one.target, one.columns),
    )


def _facts(key: ForeignKey) -> tuple[str, tuple[str, ...]]:
    return key.name, key.columns


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
