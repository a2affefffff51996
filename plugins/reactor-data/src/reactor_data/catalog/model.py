"""The snapshot's values. Decoded straight from the JSON that the catalogue query makes."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Literal

import msgspec

from reactor_data.sql.native import qualified

_UPDATABLE, _INSERTABLE, _DELETABLE = 4, 8, 16


class Column(msgspec.Struct, frozen=True):
    """A column. `type` is as `format_type` writes it; `base` is the type below any domain, `array` of its elements."""

    name: str
    type: str
    base: str
    nullable: bool
    default: str | None = None
    generated: bool = False
    identity_always: bool = False
    comment: str | None = None


class ForeignKey(msgspec.Struct, frozen=True):
    """A foreign key to another relation, given by its oid."""

    name: str
    columns: tuple[str, ...]
    target: int
    target_columns: tuple[str, ...]


class Relation(msgspec.Struct, frozen=True, dict=True):
    """A table, view, materialised view, foreign table or partitioned table that is exposed."""

    oid: int
    schema: str
    name: str
    kind: str
    partition: bool
    row_security: bool
    policies: int
    updatable: int
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    comment: str | None = None

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def sql(self) -> str:
        """The quoted, qualified name."""
        return qualified(self.schema, self.name)

    @property
    def insertable(self) -> bool:
        """Tell whether rows can be inserted."""
        return bool(self.updatable & _INSERTABLE)

    @property
    def updatable_rows(self) -> bool:
        """Tell whether rows can be updated."""
        return bool(self.updatable & _UPDATABLE)

    @property
    def deletable(self) -> bool:
        """Tell whether rows can be deleted."""
        return bool(self.updatable & _DELETABLE)

    def near(self, name: str) -> list[str]:
        """Return the column most like `name`, if one is."""
        return get_close_matches(name, self.by_name, n=1, cutoff=0.6)


class Junction(msgspec.Struct, frozen=True):
    """The relation between two others. Pairs are (column of the source, of the junction), (of the junction, of the target)."""

    schema: str
    name: str
    source_constraint: str
    target_constraint: str
    source_columns: tuple[tuple[str, str], ...]
    target_columns: tuple[tuple[str, str], ...]

    @property
    def sql(self) -> str:
        """The quoted, qualified name."""
        return qualified(self.schema, self.name)


class Relationship(msgspec.Struct, frozen=True):
    """How rows of `source` find rows of `target`, both relations of one exposed schema.

    `name` is the constraint's, or the function's of a computed one. `columns` pairs (column of the source, of the target); it
    is empty where a junction or a function leads from one to the other. `function` is quoted and qualified; it takes a row
    of the source.
    """

    name: str
    cardinality: Literal["many-to-one", "one-to-many", "one-to-one", "many-to-many"]
    source: str
    target: str
    columns: tuple[tuple[str, str], ...] = ()
    junction: Junction | None = None
    function: str | None = None

    @property
    def to_one(self) -> bool:
        """Tell whether a row of the source has at most one row of the target."""
        return self.cardinality in ("many-to-one", "one-to-one")


class Parameter(msgspec.Struct, frozen=True):
    """A parameter that a caller fills. `type` is as `format_type` writes it; the name is empty where it has none."""

    name: str
    type: str
    required: bool
    variadic: bool = False


class Function(msgspec.Struct, frozen=True):
    """A function of an exposed schema.

    `returns` is "void", "scalar" or "composite"; `relation` the exposed relation whose row it returns, by name, if one;
    `columns` those of a composite result; `rows` the planner's estimate (`ROWS 1` marks a to-one relationship); `settings` its
    own `SET` clauses.
    """

    oid: int
    schema: str
    name: str
    parameters: tuple[Parameter, ...]
    returns: Literal["void", "scalar", "composite"]
    result: str
    returns_set: bool
    volatility: Literal["immutable", "stable", "volatile"]
    relation: str | None = None
    columns: tuple[Column, ...] = ()
    rows: float = 0
    security_definer: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    comment: str | None = None

    @property
    def sql(self) -> str:
        """The quoted, qualified name."""
        return qualified(self.schema, self.name)


class Schema(msgspec.Struct, frozen=True):
    """One snapshot of one exposed schema.

    `policies` maps a derived policy's native name on a table to the declared one; `relationships` a relation's name to
    those that lead away from it; `functions` a name to its overloads; `computed` (relation, name) to the function that is used
    as a column of it.
    """

    name: str
    version: int
    relations: Mapping[str, Relation]
    types: Mapping[str, str]
    policies: Mapping[tuple[str, str], str]
    relationships: Mapping[str, tuple[Relationship, ...]] = {}
    functions: Mapping[str, tuple[Function, ...]] = {}
    computed: Mapping[tuple[str, str], Function] = {}

    def near(self, name: str) -> list[str]:
        """Return the relation most like `name`, if one is."""
        return get_close_matches(name, self.relations, n=1, cutoff=0.6)
