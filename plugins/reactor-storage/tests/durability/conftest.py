"""Servers in processes of their own, and a look at what they left."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from reactor_kernel.api import Statement, uuid7
from reactor_kernel.clock import SystemClock
from reactor_kernel.testing import FrozenClock, free_port
from reactor_storage.backends.fs import FileSystemBackend
from reactor_storage.remains import Remains, Swept

# For what stands beside the tests: they are imported by their path.
sys.path.insert(0, str(Path(__file__).parent))

SECRET = "a secret that signs URLs"
SCRIPT = Path(__file__).parent / "mortal_server.py"
REFERENCED = """select locator from _reactor_storage.versions where locator is not null
  union select locator from _reactor_storage.multipart_parts"""


class Mortal:
    """A server that can be killed and started again on the same port, database and directory."""

    def __init__(self, root: Path, database_url: str, config: dict[str, Any]) -> None:
        self.files = root / "files"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = {
            "server": {"bind": f"127.0.0.1:{self.port}", **config.pop("server", {})},
            "database": {"url": database_url, "pool_max": 10},
            "storage": {
                "signing_secret": SECRET, "fs_base_path": "files", "backend": "mortal",
                "sweep_every_secs": 3600, **config,
            },
        }  # fmt: skip
        self.log = root / "server.log"
        facts = {"root": str(root), "database_url": database_url, "config": self.config}
        with self.log.open("wb") as log:
            self._parent = subprocess.Popen(
                [sys.executable, str(SCRIPT), json.dumps(facts)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True, bufsize=1,
            )  # fmt: skip
        self.pid: int | None = None

    def start(self) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write("start\n")
        self.pid = int(self._parent.stdout.readline() or self._failed("it did not start"))
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health", timeout=5).status_code == 200:
                    return
            time.sleep(0.02)
        self._failed("it did not answer")

    def ended(self) -> int:
        """Wait for the end of the server and return how it ended."""
        assert self._parent.stdout is not None
        self.pid = None
        return int(self._parent.stdout.readline() or self._failed("it did not end"))

    def kill(self) -> None:
        """Kill it, with its workers."""
        assert self.pid is not None
        os.killpg(self.pid, signal.SIGKILL)
        assert self.ended() == -signal.SIGKILL

    def said(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-6000:]

    def close(self) -> None:
        assert self._parent.stdin is not None
        try:
            if self.pid is not None:
                os.kill(self.pid, signal.SIGTERM)
                assert self.ended() == 0
        finally:
            self._parent.stdin.close()
            self._parent.wait(20)

    def _failed(self, what: str) -> str:
        raise AssertionError(f"{what}:\n{self.said()}")


class Leftovers:
    """What lies on the disk, what rows refer to, and what a sweep of tomorrow does about the difference."""

    def __init__(self, database: Any, files: Path) -> None:
        self._database = database
        self._files = files

    def kept(self) -> set[str]:
        """Return the locators on the disk, each of which must name its content."""
        found = set()
        for path in (self._files / "blobs").rglob("*"):
            if path.is_file():
                assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name, f"{path} holds something else"
                found.add(path.name)
        return found

    def staged(self) -> list[str]:
        return sorted(path.name for path in (self._files / "staging").glob("*"))

    def referenced(self) -> set[str]:
        return self._texts(REFERENCED)

    def sweep(self) -> Swept:
        """Sweep as the service will in 25 hours."""
        clock = FrozenClock(SystemClock().now())
        clock.advance(hours=25)
        log = logging.getLogger("test.sweep")
        return Remains(self._database, FileSystemBackend(self._files, log), clock, log).sweep()

    def check(self) -> None:
        """Every referenced content is there, and the sweep removes exactly the others."""
        before, referenced = self.kept(), self.referenced()
        assert referenced <= before, "a row refers to a content that is not there"
        orphans, staged = before - referenced, len(self.staged())
        known = self._texts("select locator from _reactor_storage.blobs") - referenced
        swept = self.sweep()
        assert self.kept() == referenced == self._texts("select locator from _reactor_storage.blobs")
        assert self.staged() == []
        assert (swept.unreferenced, swept.unknown, swept.staged) == (len(known), len(orphans - known), staged)

    def _texts(self, sql: str) -> set[str]:
        (result,) = self._database.run(None, [Statement(sql)])
        return {row[0].decode() for row in result.rows}


class Someone:
    """A user of a mortal server."""

    def __init__(self, server: Mortal, org_id: str | None = None) -> None:
        facts = {"user_id": str(uuid7()), "org_id": org_id or str(uuid7()), "permissions": ["*"]}
        self._key: Credentials | None = None
        self.client = httpx.Client(
            base_url=f"{server.url}/storage/v1/",
            headers={"Authorization": f"Bearer {json.dumps(facts)}"},
            timeout=60,
            limits=httpx.Limits(max_connections=200),
        )

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.client.request(method, path, **options)

    def put_by_s3(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Store as S3's clients do, with headers that are not signed."""
        if self._key is None:
            made = self.call("POST", "s3-credentials", json={"name": "a key"}).json()
            self._key = Credentials(made["access_key_id"], made["secret_access_key"])
        request = AWSRequest("PUT", f"{self.client.base_url}s3/{path}", data=content)
        S3SigV4Auth(self._key, "s3", "us-east-1").add_auth(request)
        return httpx.put(
            str(request.url), content=content, headers=dict(request.headers.items()) | dict(headers), timeout=60
        )

    def content(self, bucket: str, key: str) -> bytes | None:
        """Return an object's content, None where there is none. What is there must be whole and listed as it is."""
        read = self.call("GET", f"object/{bucket}/{key}")
        page = self.call("GET", f"buckets/{bucket}/objects", params={"prefix": key, "limit": 1000}).json()
        # The page of a bucket that is gone is an error.
        [entry] = [one for one in page.get("objects", ()) if one["key"] == key] or [None]
        if read.status_code == 404:
            assert entry is None, f"{key!r} is listed and cannot be read"
            return None
        assert read.status_code == 200, read.text
        assert read.headers["ETag"] == f'"{hashlib.sha256(read.content).hexdigest()}"'
        assert entry is not None, f"{key!r} can be read and is not listed"
        assert (entry["etag"], entry["size"]) == (read.headers["ETag"], len(read.content))
        return read.content


