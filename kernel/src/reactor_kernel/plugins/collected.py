"""All contributions of a boot, with their owners, and the conflicts between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from reactor_kernel.contributions import (
    BackgroundService,
    CommandGroup,
    DeployStep,
    EventType,
    Fallback,
    HealthCheck,
    JobHandler,
    MetricCollector,
    Middleware,
    MigrationStep,
    Mount,
    OpenApiFragment,
    PermissionDoc,
    Probe,
    SchemaBranch,
    ServerEngine,
    Subscription,
)
from reactor_kernel.errors import Fault
from reactor_kernel.plugins.discovery import LoadedPlugin, State
from reactor_kernel.plugins.manager import HookCaller, OnFault

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Owned(Generic[T]):
    """A contribution and the plugin it came from."""

    plugin: LoadedPlugin
    item: T


@dataclass
class Collected:
    """What the enabled plugins contributed, in boot order."""

    mounts: list[Owned[Mount]] = field(default_factory=list)
    fallbacks: list[Owned[Fallback]] = field(default_factory=list)
    middleware: list[Owned[Middleware]] = field(default_factory=list)
    openapi: list[Owned[OpenApiFragment]] = field(default_factory=list)
    engines: list[Owned[ServerEngine]] = field(default_factory=list)
    permissions: list[Owned[PermissionDoc]] = field(default_factory=list)
    branches: list[Owned[SchemaBranch]] = field(default_factory=list)
    migrations: list[Owned[MigrationStep]] = field(default_factory=list)
    event_types: list[Owned[EventType]] = field(default_factory=list)
    subscriptions: list[Owned[Subscription]] = field(default_factory=list)
    background: list[Owned[BackgroundService]] = field(default_factory=list)
    job_handlers: list[Owned[JobHandler]] = field(default_factory=list)
    probes: list[Owned[Probe]] = field(default_factory=list)
    health: list[Owned[HealthCheck]] = field(default_factory=list)
    metrics: list[Owned[MetricCollector]] = field(default_factory=list)
    deploy_steps: list[Owned[DeployStep]] = field(default_factory=list)
    commands: list[Owned[CommandGroup]] = field(default_factory=list)

    def without_failed(self) -> None:
        """Drop what came from plugins that have failed since."""
        for name, items in vars(self).items():
            setattr(self, name, [owned for owned in items if owned.plugin.state is State.ENABLED])


def collect_declarations(caller: HookCaller, into: Collected, on_fault: OnFault) -> None:
    """Collect what needs no context: event types, permissions, engines, commands."""
    _fill(caller, into.event_types, "reactor_event_types", (EventType,), on_fault)
    _fill(caller, into.permissions, "reactor_permissions", (PermissionDoc,), on_fault)
    _fill(caller, into.engines, "reactor_server_engines", (ServerEngine,), on_fault)
    _fill(caller, into.commands, "reactor_commands", (CommandGroup,), on_fault)


def collect_contributions(caller: HookCaller, into: Collected, on_fault: OnFault) -> None:
    """Collect what is made with the plugin's context."""
    _fill(caller, into.branches, "reactor_schema", (SchemaBranch,), on_fault)
    for plugin, item in caller.collect("reactor_resources", (Mount, Fallback), on_fault):
        if isinstance(item, Mount):
            into.mounts.append(Owned(plugin, item))
            plugin.routes += 1
        else:
            into.fallbacks.append(Owned(plugin, item))
    _fill(caller, into.middleware, "reactor_middleware", (Middleware,), on_fault)
    _fill(caller, into.openapi, "reactor_openapi", (OpenApiFragment,), on_fault)
    _fill(caller, into.migrations, "reactor_migrations", (MigrationStep,), on_fault)
    _fill(caller, into.subscriptions, "reactor_subscriptions", (Subscription,), on_fault)
    _fill(caller, into.background, "reactor_background", (BackgroundService,), on_fault)
    _fill(caller, into.job_handlers, "reactor_job_handlers", (JobHandler,), on_fault)
    _fill(caller, into.probes, "reactor_probes", (Probe,), on_fault)
    _fill(caller, into.health, "reactor_health", (HealthCheck,), on_fault)
    _fill(caller, into.metrics, "reactor_metrics", (MetricCollector,), on_fault)
    _fill(caller, into.deploy_steps, "reactor_deploy_steps", (DeployStep,), on_fault)


def _fill(
    caller: HookCaller, target: list[Owned[Any]], hook: str, expected: tuple[type, ...], on_fault: OnFault
) -> None:
    target.extend(Owned(plugin, item) for plugin, item in caller.collect(hook, expected, on_fault))


def conflicts(collected: Collected) -> list[Fault]:
    """Name both owners of everything that may exist once. Routes are checked where the application is built."""
    faults: list[Fault] = []
    _unique(faults, collected.engines, "server engine", lambda engine: engine.name)
    _unique(faults, collected.commands, "command", lambda group: group.name)
    _unique(faults, collected.event_types, "event topic", lambda event: event.topic)
    _unique(faults, collected.background, "background service", lambda service: service.name)
    _unique(faults, collected.job_handlers, "job handler", lambda handler: handler.name)
    _unique(faults, collected.deploy_steps, "deploy step", lambda step: step.key)
    durable = [owned for owned in collected.subscriptions if owned.item.name]
    _unique(faults, durable, "durable subscription", lambda subscription: str(subscription.name))
    for owned in collected.branches:
        if owned.item.label != owned.plugin.name:
            faults.append(
                Fault(
                    "plugin",
                    f"its schema branch is labelled {owned.item.label!r}",
                    plugin=owned.plugin.name,
                    version=owned.plugin.version,
                    fix=f"label it {owned.plugin.name!r}, the plugin's name",
                )
            )
    _unique(faults, collected.branches, "schema branch", lambda branch: branch.label)
    return faults


def _unique(faults: list[Fault], items: Iterable[Owned[T]], noun: str, key: Callable[[T], str]) -> None:
    owners: dict[str, LoadedPlugin] = {}
    for owned in items:
        name, plugin = key(owned.item), owned.plugin
        first = owners.get(name)
        if first is None:
            owners[name] = plugin
            continue
        both = f"both {first.name} {first.version} and {plugin.name} {plugin.version}"
        twice = f"{plugin.name} {plugin.version} twice"
        faults.append(
            Fault(
                "conflict",
                f"{noun} {name!r} is contributed by {twice if first is plugin else both}",
                subject=name,
                fix=f"disable one of the two, or rename it in {plugin.dist}",
            )
        )
