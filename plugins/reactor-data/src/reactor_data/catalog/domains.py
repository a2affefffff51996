"""Types and casts, and what domains change about the columns that have them (contract data.md §4.11)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reactor_data.catalog.model import Column, Relation

_JSON, _TEXT = 114, 25


class TypeEntry(msgspec.Struct, frozen=True):
    """A type: `kind` as in `pg_type.typtype`, `sql` quoted and qualified, `shown` as `format_type` writes it.

    `base` is the type below a domain, `default` the domain's; `labels` those of an enumeration.
    """

    oid: int
    schema: str
    name: str
    kind: str
    sql: str
    shown: str
    base: str | None = None
    default: str | None = None
    labels: tuple[str, ...] | None = None


class CastEntry(msgspec.Struct, frozen=True):
    """An implicit cast by its function, between types given by their oids."""

    source: int
    target: int
    function: str


class Representations:
    """What domains change about a column: its base type, its default and the functions that write and read it."""

    def __init__(self, types: Sequence[TypeEntry], casts: Sequence[CastEntry]) -> None:
        self._domains = {one.oid: one for one in types if one.kind == "d"}
        self._casts = {(cast.source, cast.target): cast.function for cast in casts}

    def applied(self, relation: Relation) -> Relation:
        """Return the relation with its columns completed."""
        columns = self.columns(relation.columns)
        return relation if columns is relation.columns else msgspec.structs.replace(relation, columns=columns)

    def columns(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """Return the columns, those of domains completed."""
        if not any(column.type_oid in self._domains for column in columns):
            return columns
        return tuple(self._column(column) for column in columns)

    def base(self, type_oid: int, shown: str) -> str:
        """Return the type below a type that may be a domain; `shown` is its own name."""
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
