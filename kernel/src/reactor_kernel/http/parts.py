"""What the application is built from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import falcon

from reactor_kernel.contracts.identity import Identity
from reactor_kernel.contracts.runtime import Clock
from reactor_kernel.contributions import Fallback, HealthCheck, Middleware, Mount, OpenApiFragment
from reactor_kernel.observe.traces import RequestTracer


@dataclass(frozen=True)
class HttpParts:
    """Everything `build_app` needs; owners come first in each pair.

    Attributes:
        mounts: routes of the plugins and, owned by "kernel", the kernel's own.
        prefixes: plugin → URL prefix, for ownership and for `/<prefix>/health`.
        extra_prefixes: plugin → further prefixes it owns.
        versions: plugin → version.
        health: plugin → its cheap checks.
        failed: optional plugins that are not running, with the reason.
        database_health: the kernel's own check; None when healthy.
        tracer: makes a span of each request; None = no traces.
        project_ref: names the project in the log line of a request.
    """

    server: Any
    admin: Any
    ops: Any
    mounts: Sequence[tuple[str, Mount]]
    fallback: Sequence[tuple[str, Fallback]]
    middleware: Sequence[tuple[str, Middleware]]
    openapi: Sequence[tuple[str, OpenApiFragment]]
    prefixes: Mapping[str, str]
    versions: Mapping[str, str]
    identify: Callable[[falcon.Request], Identity]
    authorize: Callable[[Identity, str, object], None]
    metrics: Any
    log: logging.Logger
    clock: Clock
    draining: Callable[[], bool]
    version: str
    health: Sequence[tuple[str, HealthCheck]] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    extra_prefixes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    database_health: Callable[[], str | None] | None = None
    tracer: RequestTracer | None = None
    project_ref: str = ""
