"""Wires the rooms of one kernel together: database, events, contexts, HTTP. Called by the boot stages only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import reactor_kernel
from reactor_kernel.admin.mounts import AdminParts, admin_document, admin_mounts
from reactor_kernel.contracts.db import Statement
from reactor_kernel.contributions import Probe, ProbeResult, Readiness
from reactor_kernel.doctor.report import NOT_LOOKED_AT
from reactor_kernel.errors import ReactorError
from reactor_kernel.ids import uuid7
from reactor_kernel.plugins.context import PluginContext
from reactor_kernel.plugins.discovery import State
from reactor_kernel.security import Gatekeeper
from reactor_kernel.services.registry import PluginServices

if TYPE_CHECKING:
    from reactor_kernel.db.migrate import PluginBranch
    from reactor_kernel.http.app import WsgiApp
    from reactor_kernel.kernel import Kernel

KERNEL = "kernel"
EMBEDDED = "embedded"

_SERVICE_ROLE = "SELECT rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = $1"


def wire_database(kernel: Kernel) -> None:
    """Make the database handle; nothing is started or connected."""
    from reactor_kernel.db.database import PostgresDatabase, RoleNames
    from reactor_kernel.db.leader import PostgresLeader

    config = kernel.config.database
    dsn = config.url
    if dsn == EMBEDDED:
        from reactor_kernel.embedded.postgres import EmbeddedPostgres

        kernel.embedded = EmbeddedPostgres(kernel.raw.root)
        dsn = kernel.embedded.url
    kernel.database = PostgresDatabase(
        dsn,
        pool_max=config.pool_max,
        acquire_timeout_secs=config.acquire_timeout_secs,
        roles=RoleNames(config.roles.anon, config.roles.authenticated, config.roles.service),
        on_acquire=kernel.metrics.kernel.acquired,
    )
    kernel.leader = PostgresLeader(dsn)


def wire_events(kernel: Kernel) -> None:
    """Make the bus from the collected types and subscriptions and connect it to the database."""
    from reactor_kernel.events.bus import EventBus

    bus = EventBus(
        [(owned.plugin.name, owned.item) for owned in kernel.collected.event_types],
        [(owned.plugin.name, owned.item) for owned in kernel.collected.subscriptions],
        kernel.clock,
        kernel.log,
    )
    kernel.warnings.extend(
        f"plugin {plugin} subscribes to {topic}, which no enabled plugin publishes" for plugin, topic in bus.orphans
    )
    kernel.bus = kernel.emitter.bus = bus
    kernel.database.attach_bus(bus)


def wire_metrics(kernel: Kernel) -> None:
    """Connect the gauges that are read at a scrape: the pool's, and the plugins' collectors."""
    own = kernel.metrics.kernel

    def pool() -> None:
        stats = kernel.database.stats()
        own.pool_size.set(stats.size)
        own.pool_idle.set(stats.idle)

    kernel.metrics.before_scrape(pool)
    for owned in kernel.collected.metrics:
        for name in owned.item.names:
            kernel.metrics.claim(name, owned.plugin.name)
        kernel.metrics.before_scrape(_guarded(kernel, owned.plugin.name, owned.item.collect))


def _guarded(kernel: Kernel, plugin: str, collect: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            collect()
        except Exception:
            kernel.log.exception("the metrics collector of plugin %s failed", plugin)

    return run


def plugin_contexts(kernel: Kernel, permissions: dict[str, str]) -> dict[str, PluginContext]:
    """Make each enabled plugin's view of the kernel."""
    from reactor_kernel.operators import PlatformOperators
    from reactor_kernel.plugins.own_hooks import OwnHooks

    operators = PlatformOperators(kernel.config.ops, kernel.config.admin.token, kernel.clock)
    contexts = {}
    for plugin in kernel.enabled:
        info = plugin.manifest
        contexts[plugin.name] = PluginContext(
            info=info,
            config=kernel.section_values.get(plugin.name),
            project=kernel.project,
            db=kernel.database,
            services=PluginServices(kernel.services, info),
            events=kernel.emitter,
            vault=kernel.vault,
            metrics=kernel.metrics.for_plugin(plugin.name),
            log=logging.getLogger(f"reactor_{plugin.name}"),
            clock=kernel.clock,
            leader=kernel.leader,
            permissions=permissions,
            operators=operators,
            hooks=OwnHooks(kernel.hooks, plugin.name, kernel.log),
            draining=lambda: kernel.draining,
        )
    return contexts


def plugin_branches(kernel: Kernel) -> list[PluginBranch]:
    """List the plugins' branches and steps in boot order; the migrator puts the kernel's own before them."""
    from reactor_kernel.db.migrate import PluginBranch

    branches = []
    by_plugin = {owned.plugin.name: owned.item for owned in kernel.collected.branches}
    for plugin in kernel.enabled:
        steps = [owned.item for owned in kernel.collected.migrations if owned.plugin is plugin]
        branch = by_plugin.get(plugin.name)
        if branch is not None or steps:
            branches.append(PluginBranch(plugin.name, plugin.version, branch, steps))
    return branches


