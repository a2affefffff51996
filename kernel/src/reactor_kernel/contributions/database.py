"""A plugin's own tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import MetaData


@dataclass(frozen=True, slots=True)
class SchemaBranch:
    """The Alembic branch of one plugin.

    Attributes:
        label: the plugin's name; also the branch label of its first revision. Its schema is `_reactor_<label>`, made by
            the kernel together with the version table inside it.
        package: the import path of the package that holds the revision files, e.g. "reactor_data.migrations".
        metadata: returns the tables as SQLAlchemy metadata for the "no difference" test; called by tests only.
    """

    label: str
    package: str
    metadata: Callable[[], MetaData] | None = None


@dataclass(frozen=True, slots=True)
class MigrationOutcome:
    """What a migration step did, or would do in a dry run: names in order."""

    applied: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """Work of a plugin's own that belongs to migrating, run right after its branch under the same lock.

    `apply(dry_run)` must be idempotent; in a dry run it changes nothing and reports what is pending. It raises
    `MigrationFailed` with `details={"revision": …, "sql_error": …}`.
    """

    name: str
    apply: Callable[[bool], MigrationOutcome]
