"""The `reactor` tool as a process of its own, on a terminal or off one, with a small installed plugin."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

TOKEN = "0123456789abcdefghijklmnopqrstuvwxyz"
PROJECT_ID = "019213f5-0000-7000-8000-000000000001"
TINY = '''
    """A plugin with one of what the tool shows."""

    from dataclasses import dataclass, field

    from reactor_kernel.api import (
        Access, CommandGroup, ConfigSection, Mount, OpenApiFragment, PluginInfo, Probe, ProbeResult, Readiness, hookimpl
    )


    @dataclass(frozen=True)
    class Config:
        word: str = "hello"
        key: str = field(default="", repr=False)
        sick: bool = False


    class Resource:
        def __init__(self, ctx):
            self.ctx = ctx

        def on_get(self, req, resp):
            self.ctx.log.info("said %s", self.ctx.config.word)
            resp.media = {"word": self.ctx.config.word}


    class Plugin:
        info = PluginInfo(name="tiny", version="1.2", api=(1, 0), summary="Says a word")

        @hookimpl
        def reactor_config_section(self):
            yield ConfigSection(
                Config,
                secrets=("key",),
                initial=('word = "ahoy"',),
                files={"words/first.txt": "ahoy\\n"},
                examples=("curl {url}/tiny/v1/word",),
            )

        @hookimpl
        def reactor_resources(self, ctx):
            yield Mount("/tiny/v1/word", Resource(ctx), access=Access.PUBLIC)

        @hookimpl
        def reactor_openapi(self):
            yield OpenApiFragment({"paths": {"/tiny/v1/word": {"get": {"responses": {"200": {"description": "a word"}}}}}})

        @hookimpl
        def reactor_probes(self, ctx):
            status = Readiness.FAIL if ctx.config.sick else Readiness.OK
            yield Probe("word", lambda: ProbeResult(status, "the word is " + ctx.config.word))

        @hookimpl
        def reactor_commands(self):
            yield CommandGroup("tiny", "tiny_cli:tiny", help="Say the word")
'''
TINY_CLI = '''
    import click


    @click.group()
    def tiny():
        """Say the word."""


    @tiny.command()
    @click.option("-o", "--order", default=1)
    @click.pass_obj
    def say(command, order):
        """Say it."""
        command.emit({"order": order}, f"order {order}")


    @tiny.command()
    @click.pass_obj
    def ask(command):
        """Ask the server."""
        word = command.request("GET", "/tiny/v1/word")["word"]
        command.emit({"word": word}, word)


    @tiny.command()
    @click.pass_obj
    def forget(command):
        """Forget it."""
        command.confirm("forgetting the word")
        command.emit({"forgotten": True}, "forgotten")
'''


@dataclass
class Done:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def data(self) -> Any:
        """The data of a success."""
        assert self.code == 0, (self.code, self.out, self.err)
        assert self.document["ok"] is True
        return self.document["data"]

    @property
    def error(self) -> dict[str, Any]:
        """The error of a failure."""
        assert self.code != 0, self.out
        assert self.document["ok"] is False
        found: dict[str, Any] = self.document["error"]
        return found


@dataclass
class Tool:
    """The tool in a directory with a clean environment."""

    directory: Path
    environ: dict[str, str]
    site: Path
    token: str = TOKEN
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def install(self, name: str, code: str) -> None:
        """Make another installed distribution with one plugin."""
        install(self.site, name, code)

    def command(self, *arguments: str) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "reactor_kernel.cli", *arguments]

    def __call__(
        self, *arguments: str, stdin: str | None = None, env: Mapping[str, str] | None = None, timeout: float = 90
    ) -> Done:
        """Run to the end, off a terminal."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env={**self.environ, **(env or {})},
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def on_terminal(self, *arguments: str, typed: str = "", env: Mapping[str, str] | None = None) -> Done:
        """Run to the end with stdin and stdout on a terminal; stderr is kept apart."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=self.directory,
            env={**self.environ, "TERM": "xterm", "COLUMNS": "100", **(env or {})},
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        os.close(slave)
        if typed:
            os.write(master, typed.encode())
        shown = b""
        until = time.monotonic() + 90
        while time.monotonic() < until:
            ready, _, _ = select.select([master], [], [], 0.2)
            if ready:
                try:
                    chunk = os.read(master, 65536)
                except OSError:  # the last holder of the terminal went away
                    break
                if not chunk:
                    break
                shown += chunk
            elif process.poll() is not None:
                break
        os.close(master)
        _, errors = process.communicate(timeout=30)
        text = shown.decode().replace("\r\n", "\n")
        # The terminal echoes what was typed.
        return Done(process.returncode, text.removeprefix(typed), errors)

    def spawn(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a run that goes on; it is ended with the test at the latest."""
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=self.directory,
            env={**self.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def write(self, text: str, name: str = "Reactor.toml") -> Path:
        """Write a file of the project."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def project(self, *, port: int = 1, tiny: str | None = 'word = "ahoy"', extra: str = "") -> None:
        """Write a small project; the plugin is enabled unless `tiny` is None."""
        self.write(
            f'[project]\nname = "small"\nid = "{PROJECT_ID}"\nenv = "dev"\n'
            f'[server]\nbind = "127.0.0.1:{port}"\n[admin]\ntoken = "{TOKEN}"\n'
            f'[vault]\nmaster_key = "{"5a" * 32}"\n{extra}\n' + (f"[tiny]\n{tiny}\n" if tiny is not None else "")
        )

    def end(self) -> None:
        """End what still runs: first as a person would, then at once."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(10)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def clean_environment(site: Path | None = None) -> dict[str, str]:
    """The environment without what steers the tool; `site` is a directory of installed distributions."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REACTOR_")}
    for name in ("NO_COLOR", "HTTP_PROXY", "http_proxy", "FORCE_COLOR"):
        environ.pop(name, None)
    if site is not None:
        environ["PYTHONPATH"] = str(site)
    return environ


def install(site: Path, name: str, code: str, *, version: str = "1.2", **modules: str) -> None:
    """Make an installed distribution with one plugin: `code` defines the class `Plugin`."""
    metadata = site / f"reactor_{name}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: reactor-{name}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(f"[reactor.plugins]\n{name} = {name}_plugin:Plugin\n")
    for module, text in {f"{name}_plugin": code, **modules}.items():
        (site / f"{module}.py").write_text(textwrap.dedent(text))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory of installed distributions that holds the plugin `tiny`."""
    place = tmp_path / "site"
    install(place, "tiny", TINY, tiny_cli=TINY_CLI)
    return place


@pytest.fixture
def reactor(tmp_path: Path, site: Path) -> Iterator[Tool]:
    """The tool in an empty directory, with the plugin `tiny` installed."""
    directory = tmp_path / "small"
    directory.mkdir()
    tool = Tool(directory, clean_environment(site), site)
    yield tool
    tool.end()


@dataclass
class Scripted:
    """A server that answers as it is told and remembers what it was asked."""

    url: str
    requests: list[tuple[str, str, dict[str, str], bytes]]
    answers: list[tuple[int, dict[str, str], bytes]]

    def answer(self, status: int, body: Any = None, **headers: str) -> None:
        """Add an answer; the last one is repeated."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, content))

    def refuse(self, status: int, code: str, message: str, **headers: str) -> None:
        """Add a refusal in the error envelope."""
        error = {"code": code, "message": message, "status": status, "request_id": "r-1"}
        self.answer(status, {"ok": False, "error": error}, **headers)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A real HTTP server on a free port."""
    told = Scripted("", [], [])

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            told.requests.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
            status, headers, content = told.answers[min(len(told.requests), len(told.answers)) - 1]
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            if headers.get("Content-Type") != "text/event-stream":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = _any

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield told
    server.shutdown()
    thread.join(10)
    server.server_close()
