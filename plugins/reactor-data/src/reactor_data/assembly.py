"""Puts the capability's parts together for one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from reactor_data.catalog.cache import SchemaCache
from reactor_data.config import DataConfig
from reactor_data.probes import DataProbes
from reactor_data.realtime.parts import RealtimeParts
from reactor_data.usermigrations.apply import UserMigrations
from reactor_kernel.api import MetricCollector, PluginContext

if TYPE_CHECKING:
    from reactor_data.admin import Administration
    from reactor_data.asking import Asker
    from reactor_data.http.access import ExplainAccessResource
    from reactor_data.http.admin import MigrateResource, QueryResource, TablesResource
    from reactor_data.http.batch import BatchResource
    from reactor_data.http.changes import Changes
    from reactor_data.http.health import HealthResource
    from reactor_data.http.lint import LintResource
    from reactor_data.http.metrics import MetricsResource
    from reactor_data.http.records import RecordsResource
    from reactor_data.http.relations import RelationResource
    from reactor_data.http.requests import CallerReader
    from reactor_data.http.root import RootResource
    from reactor_data.http.rpc import FunctionResource
    from reactor_data.http.types import TypesResource
    from reactor_data.lint.linter import PolicyLinter
    from reactor_data.planning import Plans
    from reactor_data.query.levels import Rules
    from reactor_data.reading import Reader
    from reactor_data.roles import CallerRoles
    from reactor_data.running import Runner
    from reactor_data.writing import Writer

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
            authenticated_role=config.authenticated_role,
            service_role=config.service_role,
            channel=config.schema_channel,
            realtime=config.realtime,
            dialect=config.dialect,
            findings=lambda: self.linter.findings(),
            log=ctx.log,
        )
        self.probes = DataProbes(ctx.db, self.schema)
        self.realtime = RealtimeParts(ctx, self.schema, lambda: self.runner, lambda: self.roles)

    @cached_property
    def administration(self) -> Administration:
        """What an administrator sees and runs."""
        from reactor_data.admin import Administration

        return Administration(self._ctx.db, self.schema)

    @cached_property
    def runner(self) -> Runner:
        """What runs statements for callers."""
        from reactor_data.running import Runner

        return Runner(self._ctx.db, self.schema, self._config, self._ctx.log)

    @cached_property
    def rules(self) -> Rules:
        """What the configuration allows a query to ask."""
        from reactor_data.query.levels import Rules

        return Rules(self._config.max_limit, self._config.aggregates_enabled)

    @cached_property
    def plans(self) -> Plans:
        """The compiled statements."""
        from reactor_data.planning import Plans

        return Plans(self.rules)

    @cached_property
    def reader(self) -> Reader:
        """What reads rows."""
        from reactor_data.reading import Reader

        return Reader(self.runner, self.schema, self.plans, self._config)

    @cached_property
    def writer(self) -> Writer:
        """What writes rows."""
        from reactor_data.writing import Writer

        return Writer(self.runner, self.schema, self.plans, self._config)

    @cached_property
    def asker(self) -> Asker:
        """What understands requests."""
        from reactor_data.asking import Asker

        return Asker(self._config)

    @cached_property
    def changes(self) -> Changes:
        """What answers writes."""
        from reactor_data.http.changes import Changes
        from reactor_data.perrow import RowByRow

        return Changes(self.writer, RowByRow(self.runner, self.writer), self.asker)

    @cached_property
    def callers(self) -> CallerReader:
        """What reads who calls."""
        from reactor_data.http.requests import CallerReader

        return CallerReader(self._config, self.schema, self.roles)

    @cached_property
    def roles(self) -> CallerRoles:
        """What knows the database roles of callers."""
        from reactor_data.roles import CallerRoles

        return CallerRoles(self._ctx.db, self.schema, self._config.role_claim)

    def relations(self) -> RelationResource:
        """Return the resource of rows."""
        from reactor_data.http.relations import RelationResource

        return RelationResource(self.reader, self.changes, self.callers, self.asker, self._config, self.realtime)

    def functions(self) -> FunctionResource:
        """Return the resource of functions."""
        from reactor_data.calling import Functions
        from reactor_data.http.rpc import FunctionResource

        functions = Functions(self._ctx.db, self.runner, self.schema, self._config, self.rules)
        return FunctionResource(functions, self.callers, self.asker, self._config)

    def batch(self) -> BatchResource:
        """Return the resource of batches."""
        from reactor_data.batch.resources import BatchResources
        from reactor_data.batch.running import Batches
        from reactor_data.http.batch import BatchResource

        batches = Batches(
            self._ctx.db, BatchResources(self, self._config, self._ctx.log), self.roles.placed, self._ctx.log
        )
        return BatchResource(batches, minimal=self._config.error_verbosity == "minimal")

    def records(self) -> RecordsResource:
        """Return the resource that services append records to."""
        from reactor_data.http.records import RecordsResource
        from reactor_kernel.api import AuthClient

        return RecordsResource(
            self.writer,
            self.callers,
            self.asker,
            lambda: self._ctx.services.require(AuthClient),  # type: ignore[type-abstract]
            minimal=self._config.error_verbosity == "minimal",
        )

    def metrics_route(self) -> MetricsResource:
        """Return the resource of this capability's metrics."""
        from reactor_data.http.metrics import MetricsResource

        return MetricsResource(self._ctx.metrics, enabled=self._config.metrics)

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

    def root(self) -> RootResource:
        """Return the resource that describes the schema to its caller."""
        from reactor_data.description.rights import RightsReader
        from reactor_data.http.root import RootResource

        return RootResource(RightsReader(self.runner), self.callers, self.asker, self._config)

    def types(self) -> TypesResource:
        """Return the resource that writes types for clients."""
        from reactor_data.http.types import TypesResource

        return TypesResource(self.schema)

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
            search_path=self._search_path,
            settings=self.roles.settings,
            service_role=partial(service_role, db),
            statement_timeout_ms=config.statement_timeout_ms,
            pre_request=config.pre_request,
        )
        callers = CallerFinder(
            lambda: services.find(AuthClient),  # type: ignore[type-abstract]
            self._ctx.clock,
            partial(role_names, db),
            self.roles.placed,
            anonymous_enabled=config.anon_role is not None,
            role_claim=config.role_claim,
        )
        return ExplainAccessResource(explainer, callers, guarded=config.table_permissions == "enforce")

    def _search_path(self, schema: str | None) -> Sequence[str]:
        return self.schema.current(schema if schema in self.schema.schemas else None).search_path

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
                found = [one for schema in snapshot.schemas.values() for one in schema.relations.values()]
                relations.set(len(found))
                open_tables.set(sum(1 for item in found if item.kind in ("r", "p") and not item.row_security))

        return MetricCollector((_LOADS, _RELATIONS, _OPEN_TABLES), collect)
