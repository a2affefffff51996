"""Migration files as they lie in the project."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from reactor_data.errors import migration_failed
from reactor_data.sql.source import SqlSource


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """One `*.sql` file. `version` is its stem; `sha256` is of its bytes."""

    version: str
    sha256: bytes
    source: SqlSource


def read_migrations(directory: Path, root: Path) -> list[MigrationFile]:
    """Read every `*.sql` directly in `directory`, sorted by file name bytewise; none when there is no directory.

    Raises:
        MigrationFailed: a file is not UTF-8.
    """
    if not directory.is_dir():
        return []
    paths = sorted(
        (path for path in directory.iterdir() if path.suffix == ".sql" and path.is_file()),
        key=lambda path: path.name.encode(errors="surrogateescape"),
    )
    return [_read(path, root) for path in paths]


def _read(path: Path, root: Path) -> MigrationFile:
    raw = path.read_bytes()
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise migration_failed(
            f"{name}: not UTF-8 at byte {error.start}",
            revision=path.stem,
            sql_error=str(error),
            hint="save the file as UTF-8",
        ) from error
    return MigrationFile(path.stem, hashlib.sha256(raw).digest(), SqlSource(name, text))
