"""Background work, health, commands, deploy steps and server engines."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from reactor_kernel.contracts.runtime import StopSignal


@dataclass(frozen=True, slots=True)
class BackgroundService:
    """A task of its own thread, restarted with backoff when it raises.

    `start(stop)` runs until `stop` is set and then returns. `drain(deadline_secs)` is called at shutdown before `stop` is
    set, to finish work in hand. `leader_only` services run on one node at a time; losing leadership sets `stop`.
    """

    name: str
    start: Callable[[StopSignal], None]
    drain: Callable[[float], None] | None = None
    leader_only: bool = False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how fast a failed run is tried again."""

    max_attempts: int = 3
    initial_delay_ms: int = 1000
    max_delay_ms: int = 60000
    backoff: str = "exponential"


@dataclass(frozen=True, slots=True)
class JobHandler:
    """Python code that durable jobs may run by name; `target` is an import path "module:function"."""

    name: str
    target: str
    retry: RetryPolicy = RetryPolicy()


class Readiness(Enum):
    """A probe's verdict."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found by looking."""

    status: Readiness
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """A doctor probe: may be slow, has effects only on things it makes itself. An exception is a failure."""

    name: str
    check: Callable[[], ProbeResult]


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A cheap check for `/health`, bounded to 2 s: returns None when healthy, else the reason."""

    check: Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class MetricCollector:
    """Called before each scrape to set gauges; the names it owns are declared for conflict detection."""

    names: tuple[str, ...]
    collect: Callable[[], None]


@dataclass(frozen=True, slots=True)
class DeployStep:
    """One capability's part of a deploy: validate → prepare → activate, and undo for what is not transactional."""

    key: str
    validate: Callable[..., Any]
    prepare: Callable[..., Any]
    activate: Callable[..., Any]
    undo: Callable[..., Any] | None = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandGroup:
    """A command or group of the `reactor` tool, loaded from its import path ("module:object") when it is used.

    It is offered in projects that enable the plugin. With `anywhere` it needs no project: it talks to whatever server the
    user means, so it is offered wherever the plugin is installed.
    """

    name: str
    target: str
    help: str
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """What an engine serves in one process.

    `app` is a WSGI application. `listener` already listens and is shared by all workers. The engine returns once
    `stop` is set and the requests in flight are finished or `drain_timeout` seconds have passed. What the engine refuses itself
    carries the headers that `cross_origin_headers` returns for the request's decoded path and its Origin, so that scripts in
    browsers can read why.
    """

    app: Callable[..., Iterable[bytes]]
    listener: socket.socket
    threads: int
    body_limit: int
    body_limit_for: Callable[[str, str], int]
    drain_timeout: float
    stop: StopSignal
    options: Mapping[str, Any] = field(default_factory=dict)
    cross_origin_headers: Callable[[str, str | None], Sequence[tuple[str, str]]] = lambda path, origin: ()


@dataclass(frozen=True, slots=True)
class ServerEngine:
    """An HTTP server that can run the application, chosen by `[server] engine`.

    `check` is called once before any process is forked and raises `BootError` when the engine cannot run here.
    """

    name: str
    serve: Callable[[ServeRequest], None]
    check: Callable[[], None] | None = None


Commands = Iterable[CommandGroup]
