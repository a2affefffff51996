"""A sign-in that a context keeps: refreshed by any command, by one process at a time, and never lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

if TYPE_CHECKING:
    from conftest import Tool


@dataclass
class Issuer:
    """A server with a rotating token endpoint and one route that needs its newest access token."""

    url: str = ""
    refresh: str = "r0"
    access: str = "a0"
    forms: list[dict[str, str]] = field(default_factory=list)
    seen: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    refusal: tuple[int, dict[str, Any]] | None = None
    lose_first_answer: bool = False
    pause: float = 0.0

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.forms.append(form)
        if self.refusal is not None:
            return self.refusal
        if form.get("refresh_token") != self.refresh:
            error = {"code": "refresh_token_reuse", "message": "The session has been ended.", "request_id": "r-1"}
            return 401, {"ok": False, "error": error}
        number = len(self.forms)
        time.sleep(self.pause)
        self.refresh, self.access = f"r{number}", f"a{number}"
        return 200, {
            "access_token": self.access,
            "token_type": "Bearer",
            "refresh_token": self.refresh,
            "expires_in": 3600,
        }


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    told = Issuer()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length).decode()
            with lock:
                status, body = told.token({name: values[0] for name, values in parse_qs(raw).items()})
            if told.lose_first_answer:
                told.lose_first_answer = False
                told.refresh = "r0"  # the server's grace period: the same token is accepted once more
                self.close_connection = True
                return
            self._answer(status, body)

        def do_GET(self) -> None:
            shown = self.headers.get("Authorization")
            told.seen.append((self.path, shown, self.headers.get("X-Reactor-Org")))
            if shown == f"Bearer {told.access}":
                self._answer(200, {"secrets": []})
            else:
                self._answer(401, {"ok": False, "error": {"code": "token_expired", "message": "It has expired."}})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

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


def home(tool: Tool) -> Path:
    return Path(tool.environ["REACTOR_HOME"])


def sign_in(tool: Tool, issuer: Issuer, *, seconds_left: float, refreshable: bool = True) -> None:
    """Leave the files as a sign-in leaves them."""
    home(tool).mkdir(exist_ok=True)
    expires = (datetime.now(UTC) + timedelta(seconds=seconds_left)).isoformat()
    (home(tool) / "config.toml").write_text(
        f'active_context = "far"\n[contexts.far]\nendpoint = "{issuer.url}"\norg = "acme"\n[contexts.far.auth]\n'
        f'kind = "session"\nstorage = "file"\naccess_account = "far_access"\nrefresh_account = "far_refresh"\n'
        f'expires_at = {expires}\nscopes = ["a"]\ntoken_path = "/id/token"\nclient_id = "reactor-cli"\n'
    )
    tokens = '[tokens]\nfar_access = "a0"\n' + ('far_refresh = "r0"\n' if refreshable else "")
    (home(tool) / "tokens.toml").write_text(tokens)
    (home(tool) / "tokens.toml").chmod(0o600)


def kept(tool: Tool) -> dict[str, str]:
    found: dict[str, str] = tomllib.loads((home(tool) / "tokens.toml").read_text())["tokens"]
    return found


def test_a_token_with_more_than_five_minutes_left_is_used_as_it_is(reactor: Tool, issuer: Issuer) -> None:
    sign_in(reactor, issuer, seconds_left=330)
    assert reactor("vault", "list").data == {"secrets": []}
    assert issuer.forms == []
    assert reactor("context", "show").data["auth"]["type"] == "session"


@pytest.mark.parametrize("seconds_left", [290, -86400])
def test_any_command_refreshes_a_token_that_runs_out_and_keeps_the_successor(
    reactor: Tool, issuer: Issuer, seconds_left: int
) -> None:
    sign_in(reactor, issuer, seconds_left=seconds_left)
    done = reactor("vault", "list", "-v")
    assert done.data == {"secrets": []}
    assert issuer.forms == [{"grant_type": "refresh_token", "refresh_token": "r0", "client_id": "reactor-cli"}]
    assert kept(reactor) == {"far_access": "a1", "far_refresh": "r1"}
    for secret in ("a0", "a1", "r0", "r1"):
        assert secret not in done.err.replace(issuer.url, "")
    assert reactor("vault", "list").data == {"secrets": []}
    assert len(issuer.forms) == 1, "an hour is long"
    assert (home(reactor) / "tokens.toml").stat().st_mode & 0o777 == 0o600


def test_many_processes_at_once_refresh_once(reactor: Tool, issuer: Issuer) -> None:
    sign_in(reactor, issuer, seconds_left=10)
    issuer.pause = 0.5
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "reactor_kernel.cli", "vault", "list"],
            cwd=reactor.directory,
            env=reactor.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in running:
        out, _ = process.communicate(timeout=120)
        assert (process.returncode, json.loads(out)["ok"]) == (0, True)
    assert len(issuer.forms) == 1
    assert kept(reactor) == {"far_access": "a1", "far_refresh": "r1"}


def test_a_token_the_server_refuses_early_is_refreshed_once(reactor: Tool, issuer: Issuer) -> None:
    sign_in(reactor, issuer, seconds_left=3600)
    issuer.access = "gone"
    assert reactor("vault", "list").data == {"secrets": []}
    assert [shown for _, shown, _ in issuer.seen] == ["Bearer a0", "Bearer a1"]
    assert kept(reactor) == {"far_access": "a1", "far_refresh": "r1"}


def test_a_lost_answer_is_asked_for_again(reactor: Tool, issuer: Issuer) -> None:
    sign_in(reactor, issuer, seconds_left=10)
    issuer.lose_first_answer = True
    assert reactor("vault", "list").data == {"secrets": []}
    assert [form["refresh_token"] for form in issuer.forms] == ["r0", "r0"]


def test_an_ended_session_says_to_sign_in_again(reactor: Tool, issuer: Issuer) -> None:
    sign_in(reactor, issuer, seconds_left=10)
    issuer.refresh = "somebody else's"
    done = reactor("vault", "list")
    assert (done.code, done.error) == (
        3,
        {
            "code": "AUTH_REQUIRED",
            "message": "the sign-in of context far has ended: The session has been ended.",
            "hint": "sign in again with: reactor login --context far",
            "details": {"server_code": "refresh_token_reuse", "status": 401, "request_id": "r-1"},
        },
    )
    assert issuer.seen == [], "nothing is asked without a credential"
    sign_in(reactor, issuer, seconds_left=-10, refreshable=False)
    assert reactor("vault", "list").error["message"] == (
        "the sign-in of context far has expired and cannot be refreshed"
    )


def test_a_server_that_cannot_refresh_now_matters_only_when_the_token_has_run_out(
    reactor: Tool, issuer: Issuer
) -> None:
    issuer.refusal = (503, {"ok": False, "error": {"code": "unavailable", "message": "later"}})
    sign_in(reactor, issuer, seconds_left=60)
    assert reactor("vault", "list").data == {"secrets": []}
    sign_in(reactor, issuer, seconds_left=-1)
    done = reactor("vault", "list")
    assert (done.code, done.error["code"], done.error["message"]) == (5, "SERVER_ERROR", "later")
    assert kept(reactor) == {"far_access": "a0", "far_refresh": "r0"}


@pytest.mark.parametrize("answer", [{}, [], {"access_token": 3, "expires_in": 1}, {"access_token": "x"}])
def test_an_answer_without_tokens_loses_none(reactor: Tool, issuer: Issuer, answer: Any) -> None:
    sign_in(reactor, issuer, seconds_left=-1)
    issuer.refusal = (200, answer)
    done = reactor("vault", "list")
    assert (done.code, done.error["code"]) == (5, "SERVER_ERROR")
    assert kept(reactor) == {"far_access": "a0", "far_refresh": "r0"}


def test_the_organisation_goes_along_with_a_users_requests(reactor: Tool, issuer: Issuer) -> None:
    code = """
        import click
        from reactor_kernel.api import Access

        @click.command()
        @click.pass_obj
        def far(command):
            command.request("GET", "/far", access=Access.USER)
            command.request("GET", "/near", access=Access.PUBLIC, accept=(401,))
            server = command.server()
            command.emit({"context": server.context, "org": server.org}, "done")
    """
    manifest = """
        from reactor_kernel.api import CommandGroup, PluginInfo, hookimpl

        class Plugin:
            info = PluginInfo(name="far", version="1.2", api=(1, 1))

            @hookimpl
            def reactor_commands(self):
                yield CommandGroup("far", "far_cli:far", help="Go far", anywhere=True)
    """
    reactor.install("far", manifest, far_cli=code)
    sign_in(reactor, issuer, seconds_left=3600)
    assert reactor("far").data == {"context": "far", "org": "acme"}
    assert reactor("far", env={"REACTOR_ORG": "other"}).data["org"] == "other"
    assert issuer.seen == [
        ("/far", "Bearer a0", "acme"),
        ("/near", None, "acme"),
        ("/far", "Bearer a0", "other"),
        ("/near", None, "other"),
    ]
    assert "those of installed plugins that need no project" in reactor("--help").out
    reactor.project()
    assert "Go far" not in reactor("--help").out
    assert reactor("far", "-c", "far").data["org"] == "acme"
