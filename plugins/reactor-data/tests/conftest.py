"""A database with the plugin's branch migrated, and a project directory for migration files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does; speed is measured in bench/.
settings.register_profile("reactor", settings(), deadline=None)
settings.load_profile("reactor")


class Lab:
    """One database and one project, without a kernel around them."""

    def __init__(self, database: Any, root: Path) -> None:
        self.db = database
        self.root = root
        (root / "migrations").mkdir()

    def write(self, name: str, sql: str) -> None:
        (self.root / "migrations" / name).write_text(sql, encoding="utf-8")

    def migrations(self, **options: Any) -> Any:
        from reactor_data.usermigrations.apply import UserMigrations

        return UserMigrations(
            self.db,
            directory=self.root / "migrations",
            root=self.root,
            user_schema="public",
            channel="reactor_data",
            **options,
        )

    def apply(self, **options: Any) -> Any:
        return self.migrations(**options).apply()

    def apply_dry(self, **options: Any) -> Any:
        return self.migrations(**options).apply(True)

    @property
    def service_roles(self) -> set[str]:
        """The service role, unless service access runs as the tables' owner (decision 50)."""
        return {"reactor_service"} if self.db.service_role_bypasses_rls() else set()

    def rows(self, sql: str, *params: str) -> list[tuple[str | None, ...]]:
        from reactor_kernel.api import Statement

        (result,) = self.db.run(None, [Statement(sql, params)])
        return [tuple(None if value is None else value.decode() for value in row) for row in result.rows]


@pytest.fixture
def lab(reactor_postgres: Any, tmp_path: Path) -> Iterator[Lab]:
    from reactor_kernel.api import SchemaBranch
    from reactor_kernel.db.database import PostgresDatabase
    from reactor_kernel.db.migrate import Migrator, PluginBranch

    def migrate(url: str) -> None:
        database = PostgresDatabase(url)
        branch = PluginBranch("data", "0", SchemaBranch("data", "reactor_data.migrations"))
        Migrator(database, [branch]).run()
        database.dispose()

    url = reactor_postgres.clone("reactor_data", migrate)
    database = PostgresDatabase(url, pool_max=3)
    try:
        yield Lab(database, tmp_path)
    finally:
        database.dispose()
        reactor_postgres.drop(url)
