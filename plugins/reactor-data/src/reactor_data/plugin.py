"""The manifest of the capability `data`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reactor_data import __version__
from reactor_data.config import DataConfig
from reactor_kernel.api import (
    KERNEL_API,
    Access,
    BackgroundService,
    ChangeFeed,
    CommandGroup,
    ConfigSection,
    HealthCheck,
    Identity,
    MethodRule,
    MetricCollector,
    MigrationStep,
    Mount,
    OpenApiFragment,
    PluginContext,
    PluginInfo,
    Probe,
    SchemaBranch,
    ServiceProvider,
    hookimpl,
)

if TYPE_CHECKING:
    import falcon
    from sqlalchemy import MetaData

    from reactor_data.assembly import Assembly


def _metadata() -> MetaData:
    from reactor_data.tables import metadata

    return metadata


class DataPlugin:
    """Rows over HTTP under native row-level security, and the migrations that define them."""

    info = PluginInfo(
        name="data",
        version=__version__,
        api=KERNEL_API,
        summary="rows over HTTP under native row-level security",
        prefix="/data/v1",
        requires=("auth",),
        # The project's migrations may write policies on its tables.
        after=("storage",),
    )

    def __init__(self) -> None:
        self._assembly: Assembly | None = None

    def _assembled(self, ctx: PluginContext) -> Assembly:
        if self._assembly is None:
            from reactor_data.assembly import Assembly

            self._assembly = Assembly(ctx)
        return self._assembly

    @hookimpl
    def reactor_config_section(self) -> Iterable[ConfigSection]:
        """Declare `[data]`."""
        yield ConfigSection(DataConfig, initial=('migrations_dir = "migrations"',))

    @hookimpl
    def reactor_schema(self) -> Iterable[SchemaBranch]:
        """Bring the schema `_reactor_data`."""
        yield SchemaBranch("data", "reactor_data.migrations", _metadata)

    @hookimpl
    def reactor_migrations(self, ctx: PluginContext) -> Iterable[MigrationStep]:
        """Apply the project's own migrations after it."""
        if ctx.config.run_migrations:
            yield MigrationStep("user migrations", self._assembled(ctx).migrations.apply)
        yield MigrationStep("recorded changes", self._assembled(ctx).realtime.keep_recording)

    @hookimpl
    def reactor_services(self, ctx: PluginContext) -> Iterable[ServiceProvider]:
        """Offer the changes of rows."""
        yield ServiceProvider(ChangeFeed, lambda: self._assembled(ctx).realtime.feed)

    @hookimpl
    def reactor_identify(self, ctx: PluginContext, request: falcon.Request) -> Identity | None:
        """Recognise the token of a subscription that stands in its query string."""
        return self._assembled(ctx).realtime.identify(request)

    @hookimpl
    def reactor_background(self, ctx: PluginContext) -> Iterable[BackgroundService]:
        """Keep the outbox of changes short."""
        yield BackgroundService(
            "changes", lambda stop: self._assembled(ctx).realtime.keeper().run(stop), leader_only=True
        )

    @hookimpl
    def reactor_resources(self, ctx: PluginContext) -> Iterable[Mount]:
        """Mount the routes."""
        from reactor_data.http.dialect import speak, speak_of_calls

        parts = self._assembled(ctx)
        caller = Access.USER if ctx.config.anon_role is None else Access.PUBLIC
        anyone = {"OPTIONS": MethodRule(access=Access.PUBLIC)}
        health, tables = parts.health(), parts.tables()
        yield Mount("/data/v1/health", health, access=Access.PUBLIC)
        yield Mount("/data/v1/health/ready", health, access=Access.PUBLIC, suffix="ready")
        yield Mount("/data/v1/", parts.root(), access=caller, methods=anyone, dialect=speak)
        yield Mount("/data/v1/_admin/tables", tables, access=Access.ADMIN)
        yield Mount("/data/v1/_admin/tables/{table}", tables, access=Access.ADMIN, suffix="table")
        yield Mount("/data/v1/_admin/query", parts.query(), access=Access.ADMIN)
        yield Mount("/data/v1/_admin/migrate", parts.migrate(), access=Access.ADMIN, timeout=0)
        yield Mount("/data/v1/_admin/explain-access", parts.explain_access(), access=Access.ADMIN)
        yield Mount("/data/v1/_admin/types/{language}", parts.types(), access=Access.ADMIN_OR_SERVICE)
        yield Mount("/data/v1/_admin/lint", parts.lint(), access=Access.ADMIN)
        yield Mount("/data/v1/metrics", parts.metrics_route(), access=Access.PUBLIC)
        yield Mount(
            "/data/v1/orgs/{org}/datasets/{dataset}/records",
            parts.records(),
            access=Access.USER,
            body_limit=ctx.config.max_body_bytes,
            dialect=speak,
        )
        yield Mount(
            "/data/v1/_batch",
            parts.batch(),
            access=caller,
            body_limit=ctx.config.max_body_bytes,
            dialect=speak,
        )
        yield Mount(
            "/data/v1/rpc/{function}",
            parts.functions(),
            access=caller,
            methods=anyone,
            body_limit=ctx.config.max_body_bytes,
            dialect=speak_of_calls,
        )
        yield Mount(
            "/data/v1/{relation}",
            parts.relations(),
            access=caller,
            methods=anyone,
            body_limit=ctx.config.max_body_bytes,
            dialect=speak,
        )

    @hookimpl
    def reactor_openapi(self, ctx: PluginContext) -> Iterable[OpenApiFragment]:
        """Describe them."""
        from reactor_data.http.openapi import document

        yield OpenApiFragment(document())

    @hookimpl
    def reactor_commands(self) -> Iterable[CommandGroup]:
        """Bring `reactor data` and `reactor types`."""
        yield CommandGroup("data", "reactor_data.cli.group:data", help="Tables, policies and migrations", anywhere=True)
        yield CommandGroup("types", "reactor_data.cli.types:types", help="Types for clients", anywhere=True)

    @hookimpl
    def reactor_probes(self, ctx: PluginContext) -> Iterable[Probe]:
        """Look at the database, the schema, policies and row security."""
        probes = self._assembled(ctx).probes
        yield Probe("data: database", probes.database)
        yield Probe("data: schema", probes.schema)
        yield Probe("data: policies", probes.policies)
        yield Probe("data: row security", probes.row_security)
        yield Probe("data: lint", self._assembled(ctx).linter.probe)

    @hookimpl
    def reactor_health(self, ctx: PluginContext) -> Iterable[HealthCheck]:
        """Say whether rows can be served."""
        yield HealthCheck(self._assembled(ctx).probes.unready)

    @hookimpl
    def reactor_metrics(self, ctx: PluginContext) -> Iterable[MetricCollector]:
        """Show the schema snapshot in use."""
        yield self._assembled(ctx).metrics()

    @hookimpl
    def reactor_stopping(self, ctx: PluginContext, deadline: float) -> None:
        """Drop a reload of the schema that still waits, and end the reader of changes."""
        self._assembled(ctx).schema.close()
        self._assembled(ctx).realtime.close()
