"""Puts the capability's parts together for one kernel."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from reactor_data.catalog.cache import SchemaCache
from reactor_data.config import DataConfig
from reactor_data.probes import DataProbes
from reactor_data.realtime.recording import CHANNEL
from reactor_data.sql.native import quote
from reactor_data.usermigrations.apply import UserMigrations
from reactor_kernel.api import AuthClient, Identity, MetricCollector, MigrationOutcome, OrgRef, PluginContext

if TYPE_CHECKING:
    import falcon

    from reactor_data.admin import Administration
    from reactor_data.http.admin import MigrateResource, QueryResource, TablesResource
    from reactor_data.http.health import HealthResource
    from reactor_data.http.relations import RelationResource
    from reactor_data.http.rpc import FunctionResource
    from reactor_data.http.subscriptions import Subscriptions
    from reactor_data.realtime.feed import DataChanges
    from reactor_data.realtime.keeping import OutboxKeeper

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
        ctx.db.on_notify(CHANNEL, self.heard_changes)
        self.migrations = UserMigrations(
            ctx.db,
            directory=ctx.project.root / config.migrations_dir,
            root=ctx.project.root,
            user_schema=config.user_schema,
            extra_search_path=config.extra_search_path,
            anon_role=config.anon_role,
            channel=config.schema_channel,
            realtime=config.realtime,
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
        return RelationResource(service, CallerReader(self._config, self.schema), self._config, self.subscriptions())

    @cached_property
    def changes(self) -> DataChanges:
        """The changes of rows; offered to other plugins as `ChangeFeed`."""
        from reactor_data.realtime.feed import DataChanges

        ctx = self._ctx
        settings = {
            "search_path": ", ".join(quote(name) for name in self.schema.search_path),
            "statement_timeout": str(self._config.statement_timeout_ms),
            "request.method": "GET",
            "request.headers": "{}",
        }
        return DataChanges(
            ctx.db, self.schema, settings=settings, enabled=self._config.realtime, clock=ctx.clock, log=ctx.log
        )

    def heard_changes(self, payload: str | None) -> None:
        """Wake the reader, where this process has one."""
        if "changes" in self.__dict__:
            self.changes.reader.heard(payload)

    def subscriptions(self) -> Subscriptions:
        """Return what answers subscriptions."""
        from reactor_data.http.subscriptions import Subscriptions

        return Subscriptions(self.changes, self._auth, self._ctx.draining, self._ctx.clock.monotonic)

    def _auth(self) -> AuthClient | None:
        return self._ctx.services.find(AuthClient)  # type: ignore[type-abstract]  # a contract is a Protocol

    def identify(self, request: falcon.Request) -> Identity | None:
        """Return the caller of a subscription whose token stands in its query string."""
        if "access_token=" not in request.query_string:
            return None
        from reactor_data.http.subscriptions import token_in

        token = token_in(request)
        auth = self._auth() if token is not None else None
        if token is None or auth is None:
            return None
        org = request.get_header("X-Reactor-Org")
        return auth.resolve(token, OrgRef(org) if org else None)

    def keep_recording(self, dry_run: bool = False) -> MigrationOutcome:
        """Make the triggers that record changes what they should be."""
        from reactor_data.realtime.recording import keep_recording

        if dry_run:
            return MigrationOutcome((), ())
        with self._ctx.db.begin() as tx:
            changed = keep_recording(tx, [self._config.user_schema], enabled=self._config.realtime)
        if changed:
            self._ctx.log.info(
                "changes are%s recorded of %s", "" if self._config.realtime else " no longer", ", ".join(changed)
            )
        return MigrationOutcome((), ())

    def keeper(self) -> OutboxKeeper:
        """Return what sweeps the outbox."""
        from reactor_data.realtime.keeping import OutboxKeeper

        return OutboxKeeper(self.changes.outbox, self._config.realtime_retention_secs, self.keep_recording)

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
