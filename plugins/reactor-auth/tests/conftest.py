"""A booted kernel with reactor-auth only, and the few calls every test begins with."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import settings

from reactor_auth.plugin import AuthPlugin

# How long an example takes depends on what else the machine does; speed is measured in bench/.
settings.register_profile("reactor", settings(), deadline=None)
settings.load_profile("reactor")

DATA_KEY = base64.b64encode(bytes(range(32))).decode()
PASSWORD = "correct horse"
NO_LIMITS = {
    "login_per_account": 0,
    "login_per_address": 0,
    "signup_per_address": 0,
    "refresh_per_session": 0,
    "mail_per_account": 0,
    "mail_per_address": 0,
    "verify_per_address": 0,
    "second_factor_per_user": 0,
    "device_per_address": 0,
    "user_code_per_user": 0,
    "user_code_per_address": 0,
}


@pytest.fixture
def reactor_plugins() -> list[type]:
    return [AuthPlugin]


@pytest.fixture
def auth_config() -> dict[str, Any]:
    """Keys of `[auth]` for this test; hashing is cheap, limits are off. Override or change it."""
    return {
        "data_key": DATA_KEY,
        "public_url": "http://127.0.0.1:8000/",
        "password": {"memory_kib": 8192, "iterations": 1},
        "limits": dict(NO_LIMITS),
        "lockout": {"failures_per_place": 0, "failures_per_account": 0},
    }


@pytest.fixture
def reactor_config(auth_config: dict[str, Any]) -> Mapping[str, Any]:
    return {"auth": auth_config}


@dataclass
class Person:
    """A signed-in user."""

    api: Api
    user: dict[str, Any]
    access_token: str
    refresh_token: str

    @property
    def id(self) -> str:
        return str(self.user["id"])

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.api.call("GET", path, token=self.access_token, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return self.api.call("POST", path, token=self.access_token, json=json, **options)

    def patch(self, path: str, json: Any, **options: Any) -> httpx.Response:
        return self.api.call("PATCH", path, token=self.access_token, json=json, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.api.call("DELETE", path, token=self.access_token, **options)

    def make_org(self, slug: str, name: str = "Acme") -> dict[str, Any]:
        answer = self.post("/orgs", {"name": name, "slug": slug})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


class Api:
    """Calls below `/auth/v1`, and the one way to compare whole refusals."""

    def __init__(self, client: httpx.Client, kernel: Any) -> None:
        self.client = client
        self.kernel = kernel

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        org: str | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if org is not None:
            sent["X-Reactor-Org"] = org
        return self.client.request(method, f"/auth/v1{path}", headers=sent, **options)

    def sign_up(self, email: str, password: str = PASSWORD) -> Person:
        answer = self.call("POST", "/signup", json={"email": email, "password": password})
        assert answer.status_code == 201, answer.text
        body = answer.json()
        return Person(self, body["user"], body["session"]["access_token"], body["session"]["refresh_token"])

    def sign_in(self, email: str, password: str = PASSWORD) -> Person:
        answer = self.call("POST", "/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return Person(self, body["user"], body["access_token"], body["refresh_token"])

    def refresh(self, refresh_token: str) -> httpx.Response:
        return self.call("POST", "/token", json={"grant_type": "refresh_token", "refresh_token": refresh_token})

    def role_id(self, org: Mapping[str, Any], name: str) -> str:
        [[role_id]] = self.sql(
            "SELECT id::text FROM _reactor_auth.roles WHERE org_id = $1 AND name = $2", org["id"], name
        )
        assert role_id is not None
        return role_id

    def join(self, org: Mapping[str, Any], person: Person, role: str = "member") -> None:
        """Make somebody a member without an invitation."""
        self.sql(
            "INSERT INTO _reactor_auth.memberships (user_id, org_id, role_id, joined_at, updated_at) "
            "VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp())",
            person.id,
            org["id"],
            self.role_id(org, role),
        )

    def auth(self) -> Any:
        """The parts of identity in the booted kernel."""
        [plugin] = [plugin for plugin in self.kernel.enabled if plugin.name == "auth"]
        return plugin.instance._auth(self.kernel.context_for(plugin))

    def do_mail_work(self) -> None:
        """Do once what the mail service does in the background: answer requests, send what is due."""
        import threading

        from reactor_auth.mail.postoffice import PostOffice

        PostOffice(self.auth()).turn(threading.Event())

    def mails(self, to: str, template: str | None = None) -> list[dict[str, Any]]:
        """Everything mailed to an address, oldest first, with subject and text, as a developer reads it."""
        from reactor_kernel.testing.project import ADMIN_TOKEN

        self.do_mail_work()
        answer = self.call("GET", "/_admin/outbox?limit=500", token=ADMIN_TOKEN)
        assert answer.status_code == 200, answer.text
        found = [mail for mail in answer.json()["mails"] if mail["to"] == to]
        return [mail for mail in reversed(found) if template in (None, mail["template"])]

    def link(self, mail: Mapping[str, Any]) -> str:
        """The first link in a mail's text."""
        import re

        found = re.search(r"https?://\S+", mail["text"])
        assert found, mail["text"]
        return found[0]

    def sql(self, statement: str, *params: str) -> list[list[str | None]]:
        """Run one statement as the owner of the tables; values come as Postgres' text."""
        from reactor_kernel.api import Statement

        [result] = self.kernel.database.run(None, [Statement(statement, params, prepare=False)])
        return [[None if value is None else value.decode() for value in row] for row in result.rows]

    def refused(self, answer: httpx.Response, status: int, code: str, message: str, **members: Any) -> None:
        """Assert the whole body of a refusal; `members` are hint, details and fields, absent ones must be absent."""
        body = answer.json()
        request_id = body["error"].pop("request_id")
        assert request_id == answer.headers["X-Request-Id"]
        assert body == {"ok": False, "error": {"code": code, "message": message, "status": status, **members}}
        assert answer.status_code == status


@pytest.fixture
def api(client: httpx.Client, kernel: Any) -> Iterator[Api]:
    return Api(client, kernel)


@pytest.fixture
def ann(api: Api) -> Person:
    return api.sign_up("ann@example.com")


@pytest.fixture
def bob(api: Api) -> Person:
    return api.sign_up("bob@example.com")
