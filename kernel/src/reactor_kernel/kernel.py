"""The kernel: runs the boot stages in order and owns every assembled part. No globals; two kernels may share a process."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import reactor_kernel
from reactor_kernel.clock import SystemClock
from reactor_kernel.config.binder import bind
from reactor_kernel.config.early import vault_opener
from reactor_kernel.config.model import KERNEL_SECTIONS, KernelConfig, make_project
from reactor_kernel.config.secrets import Resolver
from reactor_kernel.contracts.runtime import Clock, Project, Vault
from reactor_kernel.contributions import BackgroundService, ConfigSection, ServiceProvider
from reactor_kernel.errors import BootError, Fault, Unavailable
from reactor_kernel.events.emitter import Emitter
from reactor_kernel.plugins import discovery
from reactor_kernel.plugins.collected import Collected, collect_contributions, collect_declarations, conflicts
from reactor_kernel.plugins.context import PluginContext
from reactor_kernel.plugins.discovery import LoadedPlugin, State
from reactor_kernel.plugins.manager import HookCaller
from reactor_kernel.security import Gatekeeper
from reactor_kernel.services.registry import ServiceRegistry

if TYPE_CHECKING:
    from reactor_kernel.config.loader import RawConfig
    from reactor_kernel.db.database import PostgresDatabase
    from reactor_kernel.db.leader import PostgresLeader
    from reactor_kernel.db.migrate import MigrationReport, Migrator
    from reactor_kernel.doctor import Report
    from reactor_kernel.embedded.postgres import EmbeddedPostgres
    from reactor_kernel.events.bus import EventBus
    from reactor_kernel.http.app import WsgiApp
    from reactor_kernel.observe.logs import LogRing
    from reactor_kernel.observe.metrics import Metrics
    from reactor_kernel.observe.sharing import SharedMetrics
    from reactor_kernel.observe.traces import RequestTracer
    from reactor_kernel.runtime.supervisor import Supervisor


CLOSE_SECONDS = 2.0
"""What background services may take to end when a kernel is closed without a drain."""


class Stage(IntEnum):
    """How far a kernel has come. Each stage ends with all its faults reported together."""

    NEW = 0
    DISCOVERED = 1
    CONFIGURED = 2
    COLLECTED = 3
    BUILT = 4
    DATABASE = 5
    MIGRATED = 6
    STARTED = 7


class Kernel:
    """One project's platform, assembled from its configuration and the installed plugins.

    Args:
        raw: the loaded configuration.
        plugins: plugin classes to use instead of the installed entry points (tests, embedding).
        clock: time; the machine's when absent.
        log_ring: where log lines are kept for `/_admin/logs`; one of its own when absent.
    """

    def __init__(
        self,
        raw: RawConfig,
        *,
        plugins: Sequence[type] | None = None,
        clock: Clock | None = None,
        log_ring: LogRing | None = None,
    ) -> None:
        self.raw = raw
        self.clock: Clock = clock or SystemClock()
        self.log = logging.getLogger("reactor_kernel")
        self.stage = Stage.NEW
        self.plugins: list[LoadedPlugin] = []
        self.available: list[discovery.Candidate] = []
        self.warnings: list[str] = []
        self.hooks = HookCaller()
        self.services = ServiceRegistry()
        self.collected = Collected()
        self.started_at = time.monotonic()
        self.draining = False
        self.config: KernelConfig
        self.project: Project
        self.vault: Vault
        self.metrics: Metrics
        self.database: PostgresDatabase
        self.bus: EventBus
        self.leader: PostgresLeader
        self.migrator: Migrator
        self.app: WsgiApp
        self.ring = log_ring
        self.embedded: EmbeddedPostgres | None = None
        self.supervisor: Supervisor | None = None
        self.tracer: RequestTracer | None = None
        self.shared_metrics: SharedMetrics | None = None
        self.on_shutdown_request: Callable[[], None] | None = None
        self.emitter = Emitter()
        self.relay: BackgroundService
        self._explicit = plugins
        self._faults: list[Fault] = []

    # -- boot ---------------------------------------------------------------------------------------------------

    def boot(self, until: Stage) -> Kernel:
        """Run the stages up to and including `until`.

        Raises:
            BootError: with every fault of the stage that failed. The kernel is closed and must be thrown away.
        """
        steps: list[tuple[Stage, Callable[[], None]]] = [
            (Stage.DISCOVERED, self._discover),
            (Stage.CONFIGURED, self._configure),
            (Stage.COLLECTED, self._collect),
            (Stage.BUILT, self._build),
            (Stage.DATABASE, self._connect),
            (Stage.MIGRATED, self._migrate),
            (Stage.STARTED, self.start_services),
        ]
        try:
            for stage, step in steps:
                if self.stage < stage <= until:
                    step()
                    self._settle()
                    self.stage = stage
        except BaseException:
            self.close()
            raise
        return self

    def _settle(self) -> None:
        """Report the stage's faults, and carry failures of optional plugins over to those that need them."""
        changed = True
        while changed:
            changed = False
            failed = {plugin.name: plugin for plugin in self.plugins if plugin.state is State.FAILED}
            for plugin in self.enabled:
                if plugin.info is None:  # it did not load, which is reported already
                    continue
                broken = next((need for need in plugin.manifest.requires if need in failed), None)
                if broken is not None:
                    self._fault(
                        plugin,
                        Fault(
                            "plugin",
                            f"needs {broken}, which failed: {failed[broken].error}",
                            plugin=plugin.name,
                            version=plugin.version,
                            fix=f"mend {broken}, or set `optional = true` in [{plugin.name}] as well",
                        ),
                    )
                    changed = plugin.state is State.FAILED
        self.collected.without_failed()
        if self._faults:
            faults, self._faults = self._faults, []
            raise BootError(list(dict.fromkeys(faults)))

    def _fault(self, plugin: LoadedPlugin, fault: Fault) -> None:
        if plugin.optional:
            plugin.fail(fault.message)
            self.log.error("optional plugin %s failed: %s", plugin.name, fault.message)
        else:
            self._faults.append(fault)

    @property
    def enabled(self) -> list[LoadedPlugin]:
        """The plugins that are part of this kernel, in boot order."""
        return [plugin for plugin in self.plugins if plugin.state is State.ENABLED]

    def _discover(self) -> None:
        self.raw.rename_sections(discovery.section_aliases())
        self.available, faults = discovery.installed(self._explicit)
        self._faults.extend(faults)
        by_name = {candidate.name: candidate for candidate in self.available}
        loaded = []
        for name in self.raw.section_names:
            if name in KERNEL_SECTIONS:
                continue
            where = self.raw.origin(name).where
            if name not in by_name:
                self.warnings.append(discovery.unknown_section(name, [*by_name, *KERNEL_SECTIONS], where))
                continue
            plugin, fault = discovery.load(by_name[name], optional=self.raw.is_optional(name), where=where)
            loaded.append(plugin)
            if fault is not None:
                self._fault(plugin, fault)
        self.plugins = loaded
        self._settle()
        ordered, faults = discovery.order(self.enabled)
        self._faults.extend(faults)
        self.plugins = ordered + [plugin for plugin in loaded if plugin.state is State.FAILED]
        for plugin, fault in self.hooks.register(ordered):
            self._fault(plugin, fault)

    def _configure(self) -> None:
        sections: dict[str, ConfigSection] = dict(KERNEL_SECTIONS)
        for plugin, section in self.hooks.collect("reactor_config_section", (ConfigSection,), self._fault):
            if plugin.name in sections:
                self._fault(
                    plugin, Fault("plugin", "yields two config sections", plugin=plugin.name, version=plugin.version)
                )
            sections[plugin.name] = section
        opener = vault_opener(self.raw)
        bound = bind(self.raw, sections, Resolver(self.raw.environ, self.raw.root, opener))
        self.warnings.extend(bound.warnings)
        for fault in bound.faults:
            owner = next((p for p in self.enabled if fault.subject and fault.subject.split(".")[0] == p.name), None)
            if owner is not None:
                self._fault(owner, fault)
            else:
                self._faults.append(fault)
        if self._faults:
            return
        self.config = KernelConfig(**{name: bound.values[name] for name in KERNEL_SECTIONS})
        self.project = make_project(self.config.project, self.raw.root)
        self.section_values: dict[str, Any] = bound.values
        self.vault = opener()
        self._observe()

    def _observe(self) -> None:
        from reactor_kernel.observe.sharing import SharedMetrics

        if self.config.server.workers > 1 and "prometheus_client" not in sys.modules:
            self.shared_metrics = SharedMetrics()
        from reactor_kernel.observe.logs import LogRing
        from reactor_kernel.observe.metrics import Metrics
        from reactor_kernel.observe.traces import open_tracer

        if self.ring is None:
            self.ring = LogRing()
        self.metrics = Metrics(version=reactor_kernel.__version__)
        self.tracer = open_tracer(self.raw.environ, service=self.project.name, version=reactor_kernel.__version__)

    def _collect(self) -> None:
        from reactor_kernel.assembly import plugin_contexts, wire_database, wire_events, wire_metrics

        wire_database(self)
        permissions: dict[str, str] = {}
        collect_declarations(self.hooks, self.collected, self._fault)
        permissions.update({owned.item.name: owned.item.meaning for owned in self.collected.permissions})
        for name, context in plugin_contexts(self, permissions).items():
            self.hooks.give_context(name, context)
        providers = [
            (plugin.name, provider)
            for plugin, provider in self.hooks.collect("reactor_services", (ServiceProvider,), self._fault)
        ]
        self._faults.extend(self.services.add(providers, self.config.server.services))
        collect_contributions(self.hooks, self.collected, self._fault)
        self._faults.extend(conflicts(self.collected))
        wire_metrics(self)
        self._faults.extend(self.metrics.conflicts())
        if not self._faults:
            wire_events(self)

    def _build(self) -> None:
        from reactor_kernel.assembly import build_http

        gate = Gatekeeper(self.hooks, self.config.server.identify_order, self.log)
        self.app = build_http(self, gate)

    def _connect(self) -> None:
        if self.embedded is not None:
            self.embedded.start()
        self.database.check_server()

    def _migrate(self) -> None:
        self.migrate(dry_run=False)

    def migrate(self, *, dry_run: bool) -> MigrationReport:
        """Apply (or list) what is pending in every branch and migration step.

        Raises:
            MigrationFailed: naming the plugin, the revision and the database's words.
        """
        from reactor_kernel.assembly import plugin_branches
        from reactor_kernel.db.migrate import Migrator

        self.migrator = Migrator(self.database, plugin_branches(self))
        return self.migrator.run(dry_run=dry_run)

    def context_for(self, plugin: LoadedPlugin) -> PluginContext:
        """Return a plugin's context; for tests and commands."""
        return self.hooks.context(plugin.name)

    def service(self, contract: type[Any]) -> Any:
        """Return the provider of a contract, without the limits that bind plugins."""
        return self.services.get(contract, "kernel")

    # -- running ------------------------------------------------------------------------------------------------

    def start_services(self) -> None:
        """Start the listener and the background services of this process."""
        from reactor_kernel.runtime.supervisor import Supervisor

        self.relay = self.bus.relay(self.database)
        self.database.start_listener()
        services = [(owned.plugin.name, owned.item) for owned in self.collected.background]
        services.append(("kernel", self.relay))
        if self.embedded is not None:
            from reactor_kernel.assembly import database_health
            from reactor_kernel.embedded.watch import watch

            services.append(("kernel", watch(self.embedded, lambda: database_health(self))))
        self.supervisor = Supervisor(services, self.leader, self.clock, self.log)
        self.supervisor.start()
        self.hooks.tell("reactor_started", self._told)

    def drain(self, deadline: float) -> None:
        """Tell everyone that this process ends within `deadline` seconds, and stop the background services."""
        self.draining = True
        self.hooks.tell("reactor_stopping", self._told, deadline=deadline)
        if self.supervisor is not None:
            self.supervisor.drain(deadline)

    def _told(self, plugin: LoadedPlugin, exc: Exception) -> None:
        self.log.error("plugin %s raised while being told", plugin.name, exc_info=exc)

    def doctor(self) -> Report:
        """Run every probe of the kernel and the plugins."""
        from reactor_kernel.assembly import probes
        from reactor_kernel.doctor import run_probes

        return run_probes(probes(self))

    def request_shutdown(self) -> None:
        """Ask whoever serves this kernel to drain and end."""
        if self.on_shutdown_request is None:
            raise Unavailable("this process does not serve, so it cannot be shut down")
        self.on_shutdown_request()

    def serve(self, *, listener: Any = None, on_ready: Callable[[Kernel], None] | None = None) -> int:
        """Bind the configured address, boot what is left and serve until told to stop; return the exit code."""
        from reactor_kernel.serving import serve

        return serve(self, listener=listener, on_ready=on_ready)

    def close(self) -> None:
        """Release connections, threads and the embedded database. Safe at any stage, and twice."""
        if self.supervisor is not None:
            self.supervisor.drain(CLOSE_SECONDS)
            self.supervisor = None
        if "metrics" in self.__dict__:
            from reactor_kernel.observe.logs import settle

            self.metrics.kernel.settle()
            settle()
        if self.tracer is not None:
            self.tracer.close()
        if self.shared_metrics is not None:
            self.shared_metrics.close()
        if "leader" in self.__dict__:
            self.leader.close()
        if "database" in self.__dict__:
            self.database.dispose()
        if self.embedded is not None:
            self.embedded.stop()
            self.embedded = None
