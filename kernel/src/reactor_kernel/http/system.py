"""The kernel's public routes: `/health`, `/metrics`, `/_api/openapi.json`, and each plugin's health and document."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import falcon
import msgspec

from reactor_kernel.contributions import Access, Mount, OpenApiFragment
from reactor_kernel.http.openapi import merge
from reactor_kernel.http.parts import HttpParts
from reactor_kernel.observe.redact import redact_text

CHECK_SECONDS = 2.0
KEEP_SECONDS = 1.0


class _Look:
    """One run of one check on a thread of its own, which cannot hold up the process' end."""

    def __init__(self, name: str, check: Callable[[], str | None]) -> None:
        self.problem: str | None = None
        self._check = check
        self._thread = threading.Thread(target=self._run, name=f"health-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.problem = self._check()
        except Exception as exc:  # noqa: BLE001 - a check that raises is ill, and says how
            self.problem = redact_text(f"{type(exc).__name__}: {exc}")

    def done(self, timeout: float) -> bool:
        self._thread.join(timeout)
        return not self._thread.is_alive()


class HealthBoard:
    """Runs every cheap check, each bounded to 2 s, and keeps the verdict for a second."""

    def __init__(self, parts: HttpParts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._kept: tuple[float, list[dict[str, Any]]] | None = None
        self._hanging: dict[int, _Look] = {}

    def capabilities(self) -> list[dict[str, Any]]:
        """Return one entry per plugin, and the database when it is ill.

        A plugin that failed at boot is among them with `optional`: no other kind lets the server start without it.
        """
        with self._lock:
            now = time.monotonic()
            if self._kept is None or now - self._kept[0] > KEEP_SECONDS:
                entries = self._look()
                self._kept = (time.monotonic(), entries)
            return self._kept[1]

    def _look(self) -> list[dict[str, Any]]:
        checks: list[tuple[str, Callable[[], str | None]]] = [(name, check.check) for name, check in self._parts.health]
        if self._parts.database_health is not None:
            checks.append(("database", self._parts.database_health))
        problems: dict[str, str] = {}
        # A check that still hangs is not started a second time; it stays ill until it returns.
        looks = [(n, name, self._hanging.get(n) or _Look(name, check)) for n, (name, check) in enumerate(checks)]
        until = time.monotonic() + CHECK_SECONDS
        for number, name, look in looks:
            # One that hung the last time has had its two seconds: whoever asks meanwhile would hold a thread for them again.
            if look.done(0.0 if number in self._hanging else max(0.0, until - time.monotonic())):
                self._hanging.pop(number, None)
                problem = look.problem
            else:
                self._hanging[number] = look
                problem = f"no answer within {CHECK_SECONDS:.0f} s"
            if problem is not None:
                problems.setdefault(name, problem)
        names = [*self._parts.versions, *(name for name in problems if name not in self._parts.versions)]
        entries: list[dict[str, Any]] = [
            {"name": name, "status": "unhealthy", "error": problems[name]}
            if name in problems
            else {"name": name, "status": "healthy"}
            for name in names
        ]
        return entries + [
            {"name": name, "status": "unhealthy", "error": error, "optional": True}
            for name, error in self._parts.failed.items()
        ]


class Health:
    """`GET /health`."""

    def __init__(self, board: HealthBoard, draining: Callable[[], bool]) -> None:
        self._board = board
        self._draining = draining

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """200 when every part that must run is healthy, else 503 naming the ill ones; 503 `draining` during shutdown."""
        entries = self._board.capabilities()
        well = all(entry["status"] == "healthy" or entry.get("optional") for entry in entries)
        status = "draining" if self._draining() else "healthy" if well else "unhealthy"
        resp.status = 200 if status == "healthy" else 503
        resp.data = msgspec.json.encode({"status": status, "capabilities": entries})
        resp.content_type = "application/json; charset=utf-8"


class MetricsPage:
    """`GET /metrics`."""

    def __init__(self, metrics: Any) -> None:
        self._metrics = metrics

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Prometheus text of all plugins."""
        resp.data, resp.content_type = self._metrics.render()


class Document:
    """An OpenAPI document, encoded once."""

    def __init__(self, document: Callable[[], dict[str, Any]]) -> None:
        self._document = document
        self._encoded: bytes | None = None

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The document as JSON."""
        if self._encoded is None:
            self._encoded = msgspec.json.encode(self._document(), enc_hook=str)
        resp.data = self._encoded
        resp.content_type = "application/json; charset=utf-8"


class PluginHealth:
    """`GET /<prefix>/health`, for plugins that mount none of their own."""

    def __init__(self, version: str) -> None:
        self._body = msgspec.json.encode({"status": "ok", "version": version})

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The plugin is mounted and this process answers; `/health` looks at its parts."""
        resp.data = self._body
        resp.content_type = "application/json; charset=utf-8"


def system_mounts(parts: HttpParts, document: Callable[[], HttpParts]) -> list[tuple[str, Mount]]:
    """Return the kernel's public mounts and each plugin's standard ones."""
    taken = {mount.path for _, mount in parts.mounts}
    mounts = [
        ("kernel", Mount("/health", Health(HealthBoard(parts), parts.draining), access=Access.PUBLIC)),
        ("kernel", Mount("/metrics", MetricsPage(parts.metrics), access=Access.PUBLIC)),
        ("kernel", Mount("/_api/openapi.json", Document(lambda: merge(document())), access=Access.PUBLIC)),
    ]
    for name, prefix in parts.prefixes.items():
        own: list[tuple[str, object]] = [
            (f"{prefix}/health", PluginHealth(parts.versions[name])),
            (f"{prefix}/openapi.json", Document(lambda name=name: merge(document(), name))),  # type: ignore[misc]
        ]
        mounts += [(name, Mount(path, resource, access=Access.PUBLIC)) for path, resource in own if path not in taken]
    return mounts


def system_documents(parts: HttpParts, mounts: list[tuple[str, Mount]]) -> list[tuple[str, OpenApiFragment]]:
    """Document the mounts that `system_mounts` made."""
    summaries = {"health": "Health", "metrics": "Metrics in Prometheus text", "openapi.json": "OpenAPI document"}
    fragments = []
    for owner, mount in mounts:
        summary = summaries[mount.path.rsplit("/", 1)[-1]]
        operation = {"summary": summary, "tags": [owner], "responses": {"200": {"description": summary}}}
        fragments.append((owner, OpenApiFragment({"paths": {mount.path: {"get": operation}}})))
    return fragments
