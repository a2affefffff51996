"""What a plugin is handed: its own configuration and the kernel's services."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reactor_kernel.contracts.db import Database
from reactor_kernel.contracts.operators import Operators
from reactor_kernel.contracts.runtime import Clock, EventLog, Hooks, Leader, MetricsRegistry, Project, Services, Vault
from reactor_kernel.plugins.info import PluginInfo


@dataclass(frozen=True, slots=True)
class PluginContext:
    """One plugin's view of the running kernel.

    Attributes:
        info: the plugin's own manifest.
        config: an instance of the model the plugin declared with `reactor_config_section`; None where it declared none.
        project: id, ref, name, environment and root directory.
        db: the database; nothing is connected before it is used.
        services: other plugins' contracts, limited to `requires` and `after`.
        events: in-process publishing outside a transaction; inside one use `tx.publish`.
        vault: secrets and named keys of the project.
        metrics: this plugin's metrics.
        log: a logger named `reactor_<name>`.
        clock: time.
        leader: which tasks this process leads.
        permissions: every permission the enabled plugins declared, with its meaning.
        operators: the rules for platform operators.
        hooks: calls the hooks that this plugin declared with `reactor_hookspecs`.
        draining: tells whether this process is about to end; what an `EventStream` asks.
    """

    info: PluginInfo
    config: Any
    project: Project
    db: Database
    services: Services
    events: EventLog
    vault: Vault
    metrics: MetricsRegistry
    log: logging.Logger
    clock: Clock
    leader: Leader
    permissions: dict[str, str]
    operators: Operators
    hooks: Hooks
    draining: Callable[[], bool] = lambda: False
