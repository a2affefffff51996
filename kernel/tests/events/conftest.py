"""A migrated database for the outbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reactor_kernel.db.database import PostgresDatabase
from reactor_kernel.db.migrate import Migrator


@pytest.fixture
def database(dsn: str) -> Iterator[PostgresDatabase]:
    """A database with the kernel's own tables and roles, and a running listener after `start_listener`."""
    made = PostgresDatabase(dsn, pool_max=6, acquire_timeout_secs=5)
    Migrator(made, []).run()
    yield made
    made.dispose()
