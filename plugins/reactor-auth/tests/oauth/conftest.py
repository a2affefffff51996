"""A browser that fills in the pages' forms, and clients that speak OAuth."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

# The fakes are no package of ours to install; scenario tests reach them the same way.
sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.chromium import Chromium
from fakes.second_factors import begin_app, enrol

__all__ = ["begin_app", "enrol"]

PASSWORD = "correct horse"
CALLBACK = "http://localhost:7777/callback"


class Page(HTMLParser):
    """An answer as a person sees it: forms with their fields, and the text."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.status = answer.status_code
        self.forms: list[dict[str, Any]] = []
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._skipping = False
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        self._skipping = tag in ("style", "title", "script")
        if tag == "form":
            self.forms.append({"action": values["action"], "fields": {}, "inputs": [], "buttons": []})
        elif tag == "input":
            form = self.forms[-1]
            form["fields"][values["name"]] = values.get("value") or ""
            if values["type"] != "hidden":
                form["inputs"].append(values["name"])
        elif tag == "button":
            self.forms[-1]["buttons"].append(values)

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.text += data

    @property
    def problem(self) -> str:
        """The text of the error summary."""
        return re.sub(r"<[^>]*>", "", self.answer.text.split('id="problem">')[1].split("</div>")[0])

    def form(self, step: str) -> dict[str, Any]:
        [found] = [form for form in self.forms if form["fields"].get("step") == step]
        return found


class Browser:
    """Keeps cookies and follows nothing by itself."""

    def __init__(self, kernel: Any) -> None:
        transport = httpx.WSGITransport(app=kernel.app, raise_app_exceptions=True, remote_addr="127.0.0.1")
        self.http = httpx.Client(transport=transport, base_url="http://reactor.test")

    def get(self, path: str, **params: str) -> httpx.Response:
        return self.http.get(f"/auth/v1{path}", params=params)

    def submit(self, page: httpx.Response, step: str, **filled: str) -> httpx.Response:
        """Fill in the form of a step and submit it."""
        form = Page(page).form(step)
        return self.http.post(form["action"], data={**form["fields"], **filled})

    def sign_in(self, page: httpx.Response, email: str = "ann@example.com", password: str = PASSWORD) -> httpx.Response:
        return self.submit(page, "signin", email=email, password=password)


class App:
    """A client of the provider with its PKCE secret."""

    def __init__(self, api: Any, client_id: str = "reactor-cli", secret: str | None = None) -> None:
        self.api = api
        self.client_id = client_id
        self.secret = secret
        self.verifier = secrets.token_urlsafe(48)
        self.redirect_uri = CALLBACK

    @property
    def challenge(self) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

    def request(self, **changed: str | None) -> dict[str, str]:
        """The parameters of an authorization request; None leaves one out."""
        params: dict[str, str | None] = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            "state": "st&te=1 é",
            "scope": "openid",
            **changed,
        }
        return {name: value for name, value in params.items() if value is not None}

    def exchange(self, code: str, /, **changed: str | None) -> httpx.Response:
        fields: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": self.verifier,
            "client_id": self.client_id,
            "client_secret": self.secret,
            "redirect_uri": self.redirect_uri,
            **changed,
        }
        return self.token(**fields)

    def token(self, **fields: str | None) -> httpx.Response:
        given = {name: value for name, value in fields.items() if value is not None}
        return self.api.call("POST", "/token", data=given)


def query_of(answer: httpx.Response) -> dict[str, str]:
    """The parameters a browser is sent back with."""
    assert answer.status_code == 303, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query, strict_parsing=True))


@pytest.fixture
def sent_back() -> Any:
    return query_of


@pytest.fixture
def page_of() -> Any:
    return Page


@pytest.fixture
def browser(kernel: Any) -> Iterator[Browser]:
    found = Browser(kernel)
    yield found
    found.http.close()


@pytest.fixture
def other_browser(kernel: Any) -> Iterator[Browser]:
    found = Browser(kernel)
    yield found
    found.http.close()


@pytest.fixture
def cli(api: Any) -> App:
    return App(api)


@pytest.fixture
def register(api: Any, ann: Any) -> Any:
    """Register a client of Ann's organisation: `register(type="public", scopes=[…])`."""
    made: dict[str, Any] = {}

    def make(**body: Any) -> App:
        if "org" not in made:
            made["org"] = ann.make_org("acme")
        answer = ann.post("/oauth/clients", {"name": "Notes", "redirect_uris": [CALLBACK], **body}, org="acme")
        assert answer.status_code == 201, answer.text
        return App(api, answer.json()["client_id"], answer.json().get("client_secret"))

    return make


@pytest.fixture
def encode() -> Any:
    return urlencode


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Chromium]:
    found = Chromium(tmp_path / "profile")
    yield found
    found.close()


@pytest.fixture
def callback() -> Iterator[tuple[int, list[str]]]:
    """An application's own server, which notes what it is called with."""
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>Back</h1>")

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, calls
    server.shutdown()
    thread.join()
    server.server_close()
