"""The snapshot's values. Decoded straight from the JSON that the catalogue query makes."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property

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


class Schema(msgspec.Struct, frozen=True):
    """One snapshot. `policies` maps a derived policy's native name on a table to the declared one."""

    name: str
    version: int
    relations: Mapping[str, Relation]
    types: Mapping[str, str]
    policies: Mapping[tuple[str, str], str]

    def near(self, name: str) -> list[str]:
        """Return the relation most like `name`, if one is."""
        return get_close_matches(name, self.relations, n=1, cutoff=0.6)
