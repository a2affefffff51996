"""Hooks about tables."""

from __future__ import annotations

from collections.abc import Iterable

from reactor_kernel.contributions import MigrationStep, SchemaBranch
from reactor_kernel.hookspecs.marker import HookKind, hookspec
from reactor_kernel.plugins.context import PluginContext


class DatabaseSpecs:
    """Schema branches and migration steps."""

    @hookspec(HookKind.COLLECT)
    def reactor_schema(self, ctx: PluginContext) -> Iterable[SchemaBranch]:
        """Yield the plugin's Alembic branch; at most one, and none where its section says that the tables are elsewhere.

        Its revisions run at boot and by `reactor migrate`, in dependency order, under one advisory lock. Alembic is not
        imported when nothing is pending.

        Example:
            ```python
            @hookimpl
            def reactor_schema(self):
                yield SchemaBranch("hello", "reactor_hello.migrations")
            ```
        """
        raise AssertionError("a spec is not called")

    @hookspec(HookKind.COLLECT)
    def reactor_migrations(self, ctx: PluginContext) -> Iterable[MigrationStep]:
        """Yield further idempotent work that belongs to migrating, run right after the plugin's branch.

        Example:
            ```python
            @hookimpl
            def reactor_migrations(self, ctx):
                yield MigrationStep("user migrations", UserMigrations(ctx.db, ctx.config).apply)
            ```
        """
        raise AssertionError("a spec is not called")
