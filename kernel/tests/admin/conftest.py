"""The admin routes over a socket, with a real vault in memory and a ring of log lines."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from reactor_kernel.admin.mounts import AdminParts, admin_document, admin_mounts
from reactor_kernel.clock import SystemClock
from reactor_kernel.config.model import AdminConfig, OpsConfig, ServerConfig, VaultConfig
from reactor_kernel.contracts.identity import ANONYMOUS
from reactor_kernel.contracts.runtime import Project
from reactor_kernel.contributions import Probe, ProbeResult, Readiness, ServeRequest
from reactor_kernel.db.migrate import MigrationReport
from reactor_kernel.doctor import run_probes
from reactor_kernel.http.app import build_app
from reactor_kernel.http.parts import HttpParts
from reactor_kernel.observe.metrics import Metrics
from reactor_kernel.observe.ring import LogRing
from reactor_kernel.runtime.engines import WAITRESS
from reactor_kernel.vault import open_vault

TOKEN = "an-admin-token-of-more-than-32-characters"
ID = "019213f5-0000-7000-8000-000000000001"


@dataclass
class Admin:
    """A running admin surface and what it acts on."""

    client: httpx.Client = field(init=False)
    ring: LogRing = field(default_factory=lambda: LogRing(size=1 << 20))
    probes: list[tuple[str, Probe]] = field(default_factory=list)
    migrated: list[bool] = field(default_factory=list)
    migrate_error: Exception | None = None
    shutdowns: int = 0
    draining: bool = False
    vault: Any = None

    def log(self, message: str, **line: Any) -> int:
        """Put a line into the ring, as a worker would."""
        whole = {
            "timestamp": "2026-01-02T03:04:05.000+00:00",
            "level": "info",
            "target": "reactor_kernel",
            "message": message,
            "capability": "kernel",
            "fields": {},
        }
        return self.ring.append(json.dumps({**whole, **line}).encode())

    def migrate(self, dry_run: bool) -> MigrationReport:
        if self.migrate_error is not None:
            raise self.migrate_error
        self.migrated.append(dry_run)
        return MigrationReport(applied=["shop:0002"], skipped=["shop:0001"])

    def shutdown(self) -> None:
        self.shutdowns += 1


@pytest.fixture
def probe() -> Callable[..., Probe]:
    """Make a probe with a verdict."""

    def make(name: str, status: Readiness, message: str = "looked", **details: object) -> Probe:
        return Probe(name, lambda: ProbeResult(status, message, details))

    return make


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[Admin]:
    """The admin surface, called with its token."""
    it = Admin()
    it.vault = open_vault(VaultConfig(backend="mock", master_key=None), project_id=ID, root=tmp_path)
    clock = SystemClock()
    capabilities: Mapping[str, str] = {"shop": "2.1.0"}
    parts = AdminParts(
        version="9.9.9",
        capabilities=lambda: dict(capabilities),
        doctor=lambda: run_probes(it.probes),
        migrate=it.migrate,
        ring=it.ring,
        vault=it.vault,
        shutdown=it.shutdown,
        project=Project(id=ID, ref="ydkp2usxw4l75pcnlajn", name="todo", env="production", root=tmp_path),
        clock=clock,
        draining=lambda: it.draining,
    )
    app = build_app(
        HttpParts(
            server=ServerConfig(threads=8),
            admin=AdminConfig(token=TOKEN),
            ops=OpsConfig(),
            mounts=[("kernel", mount) for mount in admin_mounts(parts)],
            fallback=(),
            middleware=(),
            openapi=[("kernel", admin_document())],
            prefixes={},
            versions=dict(capabilities),
            identify=lambda request: ANONYMOUS,
            authorize=lambda identity, permission, target: None,
            metrics=Metrics(version="9.9.9"),
            log=logging.getLogger("reactor_kernel"),
            clock=clock,
            draining=lambda: it.draining,
            version="9.9.9",
        )
    )
    listener, stop = socket.create_server(("127.0.0.1", 0)), threading.Event()
    port = listener.getsockname()[1]
    request = ServeRequest(app, listener, 8, 2 * 1024 * 1024, app.body_limit_for, 0.5, stop)
    thread = threading.Thread(target=WAITRESS.serve, args=(request,), daemon=True)
    thread.start()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10) as client:
        it.client = client
        yield it
    it.draining = True
    stop.set()
    thread.join(5)
