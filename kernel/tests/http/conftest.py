"""Applications built from plain mounts, called through real sockets."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from reactor_kernel.clock import SystemClock
from reactor_kernel.config.model import AdminConfig, OpsConfig, ServerConfig
from reactor_kernel.contracts.identity import ANONYMOUS, DbRole, Identity, IdentityKind
from reactor_kernel.contributions import Mount, OpenApiFragment, ServerEngine, ServeRequest
from reactor_kernel.errors import InvalidCredential, PermissionDenied
from reactor_kernel.http.app import WsgiApp, build_app
from reactor_kernel.http.parts import HttpParts
from reactor_kernel.observe.metrics import Metrics
from reactor_kernel.runtime.engines import GRANIAN, WAITRESS

# The same behaviour is expected of both: REACTOR_TEST_ENGINE=granian pytest kernel/tests/http
ENGINE = GRANIAN if os.environ.get("REACTOR_TEST_ENGINE") == "granian" else WAITRESS
ADMIN_TOKEN = "an-admin-token-of-more-than-32-characters"
USER = Identity(IdentityKind.USER, "user_1", DbRole.AUTHENTICATED, user_id="1", permissions=frozenset({"shop:read"}))
SERVICE = Identity(IdentityKind.SERVICE, "service", DbRole.SERVICE)
OPERATOR = Identity(IdentityKind.USER, "user_2", DbRole.AUTHENTICATED, scopes=frozenset({"ops:*"}))
API_KEY = Identity(IdentityKind.API_KEY, "apikey:3", DbRole.AUTHENTICATED, scopes=frozenset({"ops:*"}))
CALLERS = {"user": USER, "service": SERVICE, "operator": OPERATOR, "key": API_KEY}


def identify(request: Any) -> Identity:
    """Know four tokens; another bearer is a bad credential of ours, no bearer is nobody."""
    scheme, _, token = (request.get_header("Authorization") or "").partition(" ")
    if scheme.lower() != "bearer":
        return ANONYMOUS
    if token not in CALLERS:
        raise InvalidCredential("the token is not valid")
    return CALLERS[token]


def authorize(identity: Identity, permission: str, target: object = None) -> None:
    if not identity.may(permission):
        raise PermissionDenied(f"this needs the permission {permission}")


def documented(*mounts: Mount) -> OpenApiFragment:
    """Document mounts exactly as they are."""
    from reactor_kernel.http.mounting import documented_path, methods_of

    paths = {
        documented_path(mount.path): {
            method.lower(): {"responses": {"200": {"description": "OK"}}} for method in methods_of(mount)
        }
        for mount in mounts
    }
    return OpenApiFragment({"paths": paths})


def make_parts(*mounts: Mount, server: ServerConfig | None = None, **changes: Any) -> HttpParts:
    """Parts of a kernel with one plugin, `shop`, that mounts and documents `mounts`."""
    parts = HttpParts(
        server=server or ServerConfig(),
        admin=AdminConfig(token=ADMIN_TOKEN),
        ops=OpsConfig(),
        mounts=[("shop", mount) for mount in mounts],
        fallback=(),
        middleware=(),
        openapi=[("shop", documented(*mounts))],
        prefixes={"shop": "/shop/v1"},
        versions={"shop": "2.1.0"},
        identify=identify,
        authorize=authorize,
        metrics=Metrics(version="9.9.9"),
        log=logging.getLogger("reactor_kernel"),
        clock=SystemClock(),
        draining=lambda: False,
        version="9.9.9",
    )
    return replace(parts, **changes)


class Served:
    """An application behind one of the kernel's engines."""

    def __init__(self, app: WsgiApp, address: tuple[str, int]) -> None:
        self.app = app
        self.address = address
        self.client = httpx.Client(base_url=f"http://{address[0]}:{address[1]}", timeout=10)

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and read until the server closes."""
        with socket.create_connection(self.address, timeout=10) as sock:
            sock.sendall(request)
            received = b""
            while data := sock.recv(65536):
                received += data
            return received


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serve mounts of the plugin `shop`; keyword arguments change the engine, its options and the parts."""
    running: list[tuple[threading.Event, threading.Thread, Served]] = []

    def start(
        *mounts: Mount, engine: ServerEngine = ENGINE, options: Mapping[str, Any] | None = None, **changes: Any
    ) -> Served:
        parts = make_parts(*mounts, **changes)
        app, server = build_app(parts), parts.server
        listener = socket.create_server(("127.0.0.1", 0))
        address, stop = listener.getsockname()[:2], threading.Event()
        request = ServeRequest(
            app,
            listener,
            8,
            server.max_body_bytes,
            app.body_limit_for,
            0.5,
            stop,
            options or {},
            app.cross_origin_headers,
        )
        thread = threading.Thread(target=engine.serve, args=(request,), daemon=True)
        thread.start()
        served = Served(app, address)
        running.append((stop, thread, served))
        return served

    yield start
    for stop, thread, served in running:
        served.client.close()
        stop.set()
        thread.join(5)


@pytest.fixture
def parts() -> Callable[..., HttpParts]:
    """Make the parts of an application without building it."""
    return make_parts


@pytest.fixture
def admin_header() -> dict[str, str]:
    """The admin credential."""
    return {"Authorization": f"Bearer {ADMIN_TOKEN}"}
