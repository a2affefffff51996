"""Findings, and what the rules look at."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["error", "warning", "info"]
ORDER = ("error", "warning", "info")


class Finding(msgspec.Struct, frozen=True, order=True):
    """One thing that is rarely meant. `object` is a policy, table, view or function, or `file:line:column`."""

    level: Level
    code: str
    object: str
    what: str
    why: str
    fix: str

    def __str__(self) -> str:
        return f"{self.object}: {self.what}; {self.why} [{self.code}]\n  fix: {self.fix}"


class PolicySeen(msgspec.Struct, frozen=True):
    """A native policy. `command` is select, insert, update, delete or all; `declared` its name in Reactor's form."""

    name: str
    declared: str | None
    command: str
    permissive: bool
    using: str | None
    check: str | None

    def covers(self, command: str) -> bool:
        """Tell whether it speaks of a command."""
        return self.command in (command, "all")


class TableSeen(msgspec.Struct, frozen=True):
    """A table of the project. `indexed` are the columns some index begins with; `open_to` maps a caller's role to its rights."""

    schema: str
    name: str
    row_security: bool
    columns: tuple[str, ...]
    indexed: tuple[str, ...]
    policies: tuple[PolicySeen, ...]
    open_to: dict[str, tuple[str, ...]]

    @property
    def label(self) -> str:
        """How it is named in findings."""
        return f"{self.schema}.{self.name}"


class ViewSeen(msgspec.Struct, frozen=True):
    """A view that callers may read and that reads as its owner; `tables` with row security that it reads."""

    schema: str
    name: str
    open_to: tuple[str, ...]
    tables: tuple[str, ...]


class FunctionSeen(msgspec.Struct, frozen=True):
    """A function of the project, by its signature."""

    signature: str
    definer: bool
    fixed_path: bool
    public: bool
    open_to: tuple[str, ...]
