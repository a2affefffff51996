"""Signing in with a browser of this machine: authorization code with PKCE and a loopback redirect (RFC 7636, 8252)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from reactor_auth.cli.calls import PREFIX
from reactor_kernel.api import Access, CommandContext

WAIT_SECS = 300
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>{title}</h1><p>{text}</p></main></body></html>"""
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def authorize(command: CommandContext, *, client_id: str, scopes: Sequence[str]) -> Any:
    """Let a browser sign in and exchange the code it brings back; return what the token endpoint said.

    Raises:
        CommandFailure: no browser, nobody came back within five minutes, or the server or the person refused.
    """
    verifier = secrets.token_urlsafe(48)
    state = secrets.token_urlsafe(24)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with _listening(state) as listener:
        query = {
            "client_id": client_id,
            "response_type": "code",
            "redirect_uri": listener.url,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "scope": " ".join(scopes),
            "state": state,
        }
        url = f"{command.server().endpoint}{PREFIX}/authorize?{urlencode(query)}"
        command.note(f"Signing in with a browser. If none opens, open: {url}")
        if not webbrowser.open(url):
            command.stop(
                "CONFIG_ERROR",
                "no browser can be started here",
                hint="sign in elsewhere with: reactor login --no-browser",
            )
        if not listener.came_back.wait(WAIT_SECS):
            command.stop("TIMEOUT", f"nobody signed in within {WAIT_SECS} s", hint="try again: reactor login")
        code = _code_of(command, listener, state)
        return command.request(
            "POST",
            f"{PREFIX}/token",
            form={
                "grant_type": "authorization_code",
                "code": code,
                "code_verifier": verifier,
                "client_id": client_id,
                "redirect_uri": listener.url,
            },
            access=Access.PUBLIC,
        )


def _code_of(command: CommandContext, listener: Listener, state: str) -> str:
    found = listener.parameters
    if not _is_ours(found, state):
        command.stop(
            "AUTH_FAILED",
            "the browser came back with another state than it was sent with; nothing was kept",
            hint="somebody else's page may have answered; try again: reactor login",
        )
    if "error" in found:
        reason = found.get("error_description") or found["error"]
        command.stop(
            "AUTH_FAILED", f"the server refused the sign-in: {reason}", details={"server_code": found["error"]}
        )
    if not found.get("code"):
        command.stop("AUTH_FAILED", "the browser came back without a code", hint="try again: reactor login")
    return found["code"]


def _is_ours(parameters: dict[str, str], state: str) -> bool:
    return hmac.compare_digest(parameters.get("state", "").encode(), state.encode())


class Listener:
    """Where the browser comes back to; only its first visit of `/callback` counts."""

    def __init__(self, port: int) -> None:
        self.url = f"http://localhost:{port}/callback"
        self.parameters: dict[str, str] = {}
        self.came_back = threading.Event()
        self._lock = threading.Lock()

    def take(self, query: str) -> bool:
        """Take the parameters of a visit; tell whether it was the first."""
        with self._lock:
            if self.came_back.is_set():
                return False
            self.parameters = {name: values[0] for name, values in parse_qs(query).items()}
            self.came_back.set()
            return True


@contextmanager
def _listening(state: str) -> Iterator[Listener]:
    """Listen on a free port of the loopback interface."""

    class Visit(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path != "/callback":
                self._answer(404, "Not here", "Nothing is served at this address.")
            elif not listener.take(parts.query):
                self._answer(410, "Already used", "This address works once.")
            elif _is_ours(listener.parameters, state) and listener.parameters.get("code"):
                self._answer(200, "Almost done", "Close this window and go back to the terminal.")
            else:
                self._answer(400, "Not signed in", "Go back to the terminal, which says why.")

        def _answer(self, status: int, title: str, text: str) -> None:
            content = _PAGE.format(title=title, text=text).encode()
            self.send_response(status)
            for name, value in {**_HEADERS, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing: the address holds the code."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Visit)
    # Browsers open connections ahead and leave them idle: none of them may hold up the end of the command.
    server.daemon_threads, server.block_on_close = True, False
    listener = Listener(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