@pytest.fixture
def plugins() -> tuple[type, type]:
    from reactor_kernel.testing.fakes import TrustingAuth
    from reactor_storage.plugin import StoragePlugin

    return TrustingAuth.named("auth"), StoragePlugin


@pytest.fixture
def database_url(kernel_factory: Any, plugins: tuple[type, type]) -> str:
    url: str = kernel_factory.database_url(*plugins, config={"storage": {"signing_secret": SECRET}})
    return url


@pytest.fixture
def serve(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Mortal]]:
    """Start a server: `serve(server={"workers": 2}, max_upload_size=…)`."""
    opened: list[Mortal] = []

    def make(**config: Any) -> Mortal:
        root = tmp_path / f"mortal{len(opened)}"
        root.mkdir()
        opened.append(Mortal(root, database_url, config))
        opened[-1].start()
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def leftovers(kernel_factory: Any, plugins: tuple[type, type], database_url: str) -> Callable[[Mortal], Leftovers]:
    config = {"storage": {"signing_secret": SECRET}}
    kernel = kernel_factory(*plugins, config=config, database_url=database_url)
    return lambda server: Leftovers(kernel.database, server.files)


@pytest.fixture
def someone() -> Iterator[Callable[..., Someone]]:
    """Be a user: `someone(server)`."""
    made: list[Someone] = []

    def make(server: Mortal, org_id: str | None = None) -> Someone:
        made.append(Someone(server, org_id))
        return made[-1]

    yield make
    for one in made:
        one.client.close()
