"""Puts the capability's parts together for one kernel."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from reactor_data.catalog.cache import SchemaCache
from reactor_data.config import DataConfig
from reactor_data.probes import DataProbes
from reactor_data.usermigrations.apply import UserMigrations
from reactor_kernel.api import MetricCollector, PluginContext

if TYPE_CHECKING:
    from reactor_data.admin import Administration
    from reactor_data.http.access import ExplainAccessResource
    from reactor_data.http.admin import MigrateResource, QueryResource, TablesResource
    from reactor_data.http.health import HealthResource
    from reactor_data.http.lint import LintResource
    from reactor_data.http.relations import RelationResource
    from reactor_data.http.rpc import FunctionResource
    from reactor_data.lint.linter import PolicyLinter

_LOADS = "reactor_data_schema_loads"
_RELATIONS = "reactor_data_relations"
_OPEN_TABLES = "reactor_data_tables_without_row_security"


class Assembly:
    """The capability's parts, each made at its first use."""

    def __init__(self, ctx: PluginContext) -> None:
        config: DataConfig = ctx.config
        self._ctx = ctx
        self._config = config
        self.schema = SchemaCache(
            ctx.db,
            schema=config.user_schema,
            extra_search_path=config.extra_search_path,
            clock=ctx.clock,
            log=ctx.log,
        )
        ctx.db.on_notify(config.schema_channel, self.schema.heard)
        self.migrations = UserMigrations(
            ctx.db,
            directory=ctx.project.root / config.migrations_dir,
            root=ctx.project.root,
            user_schema=config.user_schema,
            extra_search_path=config.extra_search_path,
            anon_role=config.anon_role,
            channel=config.schema_channel,
            dialect=config.dialect,
            findings=lambda: self.linter.findings(),
            log=ctx.log,
        )
        self.probes = DataProbes(ctx.db, self.schema)

    @cached_property
    def administration(self) -> Administration:
        """What an administrator sees and runs."""
        from reactor_data.admin import Administration

        return Administration(self._ctx.db, self.schema)

    def relations(self) -> RelationResource:
        """Return the resource of rows."""
        from reactor_data.http.relations import RelationResource
        from reactor_data.http.requests import CallerReader
        from reactor_data.service import DataService

        service = DataService(self._ctx.db, self.schema, self._config, self._ctx.log)
        return RelationResource(service, CallerReader(self._config, self.schema), self._config)

    def functions(self) -> FunctionResource:
        """Return the resource of functions."""
        from reactor_data.http.rpc import FunctionResource

        return FunctionResource()

    def health(self) -> HealthResource:
        """Return the health resource."""
        from reactor_data.http.health import HealthResource

        return HealthResource(self.probes.unready)

    def tables(self) -> TablesResource:
        """Return the resource of table descriptions."""
        from reactor_data.http.admin import TablesResource

        return TablesResource(self.administration)

    def query(self) -> QueryResource:
        """Return the resource that runs SQL."""
        from reactor_data.http.admin import QueryResource

        return QueryResource(self.administration)

    def migrate(self) -> MigrateResource:
        """Return the resource that applies migrations."""
        from reactor_data.http.admin import MigrateResource

        return MigrateResource(self.migrations.apply, self.schema.reload)

    def explain_access(self) -> ExplainAccessResource:
        """Return the resource that explains decisions."""
        from reactor_data.access.callers import CallerFinder
        from reactor_data.access.explain import AccessExplainer
        from reactor_data.http.access import ExplainAccessResource
        from reactor_data.usermigrations.roles import role_names, service_role
        from reactor_kernel.api import AuthClient

        db, config, services = self._ctx.db, self._config, self._ctx.services
        explainer = AccessExplainer(
            db,
            search_path=self.schema.search_path,
            statement_timeout_ms=config.statement_timeout_ms,
            service_role=partial(service_role, db),
        )
        callers = CallerFinder(
            lambda: services.find(AuthClient),  # type: ignore[type-abstract]
            self._ctx.clock,
            partial(role_names, db),
            anonymous_enabled=config.anon_role is not None,
        )
        return ExplainAccessResource(explainer, callers)

    @cached_property
    def linter(self) -> PolicyLinter:
        """What looks for policies that rarely mean what they say."""
        from reactor_data.lint.linter import PolicyLinter

        return PolicyLinter(self._ctx.db, self._config.schemas)

    def lint(self) -> LintResource:
        """Return the resource of its findings."""
        from reactor_data.http.lint import LintResource

        return LintResource(self.linter.findings)

    def metrics(self) -> MetricCollector:
        """Register the gauges of the schema snapshot; setting them asks no database."""
        metrics = self._ctx.metrics
        loads = metrics.gauge(_LOADS, "Schema snapshots loaded since the process began")
        relations = metrics.gauge(_RELATIONS, "Relations exposed")
        open_tables = metrics.gauge(_OPEN_TABLES, "Exposed tables without row security")

        def collect() -> None:
            loads.set(self.schema.loads)
            snapshot = self.schema.loaded()
            if snapshot is not None:
                found = snapshot.relations.values()
                relations.set(len(found))
                open_tables.set(sum(1 for item in found if item.kind in ("r", "p") and not item.row_security))

        return MetricCollector((_LOADS, _RELATIONS, _OPEN_TABLES), collect)
