"""The admin routes and their documentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import falcon

from reactor_kernel.admin.logs import Logs, LogStream
from reactor_kernel.admin.vault import Rotate, Secret, Secrets
from reactor_kernel.contracts.runtime import Clock, Project, Vault
from reactor_kernel.contributions import Access, Mount, OpenApiFragment
from reactor_kernel.contributions.operations import Readiness
from reactor_kernel.doctor import Report
from reactor_kernel.observe.ring import LogRing


@dataclass(frozen=True)
class AdminParts:
    """What the admin routes act on."""

    version: str
    capabilities: Callable[[], dict[str, str]]
    doctor: Callable[[], Report]
    migrate: Callable[[bool], Any]
    ring: LogRing
    vault: Vault
    shutdown: Callable[[], None]
    project: Project | None
    clock: Clock
    draining: Callable[[], bool]


class Version:
    """`GET /_admin/version`."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The server's and each mounted capability's version."""
        version = self._parts.version
        resp.media = {"reactor_server": version, "version": version, "capabilities": self._parts.capabilities()}


class Doctor:
    """`GET /_admin/doctor`."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Run every probe: 200, or 207 when one fails."""
        report = self._parts.doctor()
        project = self._parts.project
        tenant = {
            "project_id": project.id if project else "not-configured",
            "project_ref": project.ref if project else "not-configured",
            "project_name": project.name if project else "not-configured",
            "env": project.env if project else "unknown",
        }
        resp.status = 207 if report.status is Readiness.FAIL else 200
        resp.media = {
            "status": report.status.value,
            "tenant": tenant,
            "capabilities": report.capabilities(["database", *self._parts.capabilities()]),
            "checks": report.lines(),
        }


class Migrate:
    """`POST /_admin/migrate`."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Apply what is pending; with `dry_run=true` only list it."""
        dry_run = req.get_param_as_bool("dry_run", default=False) or False
        report = self._parts.migrate(dry_run)
        verb = "would be applied" if dry_run else "applied"
        resp.media = {
            "status": "ok",
            "message": f"{len(report.applied)} {verb}",
            "dry_run": dry_run,
            "applied": list(report.applied),
            "skipped": list(report.skipped),
        }


class Shutdown:
    """`POST /_admin/shutdown`."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Drain and exit; answers first."""
        req.context.on_close.append(self._parts.shutdown)
        resp.status = 202
        resp.media = {"status": "accepted", "message": "shutdown initiated"}


class LogsByAccept:
    """`GET /_admin/logs`: an array, or with `follow=1` or `Accept: text/event-stream` a stream."""

    def __init__(self, snapshot: Logs, stream: LogStream) -> None:
        self._snapshot = snapshot
        self._stream = stream

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Choose by the request."""
        follow = req.get_param_as_bool("follow", default=False) or "text/event-stream" in (req.accept or "")
        (self._stream if follow else self._snapshot).on_get(req, resp)


def admin_mounts(parts: AdminParts) -> list[Mount]:
    """Return every admin route; all need the admin token."""
    logs = LogsByAccept(
        Logs(parts.ring, parts.clock, parts.draining), LogStream(parts.ring, parts.clock, parts.draining)
    )
    return [
        Mount("/_admin/version", Version(parts), access=Access.ADMIN),
        Mount("/_admin/doctor", Doctor(parts), access=Access.ADMIN, timeout=0),
        Mount("/_admin/migrate", Migrate(parts), access=Access.ADMIN, timeout=0),
        Mount("/_admin/logs", logs, access=Access.ADMIN, timeout=0),
        Mount("/_admin/vault/secrets", Secrets(parts.vault), access=Access.ADMIN),
        Mount("/_admin/vault/secrets/{key:path}", Secret(parts.vault), access=Access.ADMIN),
        Mount("/_admin/vault/rotate", Rotate(parts.vault), access=Access.ADMIN),
        Mount("/_admin/shutdown", Shutdown(parts), access=Access.ADMIN),
    ]


_SUMMARIES: dict[str, dict[str, str]] = {
    "/_admin/version": {"get": "Versions of the server and its capabilities"},
    "/_admin/doctor": {"get": "Run every probe"},
    "/_admin/migrate": {"post": "Apply or list pending migrations"},
    "/_admin/logs": {"get": "Recent log lines, or a stream of them"},
    "/_admin/vault/secrets": {"get": "Names and versions of secrets"},
    "/_admin/vault/secrets/{key}": {"get": "Read a secret", "put": "Store a secret", "delete": "Delete a secret"},
    "/_admin/vault/rotate": {"post": "Add a version to a named key"},
    "/_admin/shutdown": {"post": "Drain and exit"},
}


def admin_document() -> OpenApiFragment:
    """Document the admin routes."""
    paths = {
        path: {
            verb: {
                "summary": summary,
                "tags": ["admin"],
                "security": [{"bearerAuth": []}],
                "responses": {
                    "200": {"description": "OK"},
                    "401": {"description": "The admin token is missing or wrong"},
                },
            }
            for verb, summary in verbs.items()
        }
        for path, verbs in _SUMMARIES.items()
    }
    return OpenApiFragment(
        {"paths": paths, "tags": [{"name": "admin", "description": "For operators, with the admin token"}]}
    )
