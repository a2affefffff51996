"""What is asked, what the catalogue says of a table, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from reactor_data.access.clauses import Clause
from reactor_data.sql.native import qualified

Action = Literal["select", "insert", "update", "delete"]
Side = Literal["old", "new"]


@dataclass(frozen=True, slots=True)
class Question:
    """May this identity do this with this row?

    `key` names the row by columns and values as JSON has them; `values` are those of an insert or update. `columns` are
    what a select reads, None = all. `returning`: the written row is to be answered, as with `Prefer: return=representation`.
    """

    schema: str
    table: str
    action: Action
    key: Mapping[str, Any] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    returning: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Requests of this caller are refused before they get to the row; `reason` says why."""

    reason: str


class Column(msgspec.Struct, frozen=True):
    """A column, and what the role may do with it. `type` and `default` are qualified SQL."""

    name: str
    type: str
    generated: bool
    identity: str
    default: str | None
    may_select: bool
    may_insert: bool
    may_update: bool

    @property
    def writable(self) -> bool:
        """Tell whether an UPDATE may set it at all."""
        return not self.generated and self.identity != "a"


class Table(msgspec.Struct, frozen=True):
    """A relation, and how the role stands to it. `bypass` says why row security does not concern the role."""

    oid: int
    schema: str
    name: str
    kind: str
    row_security: bool
    forced: bool
    schema_usage: bool
    may_delete: bool
    may_insert: bool
    bypass: str | None
    has_triggers: bool
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    reads: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """The quoted, qualified name."""
        return qualified(self.schema, self.name)

    @property
    def by_name(self) -> dict[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}


class NeededRight(msgspec.Struct, frozen=True):
    """Something besides the table that a statement uses: a function, sequence or table, and for what."""

    kind: Literal["function", "sequence", "table"]
    name: str
    granted: bool
    by: Literal["policy", "default", "constraint"]
    user: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A native policy. `command` is select, insert, update, delete or all; `declared` its name in Reactor's form."""

    name: str
    declared: str | None
    command: str
    permissive: bool
    roles: tuple[str, ...]
    applies: bool
    using: Clause | None
    check: Clause | None

    def covers(self, command: str) -> bool:
        """Tell whether it speaks of a command."""
        return self.command in (command, "all")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a condition came to: true, false or null; or the error it ended in."""

    value: bool | None
    error: str | None = None
    because: str | None = None

    @property
    def passes(self) -> bool:
        """Tell whether it is true; null is not."""
        return self.value is True and self.error is None


@dataclass(frozen=True, slots=True)
class Judged:
    """A condition with its outcome and those of its parts."""

    clause: Clause
    outcome: Outcome
    parts: tuple[Judged, ...] = ()

    def failing(self) -> Judged | None:
        """Return the part that keeps the condition from being true; None when it is true.

        Of conditions joined by AND that is the first one not true; one of OR fails as a whole.
        """
        if self.outcome.passes:
            return None
        if self.clause.joint == "and":
            for part in self.parts:
                found = part.failing()
                if found is not None:
                    return found
        return self

    def leaves(self) -> list[Judged]:
        """Return the parts that cannot be taken apart."""
        return [leaf for part in self.parts for leaf in part.leaves()] if self.parts else [self]


@dataclass(frozen=True, slots=True)
class Trial:
    """What happened when it was tried: rows touched, or Postgres' error. `skipped` says why it was not tried."""

    rows: int = 0
    sqlstate: str | None = None
    error: str | None = None
    skipped: str | None = None

    @property
    def succeeded(self) -> bool:
        """Tell whether the row was read or written."""
        return self.skipped is None and self.error is None and self.rows > 0
