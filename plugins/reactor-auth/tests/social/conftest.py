"""Providers in threads, and a browser that walks between them and Reactor."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest

# The fakes are no package of ours to install; scenario tests reach them the same way.
sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes import oidc_provider
from fakes.github import FakeGitHub
from fakes.oidc_provider import FakeOidc
from fakes.second_factors import authenticator, begin_app, enrol, register
from fakes.serving import serving

__all__ = ["authenticator", "begin_app", "enrol", "register"]

APP = "https://app.example.com"
PUBLIC = "http://127.0.0.1:8000"
LOCALHOST = "http://localhost:8000"


@pytest.fixture(scope="session")
def running_acme() -> Iterator[FakeOidc]:
    provider = FakeOidc()
    with serving(provider.app) as provider.url:
        provider.redirect_uris |= {
            f"{public}/auth/v1/callback/{name}" for name in ("acme", "google") for public in (PUBLIC, LOCALHOST)
        }
        yield provider


@pytest.fixture
def acme(request: pytest.FixtureRequest, running_acme: FakeOidc) -> FakeOidc:
    running_acme.knobs = oidc_provider.Knobs()
    running_acme.now = time.time
    if "frozen_clock" in request.fixturenames:
        clock = request.getfixturevalue("frozen_clock")
        running_acme.now = lambda: clock.now().timestamp()
    running_acme.seen.clear()
    return running_acme


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    provider = FakeGitHub()
    with serving(provider.app) as provider.url:
        yield provider


@pytest.fixture
def auth_config(auth_config: dict[str, Any], acme: FakeOidc, github: FakeGitHub) -> dict[str, Any]:
    auth_config["limits"]["social_per_address"] = 0
    auth_config["redirect_allow_list"] = [f"{APP}/welcome"]
    auth_config["social"] = {
        "acme": {
            "client_id": oidc_provider.CLIENT_ID,
            "client_secret": oidc_provider.CLIENT_SECRET,
            "issuer": acme.url,
        },
        "github": github.section(),
        "dormant": {"client_id": "x", "issuer": "https://dormant.example.com", "enabled": False},
    }
    return auth_config


class Browser:
    """Follows redirects by hand, with a cookie jar of its own."""

    def __init__(self, kernel: Any, address: str = "127.0.0.1") -> None:
        transport = httpx.WSGITransport(app=kernel.app, remote_addr=address)
        self.client = httpx.Client(transport=transport, base_url="http://reactor.test")

    def begin(self, provider: str = "acme", redirect_to: str | None = f"{APP}/welcome") -> str:
        """Begin a sign-in; return the provider's URL."""
        asked = {"provider": provider} | ({} if redirect_to is None else {"redirect_to": redirect_to})
        answer = self.client.get("/auth/v1/authorize", params=asked)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def approve(self, url: str) -> str:
        """Let the provider approve; return the path and query of the callback."""
        answer = httpx.get(url, follow_redirects=False)
        assert answer.status_code == 302, answer.text
        location = answer.headers["Location"]
        assert location.startswith((PUBLIC, LOCALHOST))
        return location.removeprefix(PUBLIC).removeprefix(LOCALHOST)

    def arrive(self, path: str) -> Landing:
        """Visit the callback; return where the browser ends."""
        answer = self.client.get(path)
        assert answer.status_code == 303, answer.text
        return Landing(answer)

    def sign_in(self, provider: str = "acme", redirect_to: str | None = f"{APP}/welcome") -> Landing:
        return self.arrive(self.approve(self.begin(provider, redirect_to)))


class Landing:
    """The last redirect: to the front end."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.url = answer.headers["Location"]
        parts = urlsplit(self.url)
        self.place = f"{parts.scheme}://{parts.netloc}{parts.path}"
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.fragment = dict(parse_qsl(parts.fragment))

    @property
    def token(self) -> str:
        assert set(self.fragment) == {"access_token", "refresh_token", "expires_at"}, self.url
        return self.fragment["access_token"]

    @property
    def error(self) -> tuple[str, str]:
        assert self.fragment == {}, self.url
        return self.query["error"], self.query["error_description"]


class Bearer:
    """Whoever holds a token."""

    def __init__(self, api: Any, token: str) -> None:
        self._api = api
        self._token = token

    def post(self, path: str, json: Any = None) -> httpx.Response:
        answer: httpx.Response = self._api.call("POST", path, token=self._token, json=json)
        return answer


@pytest.fixture
def bearer(api: Any) -> Any:
    return lambda token: Bearer(api, token)


@pytest.fixture
def browser(kernel: Any) -> Browser:
    return Browser(kernel)


@pytest.fixture
def new_browser(kernel: Any) -> Any:
    return lambda: Browser(kernel)
