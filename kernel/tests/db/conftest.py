"""A migrated database with the three roles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reactor_kernel.db.database import PostgresDatabase
from reactor_kernel.db.migrate import Migrator


@pytest.fixture
def database(dsn: str) -> Iterator[PostgresDatabase]:
    """A database with the kernel's own tables, helpers and roles."""
    made = PostgresDatabase(dsn, pool_max=4, acquire_timeout_secs=2)
    Migrator(made, []).run()
    yield made
    made.dispose()
