"""Every allowed subset of the installed plugins boots and shows its own routes only."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, combinations
from typing import Any

import httpx
import pytest

from reactor_kernel.errors import BootError
from reactor_kernel.kernel import Kernel, Stage
from reactor_kernel.testing import KernelFactory, live

CONFIG: dict[str, dict[str, Any]] = {
    "auth": {"data_key": "A" * 43 + "=", "public_url": "http://127.0.0.1:8000"},
    "storage": {"signing_secret": "a secret that signs URLs"},
}


def installed() -> dict[str, type]:
    """The plugins of this repository that are installed here, by name."""
    points = importlib.metadata.entry_points(group="reactor.plugins")
    return {point.name: point.load() for point in sorted(points, key=lambda point: point.name)}


PLUGINS = installed()


def subsets(*, allowed: bool) -> Iterator[tuple[str, ...]]:
    names = sorted(PLUGINS)
    for subset in chain.from_iterable(combinations(names, size) for size in range(len(names) + 1)):
        complete = all(set(PLUGINS[name].info.requires) <= set(subset) for name in subset)  # type: ignore[attr-defined]
        if complete is allowed:
            yield subset


def config(subset: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {name: CONFIG[name] for name in subset if name in CONFIG}


def boot(factory: KernelFactory, subset: Sequence[str], until: Stage = Stage.MIGRATED) -> Kernel:
    return factory(*(PLUGINS[name] for name in subset), config=config(subset), until=until)


def client(kernel: Kernel) -> httpx.Client:
    transport = httpx.WSGITransport(app=kernel.app, remote_addr="127.0.0.1")
    return httpx.Client(transport=transport, base_url="http://reactor.test")


def routes(kernel: Kernel) -> set[tuple[str, str]]:
    return {(route.method, route.path) for route in kernel.app.routes()}


def test_the_plugins_of_the_first_slice_are_here() -> None:
    assert {"auth", "data", "hello", "storage"} <= set(PLUGINS)


@pytest.mark.parametrize("subset", list(subsets(allowed=True)), ids=lambda subset: "+".join(subset) or "none")
def test_an_allowed_subset_boots_and_shows_itself_only(kernel_factory: KernelFactory, subset: tuple[str, ...]) -> None:
    kernel = boot(kernel_factory, subset)
    with client(kernel) as session:
        health = session.get("/health")
        assert health.status_code == 200, health.text
        assert sorted(entry["name"] for entry in health.json()["capabilities"]) == sorted(subset)
        paths = session.get("/_api/openapi.json").json()["paths"]
    prefixes = {PLUGINS[name].info.url_prefix for name in subset}  # type: ignore[attr-defined]
    foreign = [
        path
        for path in paths
        if not path.startswith(("/_", "/health", "/metrics", "/.well-known/"))
        and not any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)
    ]
    assert foreign == []


def test_the_whole_serves_every_route_of_each_part(kernel_factory: KernelFactory) -> None:
    whole = routes(boot(kernel_factory, sorted(PLUGINS), Stage.BUILT))
    for subset in subsets(allowed=True):
        part = routes(boot(kernel_factory, subset, Stage.BUILT))
        assert part - whole == set(), f"routes of {subset} are missing in the whole"


@pytest.mark.parametrize("subset", list(subsets(allowed=False)), ids="+".join)
def test_a_subset_that_lacks_what_it_requires_says_so(kernel_factory: KernelFactory, subset: tuple[str, ...]) -> None:
    with pytest.raises(BootError) as caught:
        boot(kernel_factory, subset, Stage.DISCOVERED)
    needed = {
        (name, need)
        for name in subset
        for need in PLUGINS[name].info.requires  # type: ignore[attr-defined]
        if need not in subset
    }
    assert {str(fault).splitlines()[0] for fault in caught.value.faults} == {
        f"config error: {name}: depends on [{need}], which is not configured" for name, need in needed
    }
    assert caught.value.exit_code == 2


def test_two_kernels_live_side_by_side_in_one_process(kernel_factory: KernelFactory) -> None:
    hello = PLUGINS["hello"]
    one = kernel_factory(hello, config={"hello": {"greeting": "Hello"}})
    two = kernel_factory(hello, PLUGINS["auth"], config={"hello": {"greeting": "Servus"}, **config(["auth"])})
    assert one.config.database.url != two.config.database.url
    with live(one) as first, live(two) as second, ThreadPoolExecutor(8) as pool:
        asked = [(server, number) for number in range(40) for server in (first, second)]
        answers = list(
            pool.map(lambda pair: httpx.get(f"{pair[0].url}/hello/v1/greeting/{pair[1]}").json()["text"], asked)
        )
        assert answers == [f"{word}, {number}!" for number in range(40) for word in ("Hello", "Servus")]
        assert httpx.get(f"{first.url}/auth/v1/keys").status_code == 404
        counted = [_requests(httpx.get(f"{server.url}/metrics").text) for server in (first, second)]
    assert counted == [40, 40], "each counts its own requests"


def _requests(text: str) -> int:
    lines = (line for line in text.splitlines() if line.startswith("reactor_http_requests_total{"))
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines if 'capability="hello"' in line))
