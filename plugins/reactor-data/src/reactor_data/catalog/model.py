"""The snapshot's values. Relations and functions are decoded straight from the JSON that the catalogue queries make."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Literal

import msgspec

from reactor_data.sql.native import qualified, quote

_UPDATABLE, _INSERTABLE, _DELETABLE = 4, 8, 16

Cardinality = Literal["one-to-many", "many-to-one", "one-to-one", "many-to-many"]


class Column(msgspec.Struct, frozen=True):
    """A column. `type` is as SQL may write it whatever the search path is; `base` is the type below any domain.

    `number` and `type_oid` are the catalogue's. `to_json`, `from_json` and `from_text` are the functions, quoted and
    qualified, of the implicit casts that a domain brings for its representation (contract data.md §4.11).
    """

    name: str
    type: str
    base: str
    nullable: bool
    default: str | None = None
    generated: bool = False
    identity_always: bool = False
    comment: str | None = None
    number: int = 0
    type_oid: int = 0
    to_json: str | None = None
    from_json: str | None = None
    from_text: str | None = None


class ForeignKey(msgspec.Struct, frozen=True):
    """A foreign key to another relation, given by its oid; that relation need not be exposed."""

    name: str
    columns: tuple[str, ...]
    target: int
    target_columns: tuple[str, ...]


class Relation(msgspec.Struct, frozen=True, dict=True):
    """A table, view, materialised view, foreign table or partitioned table that is exposed.

    The keys of a view are those of the base columns it shows.
    """

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
    def view(self) -> bool:
        """Tell whether it is a view, materialised or not."""
        return self.kind in ("v", "m")

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

    `name` is the constraint's, the junction's or, of a computed one, the function's. `columns` pairs (column of the source,
    of the target); it is empty where a junction or a function leads from one to the other. `function` is quoted and
    qualified; it takes a row of the source.
    """

    name: str
    cardinality: Cardinality
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
    """A parameter that a caller fills. `type` is as SQL may write it; the name is empty where it has none."""

    name: str
    type: str
    required: bool
    variadic: bool = False


class Function(msgspec.Struct, frozen=True):
    """A function that a caller may name: of an exposed schema, or a computed field.

    `returns` is "void", "scalar" or "composite"; `result` the type and `base` that below any domain; `relation` the name of
    the relation whose row it returns, if it is one of the same schema; `columns` those of a composite result; `rows` the
    planner's estimate; `settings` its own `SET` clauses; `media` the media type it makes (`*/*` = any), where a domain of
    that name is its result.
    """

    oid: int
    schema: str
    name: str
    parameters: tuple[Parameter, ...]
    returns: Literal["void", "scalar", "composite"]
    result: str
    returns_set: bool
    volatility: Literal["immutable", "stable", "volatile"]
    base: str = ""
    relation: str | None = None
    columns: tuple[Column, ...] = ()
    rows: float = 0
    security_definer: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    comment: str | None = None
    media: str | None = None

    @property
    def sql(self) -> str:
        """The quoted, qualified name."""
        return qualified(self.schema, self.name)

    @property
    def column(self) -> Column:
        """The result as a column: how a computed field is used."""
        return Column(self.name, self.result, self.base, nullable=True, comment=self.comment)


class MediaHandler(msgspec.Struct, frozen=True):
    """An aggregate that makes a media type of rows.

    `sql` is quoted and qualified; `relation` None = of any relation; `binary` that it makes bytea.
    """

    media: str
    sql: str
    relation: str | None = None
    binary: bool = False


class Schema(msgspec.Struct, frozen=True):
    """One snapshot of one exposed schema.

    `types` maps what a client may cast to, by the name it writes, to the name that is sent; `enums` an enumeration's type
    to its labels; `domains` a domain to the type below it. `policies` maps a derived policy's native name on a table to the
    declared one; `relationships` a relation's name to those that lead away from it; `functions` a name to its overloads;
    `computed` (relation, name) to the function that is used as a column of it; `handlers` (relation or None, media type) to
    the aggregate that makes it. `search_path` is what statements on it run with.
    """

    name: str
    version: int
    relations: Mapping[str, Relation]
    types: Mapping[str, str]
    policies: Mapping[tuple[str, str], str]
    relationships: Mapping[str, tuple[Relationship, ...]] = {}
    functions: Mapping[str, tuple[Function, ...]] = {}
    computed: Mapping[tuple[str, str], Function] = {}
    enums: Mapping[str, tuple[str, ...]] = {}
    domains: Mapping[str, str] = {}
    handlers: Mapping[tuple[str | None, str], MediaHandler] = {}
    search_path: tuple[str, ...] = ()
    comment: str | None = None

    def near(self, name: str) -> list[str]:
        """Return the relation most like `name`, if one is."""
        return get_close_matches(name, self.relations, n=1, cutoff=0.6)

    def shown(self, type_name: str) -> str:
        """Return a type's name as people write it: without this schema's name."""
        for prefix in (f"{self.name}.", f"{quote(self.name)}."):
            if type_name.startswith(prefix):
                return type_name[len(prefix) :]
        return type_name


class Snapshot(msgspec.Struct, frozen=True):
    """All exposed schemas at one moment, the default one first.

    `role_settings` is what `ALTER ROLE … SET` gives a role, as far as the login role may set it; `fingerprint` tells how far
    the catalogue was.
    """

    version: int
    schemas: Mapping[str, Schema]
    role_settings: Mapping[str, Mapping[str, str]]
    fingerprint: bytes = b""
