"""The same questions to the client in process and to the one over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from reactor_kernel.api import AuthClient

SECRET = "internal-secret-of-this-platform-0123456789"


@pytest.fixture
def auth_config(auth_config: dict[str, Any]) -> dict[str, Any]:
    auth_config["internal_secret"] = SECRET
    return auth_config


@pytest.fixture
def remote_config(live_server: Any) -> dict[str, Any]:
    return {"url": live_server.url, "internal_secret": SECRET}


def _client_of(kernel: Any) -> AuthClient:
    """Return a kernel's own client, as a plugin gets it."""
    [provider] = [
        provider
        for plugin, provider in kernel.hooks.collect("reactor_services", (object,), lambda *_: None)
        if plugin.name == "auth"
    ]
    made: AuthClient = provider.factory()
    return made


@pytest.fixture
def client_of() -> Any:
    return _client_of


@pytest.fixture(params=["local", "remote"])
def auth(request: pytest.FixtureRequest, kernel: Any, kernel_factory: Any) -> AuthClient:
    if request.param == "local":
        return _client_of(kernel)
    from reactor_auth.plugin import AuthPlugin
    from reactor_kernel.kernel import Stage

    remote = request.getfixturevalue("remote_config")
    return _client_of(kernel_factory(AuthPlugin, config={"auth": remote}, until=Stage.BUILT))