def build_http(kernel: Kernel, gate: Gatekeeper) -> WsgiApp:
    """Build the application from everything collected and the kernel's own routes."""
    from reactor_kernel.http.app import build_app
    from reactor_kernel.http.parts import HttpParts

    admin = admin_parts(kernel)
    collected = kernel.collected
    own = [(KERNEL, mount) for mount in admin_mounts(admin)]
    parts = HttpParts(
        server=kernel.config.server,
        admin=kernel.config.admin,
        ops=kernel.config.ops,
        mounts=[*own, *((owned.plugin.name, owned.item) for owned in collected.mounts)],
        fallback=[(owned.plugin.name, owned.item) for owned in collected.fallbacks],
        middleware=[(owned.plugin.name, owned.item) for owned in collected.middleware],
        openapi=[(KERNEL, admin_document()), *((owned.plugin.name, owned.item) for owned in collected.openapi)],
        prefixes={plugin.name: plugin.manifest.url_prefix for plugin in kernel.enabled},
        extra_prefixes={plugin.name: plugin.manifest.extra_prefixes for plugin in kernel.enabled},
        versions={plugin.name: plugin.version for plugin in kernel.enabled},
        identify=gate.identify,
        authorize=gate.authorize,
        metrics=kernel.metrics,
        log=kernel.log,
        clock=kernel.clock,
        draining=lambda: kernel.draining,
        version=reactor_kernel.__version__,
        health=[(owned.plugin.name, owned.item) for owned in collected.health],
        failed={plugin.name: plugin.error or "failed" for plugin in kernel.plugins if plugin.state is State.FAILED},
        database_health=lambda: database_health(kernel),
        tracer=kernel.tracer,
        project_ref=kernel.project.ref,
    )
    return build_app(parts)


def admin_parts(kernel: Kernel) -> AdminParts:
    """What the admin routes act on."""
    if kernel.ring is None:
        raise RuntimeError("the admin routes need a log ring")
    return AdminParts(
        version=reactor_kernel.__version__,
        capabilities=lambda: {plugin.name: plugin.version for plugin in kernel.enabled},
        doctor=kernel.doctor,
        migrate=lambda dry_run: kernel.migrate(dry_run=dry_run),
        ring=kernel.ring,
        vault=kernel.vault,
        shutdown=kernel.request_shutdown,
        project=kernel.project,
        clock=kernel.clock,
        draining=lambda: kernel.draining,
    )


def database_health(kernel: Kernel) -> str | None:
    """Ask the database for one row; None when it answers."""
    try:
        kernel.database.run(None, [Statement("SELECT 1")], readonly=True)
    except ReactorError as error:
        return error.message
    return None


def database_probe(kernel: Kernel) -> ProbeResult:
    """Look at the server's version, the pool and the service role."""
    number = kernel.database.check_server()
    [result] = kernel.database.run(None, [Statement(_SERVICE_ROLE, (kernel.database.roles.service,))], readonly=True)
    bypasses = bool(result.rows) and result.rows[0][0] == b"t"
    stats = kernel.database.stats()
    return ProbeResult(
        Readiness.OK,
        f"Postgres {number // 10000}.{number % 10000} answers",
        {
            "embedded": kernel.embedded is not None,
            "connections": stats.size,
            "service_access": "bypasses row security" if bypasses else "runs as the tables' owner",
        },
    )


def vault_probe(kernel: Kernel) -> ProbeResult:
    """Encrypt and decrypt with a key of the probe's own."""
    word = str(uuid7()).encode()
    if kernel.vault.decrypt("kernel/doctor", kernel.vault.encrypt("kernel/doctor", word)) != word:
        return ProbeResult(Readiness.FAIL, "what the vault decrypts is not what it encrypted")
    return ProbeResult(Readiness.OK, "encrypts and decrypts")


def probes(kernel: Kernel) -> list[tuple[str, Probe]]:
    """The kernel's own probes and those of the plugins."""
    own = [
        ("database", Probe("database", lambda: database_probe(kernel))),
        ("vault", Probe("vault", lambda: vault_probe(kernel))),
    ]
    failed = [
        (plugin.name, Probe("boot", _failed_probe(plugin.error or "failed")))
        for plugin in kernel.plugins
        if plugin.state is State.FAILED
    ]
    brought = [(owned.plugin.name, owned.item) for owned in kernel.collected.probes]
    probed = {name for name, _ in brought}
    stand_ins = [_stand_in(kernel, plugin.name) for plugin in kernel.enabled if plugin.name not in probed]
    return [*own, *failed, *brought, *stand_ins]


def _failed_probe(error: str) -> Callable[[], ProbeResult]:
    return lambda: ProbeResult(Readiness.WARN, f"is optional and does not run: {error}")


def _stand_in(kernel: Kernel, name: str) -> tuple[str, Probe]:
    """Look at a plugin that brings no probe through its health checks; where it has none, say that nobody looked."""
    checks = [owned.item for owned in kernel.collected.health if owned.plugin.name == name]

    def look() -> ProbeResult:
        problems = [problem for check in checks if (problem := check.check()) is not None]
        return ProbeResult(Readiness.FAIL, "; ".join(problems)) if problems else ProbeResult(Readiness.OK, "healthy")

    if checks:
        return name, Probe("health", look)
    return name, Probe("none", lambda: ProbeResult(Readiness.WARN, NOT_LOOKED_AT))
