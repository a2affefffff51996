"""The tool as a process, a fake server that speaks the sign-in of the contract, and a browser that clicks for us."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

BROWSER = """
import sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode(), file=open(sys.argv[0] + ".page", "w"))
except urllib.error.HTTPError as refused:
    print(refused.code, refused.read().decode(), file=open(sys.argv[0] + ".page", "w"))
"""


@dataclass
class Done:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        assert self.code == 0, (self.code, self.out, self.err)
        document = json.loads(self.out)
        assert document["ok"] is True
        return document["data"]

    @property
    def error(self) -> dict[str, Any]:
        assert self.code != 0, self.out
        return dict(json.loads(self.out)["error"])


@dataclass
class Tool:
    """`reactor` in an empty directory, with contexts of its own."""

    directory: Path
    home: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "reactor_kernel.cli", *arguments],
            cwd=self.directory,
            env={**self.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def tokens(self) -> dict[str, str]:
        """What is kept."""
        path = self.home / "tokens.toml"
        return dict(tomllib.loads(path.read_text())["tokens"]) if path.exists() else {}


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    directory, home = tmp_path / "elsewhere", tmp_path / "home"
    directory.mkdir()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REACTOR_")}
    browser = tmp_path / "browser.py"
    browser.write_text(BROWSER)
    environ |= {"REACTOR_HOME": str(home), "BROWSER": f"{sys.executable} {browser} %s"}
    environ.pop("FORCE_COLOR", None)
    return Tool(directory, home, environ)


def jwt(name: str) -> str:
    """Make what looks like an access token."""
    header = base64.urlsafe_b64encode(b'{"alg":"RS256"}').rstrip(b"=").decode()
    return f"{header}.{name}.sig"


@dataclass
class Fake:
    """A server with the shapes of auth.md §3.2, 3.4, 3.6 and 3.16, and knobs for what may go wrong."""

    url: str = ""
    access: str = jwt("a1")
    refresh: str = "rrf_1"
    admin: str = "the-admin-token-of-this-server"
    authorized: dict[str, str] = field(default_factory=dict)
    polls: list[dict[str, Any]] = field(default_factory=list)
    redirect: dict[str, str] = field(default_factory=dict)
    has_device_route: bool = True
    logout_status: int = 204
    calls: list[tuple[str, str, str | None]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)

    def tokens(self) -> dict[str, Any]:
        return {
            "access_token": self.access,
            "token_type": "Bearer",
            "refresh_token": self.refresh,
            "expires_in": 3599,
            "expires_at": "2999-01-01T00:00:00+00:00",
            "scope": "ops:* cloud:*",
        }

    def grant(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.forms.append(form)
        if form.get("grant_type") == "authorization_code":
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            fits = (
                form["code"] == "the-code"
                and challenge == self.authorized["code_challenge"]
                and form["redirect_uri"] == self.authorized["redirect_uri"]
                and form["client_id"] == self.authorized["client_id"]
            )
            return (200, self.tokens()) if fits else refusal(401, "invalid_token", "The code is not valid.")
        if form.get("grant_type") == "urn:ietf:params:oauth:grant-type:device_code":
            assert form["device_code"] == "the-device-code"
            return (400, self.polls.pop(0)) if self.polls else (200, self.tokens())
        return refusal(400, "validation_error", "grant_type must be one of …")


def refusal(status: int, code: str, message: str) -> tuple[int, dict[str, Any]]:
    error = {"code": code, "message": message, "status": status, "request_id": "r-1"}
    return status, {"ok": False, "error": error}


@pytest.fixture
def fake() -> Iterator[Fake]:
    told = Fake()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            parts = urlsplit(self.path)
            shown = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
            told.calls.append((self.command, self.path, shown))
            if self.headers.get("Content-Type") == "application/json":
                told.bodies.append(json.loads(raw))
            form = {name: values[0] for name, values in parse_qs(raw).items()}
            self._answer(*self._decide(parts.path, parse_qs(parts.query), form, shown))

        def _decide(
            self, path: str, query: dict[str, list[str]], form: dict[str, str], shown: str | None
        ) -> tuple[int, Any]:
            if (self.command, path) in told.answers:
                return told.answers[self.command, path]
            if path == "/auth/v1/authorize":
                told.authorized = {name: values[0] for name, values in query.items()}
                sent = {"code": "the-code", "state": told.authorized["state"], **told.redirect}
                return 303, f"{told.authorized['redirect_uri']}?{urlencode(sent)}"
            if path == "/auth/v1/device/code" and told.has_device_route:
                told.forms.append(form)
                return 200, {
                    "device_code": "the-device-code",
                    "user_code": "BCDF-GHJK",
                    "verification_uri": f"{told.url}/auth/v1/device",
                    "interval": 0,
                    "expires_in": 600,
                }
            if path == "/auth/v1/token":
                return told.grant(form)
            if path == "/auth/v1/me":
                if shown != told.access:
                    return refusal(401, "invalid_token", "The access token is not valid.")
                org = {"org_id": "o-1", "org_slug": "acme", "role": "owner"}
                return 200, {"user_id": "u-1", "email": "ann@example.com", "orgs": [org]}
            if path == "/auth/v1/logout":
                return (
                    (204, None) if told.logout_status == 204 else refusal(told.logout_status, "unavailable", "Later.")
                )
            if path == "/_admin/version":
                if shown != told.admin:
                    return refusal(401, "unauthorized", "the admin token is wrong")
                return 200, {"version": "0.1.0", "capabilities": {}}
            return refusal(404, "not_found", "There is nothing here.")

        def _answer(self, status: int, body: Any) -> None:
            content = b"" if body is None or status == 303 else json.dumps(body).encode()
            self.send_response(status)
            if status == 303:
                self.send_header("Location", body)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = _any

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
