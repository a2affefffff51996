"""What the composed tests share: throwaway distributions, and the `reactor` tool as a process."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from reactor_kernel.testing import free_port

_serial = itertools.count(1)


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make an installed distribution with one plugin: `distribution("thing", code, version="1.2", dist="reactor-thing")`.

    `code` defines the class `Plugin`; the import name of the module is returned.
    """

    def make(name: str, code: str, *, version: str = "1.2", dist: str | None = None) -> str:
        number = next(_serial)
        module = f"throwaway_{name}_{number}"
        called = dist or f"reactor-{name}"
        place = tmp_path / f"site{number}"
        metadata = place / f"{called.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir(parents=True)
        (place / f"{module}.py").write_text(textwrap.dedent(code))
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {called}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(f"[reactor.plugins]\n{name} = {module}:Plugin\n")
        monkeypatch.syspath_prepend(str(place))
        return module

    return make


@dataclass
class Tool:
    """The `reactor` tool, run in a directory with a clean environment."""

    directory: Path
    environ: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "reactor_kernel.cli", *arguments]

    def run(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


class Server:
    """`reactor up` in a process of its own; `url` once it answers."""

    def __init__(self, tool: Tool, *arguments: str, port: int | None = None) -> None:
        self.tool = tool
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = tool.directory / f"server-{next(_serial)}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                tool.command("up", "--bind", f"127.0.0.1:{self.port}", *arguments),
                cwd=tool.directory,
                env=tool.environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait(self, timeout: float = 60) -> Server:
        """Wait for `/health` to answer 200; AssertionError with the log otherwise."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.text()}")
            try:
                if httpx.get(f"{self.url}/health", timeout=5).status_code == 200:
                    return self
            except httpx.TransportError:
                pass  # not yet
            time.sleep(0.05)
        raise AssertionError(f"no healthy answer within {timeout:.0f} s:\n{self.text()}")

    def text(self) -> str:
        """Return what it wrote so far."""
        return self.log.read_text(errors="replace")

    def stop(self) -> int:
        """Ask it to end and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
                raise AssertionError(f"the server did not end within 40 s of SIGTERM:\n{self.text()}") from None
        return self.process.returncode

    def kill(self) -> None:
        """Kill the server and its workers at once; the embedded Postgres is not among them."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def reactor_tool(request: pytest.FixtureRequest) -> Iterator[Tool]:
    """The tool in an empty directory; no `REACTOR_*` variable of this shell reaches it.

    Its project uses the embedded Postgres, or a new database on the server of `REACTOR_TEST_DATABASE_URL`.

    Not under pytest's own directory, which other runs of the same user close to the account that Postgres runs as.
    """
    with tempfile.TemporaryDirectory(prefix="reactor-test-") as root:
        directory = Path(root) / "project"
        directory.mkdir()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("REACTOR_")}
        tool = Tool(directory, {**environ, "REACTOR_HOME": str(Path(root) / "home"), "NO_COLOR": "1"})
        if not os.environ.get("REACTOR_TEST_DATABASE_URL"):
            yield tool
            return
        server = request.getfixturevalue("reactor_postgres")
        tool.environ["REACTOR_DATABASE__URL"] = url = server.create()
        yield tool
        server.drop(url)


@pytest.fixture
def start_server(reactor_tool: Tool) -> Iterator[Callable[..., Server]]:
    """Start `reactor up` in the tool's directory; what still runs at the end of the test is stopped."""
    started: list[Server] = []

    def start(*arguments: str, port: int | None = None, files: Mapping[str, str] | None = None) -> Server:
        for name, text in (files or {}).items():
            path = reactor_tool.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        started.append(Server(reactor_tool, *arguments, port=port))
        return started[-1]

    yield start
    for server in started:
        server.stop()
