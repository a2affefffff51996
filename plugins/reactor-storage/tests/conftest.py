"""A booted kernel with storage and a plugin that believes who a test says it is."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reactor_kernel.testing import fakes

SECRET = "a secret that signs URLs"
# What a stranger to both notices must be the same on each; REACTOR_TEST_STORAGE=s3 (or fs,s3,memory) runs everything so.
ON_EACH_BACKEND = {"test_collecting", "test_conditions", "test_multipart", "test_objects"}


def pytest_generate_tests(metafunc: Any) -> None:
    """Run tests that keep contents on the backends that are asked for."""
    if "stored_on" not in metafunc.fixturenames:
        return
    named = os.environ.get("REACTOR_TEST_STORAGE")
    module = metafunc.module.__name__.rpartition(".")[2]
    if named:
        metafunc.parametrize("stored_on", named.split(","), indirect=True)
    elif module in ON_EACH_BACKEND and "tests/http/" in str(metafunc.definition.path):
        metafunc.parametrize("stored_on", ["fs", "s3"], indirect=True)


TrustingAuth = fakes.TrustingAuth.named("auth")


class Member(fakes.Member):
    """A user in an organisation, with an HTTP client."""

    def __init__(self, client: Any, org_id: str | None = None, permissions: tuple[str, ...] = ("*",)) -> None:
        super().__init__(client, "/storage/v1", org_id, permissions=permissions)

    @property
    def permissions(self) -> tuple[str, ...]:
        """What its roles grant; a test may change it."""
        held: tuple[str, ...] = self.more["permissions"]
        return held

    @permissions.setter
    def permissions(self, held: tuple[str, ...]) -> None:
        self.more["permissions"] = held

    def colleague(self, *permissions: str) -> Member:
        return Member(self.client, self.org_id, permissions)

    def call(self, method: str, path: str, *, body: Any = None, **headers: str) -> Any:
        """Send a request; a content, unlike a document, goes without a type of its own."""
        if body is None or isinstance(body, (bytes, str)) or hasattr(body, "__next__"):
            sent = self.headers | {name.replace("_", "-"): text for name, text in headers.items()}
            return self.client.request(method, f"{self.prefix}/{path}", content=body, headers=sent)
        return super().call(method, path, body=body, **headers)

    def bucket(self, name: str = "docs", **fields: Any) -> dict[str, Any]:
        answer = self.call("POST", "buckets", body={"name": name, **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def s3_key(self, **fields: Any) -> dict[str, Any]:
        """Make an S3 access key; returns it with its secret."""
        answer = self.call("POST", "s3-credentials", body={"name": "a key", **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def put(self, path: str, body: bytes = b"content", **headers: str) -> Any:
        answer = self.call("PUT", f"object/{path}", body=body, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", f"object/{path}", **headers)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    return root


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Any]:
    """An S3 that all tests of this run share, each in a bucket of its own."""
    from .s3_server import S3Server

    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def s3_settings(s3_server: Any, monkeypatch: Any) -> dict[str, Any]:
    """The keys of `[storage]` for an empty bucket of that S3, with its credentials in the environment."""
    from .s3_server import KEYS, REGION

    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    return {"backend": "s3", "s3_bucket": s3_server.bucket(), "s3_endpoint": s3_server.url, "s3_region": REGION}


@pytest.fixture
def s3_backend(s3_settings: dict[str, Any]) -> Callable[..., Any]:
    """Make the backend `s3` over that bucket: `s3_backend(endpoint=…, timeout=1)`."""

    def make(**options: Any) -> Any:
        from reactor_storage.backends.s3 import S3Backend

        usual = {
            "bucket": s3_settings["s3_bucket"], "region": s3_settings["s3_region"], "endpoint": s3_settings["s3_endpoint"],
            "prefix": "project/", "timeout": 20, "log": logging.getLogger("reactor_storage"),
        }  # fmt: skip
        return S3Backend(**{**usual, **options})

    return make


@pytest.fixture
def stored_on(request: Any) -> str:
    """The backend that `boot` configures: fs, s3, or memory, which a plugin of the tests brings."""
    kind: str = getattr(request, "param", "fs")
    return kind


@pytest.fixture
def boot(kernel_factory: Any, root: Path, stored_on: str, request: Any) -> Callable[..., Any]:
    from reactor_storage.plugin import StoragePlugin

    from .backends.memory_backend import MemoryBackendPlugin

    settings = {"fs": {"fs_base_path": "files"}, "memory": {"backend": "memory"}}.get(stored_on)
    if settings is None:
        settings = request.getfixturevalue("s3_settings")
    plugins = [TrustingAuth, StoragePlugin, *([MemoryBackendPlugin] if stored_on == "memory" else [])]

    def make(**config: Any) -> Any:
        section = {"signing_secret": SECRET, **settings, **config}
        return kernel_factory(*plugins, config={"storage": section}, root=root)

    return make


@pytest.fixture
def kernel(boot: Callable[..., Any]) -> Any:
    return boot()


@pytest.fixture
def files(kernel: Any, root: Path, stored_on: str, request: Any) -> Callable[[], list[str]]:
    """List every file under the backend's root, or every object and open upload in its bucket."""

    def on_disk() -> list[str]:
        return sorted(str(path.relative_to(root / "files")) for path in (root / "files").rglob("*") if path.is_file())

    if stored_on == "fs":
        return on_disk
    if stored_on == "memory":
        pytest.skip("nobody can look into this backend from outside")
    server, settings = request.getfixturevalue("s3_server"), request.getfixturevalue("s3_settings")
    return lambda: server.listed(settings["s3_bucket"])


@pytest.fixture
def sql(kernel: Any) -> Callable[..., list[tuple[str | None, ...]]]:
    from reactor_kernel.api import Statement

    def run(text: str, *params: str) -> list[tuple[str | None, ...]]:
        (result,) = kernel.database.run(None, [Statement(text, params)])
        return [tuple(None if value is None else value.decode() for value in row) for row in result.rows]

    return run


@pytest.fixture
def ann(client: Any) -> Member:
    return Member(client)


@pytest.fixture
def bob(client: Any) -> Member:
    """Somebody of another organisation."""
    return Member(client)


@pytest.fixture
def wire(boot: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Boot with other configuration: `wire(max_upload_size=2)` returns a client."""
    opened: list[Any] = []

    def make(**config: Any) -> Any:
        transport = httpx.WSGITransport(app=boot(**config).app, raise_app_exceptions=True, remote_addr="127.0.0.1")
        opened.append(httpx.Client(transport=transport, base_url="http://reactor.test"))
        return opened[-1]

    yield make
    for one in opened:
        one.close()
