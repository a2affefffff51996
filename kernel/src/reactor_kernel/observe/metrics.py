"""Metrics of one kernel, each owned by one plugin (contract kernel.md §6.7).

With several workers `share_between_workers` must run before this module is imported, because prometheus_client decides at
import where values live; a scrape then sums all workers.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter as Counted
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from reactor_kernel.errors import Fault
from reactor_kernel.observe.backlog import Backlog

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# (capability, method, status, seconds) of a request; no capability: a connection was borrowed.
_Noted = tuple[str, str, str, float]
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The registry of one kernel; plugins get their own view of it."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._owners: dict[str, str] = {}
        self._views: dict[str, OwnedMetrics] = {}
        self._faults: list[Fault] = []
        self._before: list[Callable[[], None]] = []
        self._multiprocess = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        self.kernel = KernelMetrics(self.for_plugin("kernel"), version)
        self._before.append(self.kernel.refresh)

    def for_plugin(self, name: str) -> OwnedMetrics:
        """Return the view through which one plugin registers its metrics."""
        return self._views.setdefault(name, OwnedMetrics(self, name))

    def claim(self, metric: str, owner: str) -> bool:
        """Note who owns a metric's name; a second owner is a fault of the boot."""
        first = self._owners.setdefault(metric, owner)
        if first != owner:
            self._faults.append(
                Fault(
                    "conflict",
                    f"metric {metric!r} is contributed by both {first} and {owner}",
                    subject=metric,
                    fix=f"rename it in one of the two, for instance reactor_{owner}_…",
                )
            )
        return first == owner

    def conflicts(self) -> list[Fault]:
        """Return the faults of ownership found so far."""
        return list(self._faults)

    def before_scrape(self, collect: Callable[[], None]) -> None:
        """Run something before each scrape, to set gauges."""
        self._before.append(collect)

    def render(self) -> tuple[bytes, str]:
        """Return the exposition text of all metrics and its content type."""
        for collect in self._before:
            collect()
        if not self._multiprocess:
            return prometheus.generate_latest(self.registry), CONTENT_TYPE
        from prometheus_client.multiprocess import MultiProcessCollector

        forget_dead_workers(os.environ["PROMETHEUS_MULTIPROC_DIR"])
        gathered = CollectorRegistry()
        MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]
        return prometheus.generate_latest(gathered), CONTENT_TYPE


def forget_dead_workers(directory: str) -> None:
    """Remove the gauges of workers that have ended; their counters stay."""
    from prometheus_client.multiprocess import mark_process_dead

    pids = {int(name.rsplit("_", 1)[1].removesuffix(".db")) for name in os.listdir(directory) if name.endswith(".db")}
    for pid in pids:
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, PermissionError):  # of the latter the number is now another account's
            with contextlib.suppress(FileNotFoundError):  # another scrape was faster
                mark_process_dead(pid, directory)  # type: ignore[no-untyped-call]


class OwnedMetrics:
    """Implements `contracts.MetricsRegistry` for one plugin."""

    def __init__(self, metrics: Metrics, owner: str) -> None:
        self._metrics = metrics
        self._owner = owner
        self._made: dict[str, Any] = {}

    def counter(self, name: str, help: str, labels: Iterable[str] = ()) -> Counter:
        """Register a counter, or return the one registered before."""
        return self._make(name, lambda registry: Counter(name, help, tuple(labels), registry=registry))  # type: ignore[no-any-return]

    def gauge(
        self, name: str, help: str, labels: Iterable[str] = (), *, workers: Literal["livesum", "livemax"] = "livesum"
    ) -> Gauge:
        """Register a gauge, or return the one registered before; `workers` says how those of several are combined."""
        return self._make(  # type: ignore[no-any-return]
            name, lambda registry: Gauge(name, help, tuple(labels), registry=registry, multiprocess_mode=workers)
        )

    def histogram(
        self, name: str, help: str, labels: Iterable[str] = (), buckets: Iterable[float] | None = None
    ) -> Histogram:
        """Register a histogram, or return the one registered before."""
        edges = tuple(buckets) if buckets is not None else _SECONDS
        return self._make(  # type: ignore[no-any-return]
            name, lambda registry: Histogram(name, help, tuple(labels), registry=registry, buckets=edges)
        )

    def render(self) -> tuple[bytes, str]:
        """Return the exposition text of this plugin's metrics and of the kernel's that are labelled with it."""
        text, content_type = self._metrics.render()
        label = f'capability="{self._owner}"'.encode()
        kept: list[bytes] = []
        about: list[bytes] = []  # HELP and TYPE of the family that is read, until one of its samples is kept
        for line in text.splitlines(keepends=True):
            if line.startswith(b"# HELP "):
                about = [line]
            elif line.startswith(b"#"):
                about.append(line)
            elif label in line or line.decode().startswith(tuple(self._made)):
                kept += (*about, line)
                about = []
        return b"".join(kept), content_type

    def _make(self, name: str, build: Callable[[CollectorRegistry], Any]) -> Any:
        if name not in self._made:
            # A name that belongs to somebody else is a fault of the boot; until it is reported, count apart.
            mine = self._metrics.claim(name, self._owner)
            self._made[name] = build(self._metrics.registry if mine else CollectorRegistry())
        return self._made[name]


class KernelMetrics:
    """What the kernel itself measures."""

    def __init__(self, own: OwnedMetrics, version: str) -> None:
        own.gauge("reactor_server_info", "The running version", ["version"]).labels(version).set(1)
        self.requests = own.counter("reactor_http_requests_total", "Requests", ["capability", "method", "status"])
        self.duration = own.histogram("reactor_http_request_duration_seconds", "Request duration", ["capability"])
        self.p99 = own.gauge(
            "reactor_request_latency_p99", "99th percentile of the last 1024 requests, in seconds", workers="livemax"
        )
        self.pool_size = own.gauge("reactor_db_pool_size", "Open database connections")
        self.pool_idle = own.gauge("reactor_db_pool_idle", "Idle database connections")
        self.db_acquire = own.histogram("reactor_db_acquire_duration_seconds", "Time to borrow a connection")
        self._recent: deque[float] = deque(maxlen=1024)
        self._backlog = Backlog(self._count)
        self._request_children: dict[tuple[str, str, str], Any] = {}
        self._duration_children: dict[str, Any] = {}

    def observe(self, capability: str, method: str, status: str, seconds: float) -> None:
        """Count one finished request, within moments."""
        self._backlog.note((capability, method, status, seconds))

    def acquired(self, seconds: float) -> None:
        """Count the borrowing of one database connection, within moments."""
        self._backlog.note(("", "", "", seconds))

    def settle(self) -> None:
        """Count what is waiting now."""
        self._backlog.settle()

    def _count(self, batch: Sequence[_Noted]) -> None:
        requests = Counted(noted[:3] for noted in batch)
        for key, times in requests.items():
            if key[0]:
                self._child(key).inc(times)
        for capability, _, _, seconds in batch:
            if capability:
                self._duration_children[capability].observe(seconds)
                self._recent.append(seconds)
            else:
                self.db_acquire.observe(seconds)

    def _child(self, key: tuple[str, str, str]) -> Any:
        child = self._request_children.get(key)
        if child is None:
            self._duration_children.setdefault(key[0], self.duration.labels(key[0]))
            child = self._request_children[key] = self.requests.labels(*key)
        return child

    def refresh(self) -> None:
        """Set the gauges that are derived."""
        self.settle()
        recent = sorted(self._recent)
        self.p99.set(recent[min(len(recent) - 1, int(len(recent) * 0.99))] if recent else 0)
