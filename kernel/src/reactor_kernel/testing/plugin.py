"""The pytest plugin: fixtures that import what they need when a test asks for them.

Override `reactor_plugins` and `reactor_config` in a test module or conftest to say what `kernel` boots:

```python
@pytest.fixture
def reactor_plugins():
    return [HelloPlugin]


@pytest.fixture
def reactor_config():
    return {"hello": {"greeting": "Hi"}}


def test_it_greets(client):
    assert client.get("/hello/v1/greeting/Ann").json() == {"text": "Hi, Ann"}
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from reactor_kernel.kernel import Kernel
    from reactor_kernel.testing.clock import FrozenClock
    from reactor_kernel.testing.events import CapturedEvents
    from reactor_kernel.testing.postgres import TestPostgres
    from reactor_kernel.testing.project import KernelFactory
    from reactor_kernel.testing.server import LiveServer


@pytest.fixture(scope="session")
def reactor_postgres() -> Iterator[TestPostgres]:
    """A Postgres for this run: an embedded one, or the server of `REACTOR_TEST_DATABASE_URL`."""
    from reactor_kernel.testing.postgres import start

    with start() as server:
        yield server


@pytest.fixture
def reactor_plugins() -> list[type]:
    """The plugin classes that `kernel` boots; override it."""
    return []


@pytest.fixture
def reactor_config() -> Mapping[str, Any]:
    """Sections of Reactor.toml for `kernel`, over defaults that make a test project; override it."""
    return {}


@pytest.fixture
def kernel_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KernelFactory]:
    """Boot kernels with explicit plugin classes: `kernel_factory(HelloPlugin, config={...})`; closed afterwards."""
    from reactor_kernel.testing.project import KernelFactory

    factory = KernelFactory(lambda: request.getfixturevalue("reactor_postgres"), tmp_path)
    if "captured_events" in request.fixturenames:
        factory.capture = request.getfixturevalue("captured_events")
    if "frozen_clock" in request.fixturenames:
        factory.clock = request.getfixturevalue("frozen_clock")
    try:
        yield factory
    finally:
        factory.close()


@pytest.fixture
def reactor_database_url(
    kernel_factory: KernelFactory, reactor_plugins: list[type], reactor_config: Mapping[str, Any]
) -> str:
    """The URL of a fresh database in which the branches of `reactor_plugins` are migrated; dropped afterwards."""
    return kernel_factory.database_url(*reactor_plugins, config=reactor_config)


@pytest.fixture
def kernel(
    kernel_factory: KernelFactory,
    reactor_plugins: list[type],
    reactor_config: Mapping[str, Any],
    reactor_database_url: str,
) -> Kernel:
    """A kernel with `reactor_plugins`, migrated on a database of its own; no background service runs."""
    return kernel_factory(*reactor_plugins, config=reactor_config, database_url=reactor_database_url)


@pytest.fixture
def client(kernel: Kernel) -> Iterator[httpx.Client]:
    """An HTTP client that calls `kernel` in process, without a socket."""
    import httpx

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        # httpx gives the path as text; PEP 3333 wants its bytes as Latin-1, as every server gives them.
        environ["PATH_INFO"] = environ["PATH_INFO"].encode("utf-8", "surrogateescape").decode("latin-1")
        return kernel.app(environ, start_response)

    transport = httpx.WSGITransport(app=app, raise_app_exceptions=True, remote_addr="127.0.0.1")
    with httpx.Client(transport=transport, base_url="http://reactor.test") as session:
        yield session


@pytest.fixture
def live_server(kernel: Kernel) -> Iterator[LiveServer]:
    """`kernel` with its background services, behind a real socket and the waitress engine; `live_server.url`."""
    from reactor_kernel.testing.server import live

    with live(kernel) as server:
        yield server


@pytest.fixture
def frozen_clock() -> FrozenClock:
    """A clock that stands until the test moves it; kernels made in the test use it."""
    from reactor_kernel.testing.clock import FrozenClock

    return FrozenClock()


@pytest.fixture
def captured_events() -> CapturedEvents:
    """What the plugins of kernels made in this test published after their commits, in order."""
    from reactor_kernel.testing.events import CapturedEvents

    return CapturedEvents()


@pytest.fixture
def fake_service() -> Callable[..., type]:
    """Make a plugin class that provides one contract: `fake_service(AuthClient, FakeAuth(), plugin="auth")`."""
    from reactor_kernel.testing.fakes import fake_service

    return fake_service


@pytest.fixture(scope="session")
def npm() -> Callable[..., Path]:
    """Install packages of npm once on this machine: `npm("typescript@5.9.3")` returns their `node_modules`."""
    from reactor_kernel.testing.npm import install

    return install
