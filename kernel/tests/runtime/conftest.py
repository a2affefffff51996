"""Starts the fake server as a process and talks to it over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "fake_server.py"


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RunningServer:
    """One running fake server."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self.log_path = log
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *arguments],
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
            start_new_session=True,
        )
        line = self.process.stdout.readline()
        self.port = int(line.split()[1]) if line else 0

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=15)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **kw: Any
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, body, headers or {}, **kw)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def until_up(self) -> RunningServer:
        eventually(self.answers)
        return self

    def answers(self) -> bool:
        try:
            return self.get("/health").status == 200
        except OSError:
            return False

    def worker_pids(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = 20) -> int:
        return self.process.wait(timeout)


def eventually(condition: Callable[[], Any], timeout: float = 15) -> Any:
    """Wait for a condition, bounded; return its truthy value."""
    ends = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < ends, f"did not become true within {timeout} s"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    servers: list[RunningServer] = []

    def begin(*arguments: str) -> RunningServer:
        server = RunningServer([str(a) for a in arguments], tmp_path / f"server{len(servers)}.log")
        servers.append(server)
        return server

    yield begin
    for server in servers:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(5)
        server.process.stdout.close()
        sys.stderr.write(server.log)


@pytest.fixture(params=["waitress", "granian"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "granian":
        pytest.importorskip("granian")
    return request.param


@pytest.fixture(autouse=True)
def hangups_are_heard() -> Iterator[None]:
    """Under nohup SIGHUP is ignored, and what the tests start would inherit that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
