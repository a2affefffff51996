"""Two servers on one database, as two machines would be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

ADMIN_TOKEN = "scenario-admin-token-0123456789abcdefghij"
PASSWORD = "correct horse battery"
# Hashing is cheap here, and limits are what other tests are about.
SETTINGS = {
    "ADMIN__TOKEN": ADMIN_TOKEN,
    "AUTH__PASSWORD__MEMORY_KIB": "8192",
    "AUTH__PASSWORD__ITERATIONS": "1",
    "AUTH__LIMITS__LOGIN_PER_ACCOUNT": "0",
    "AUTH__LIMITS__LOGIN_PER_ADDRESS": "0",
    "AUTH__LIMITS__SIGNUP_PER_ADDRESS": "0",
    "AUTH__LIMITS__REFRESH_PER_SESSION": "0",
}


@dataclass
class Node:
    """One server process; it can be killed and started again on its port."""

    start: Callable[..., Any]
    server: Any

    @property
    def url(self) -> str:
        return f"{self.server.url}/auth/v1"

    def kill(self) -> None:
        self.server.kill()

    def restart(self) -> None:
        self.server = self.start(port=self.server.port)

    def call(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=20, **options)

    def sign_up(self, email: str) -> dict[str, Any]:
        answer = self.call("POST", "/signup", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        body = answer.json()
        return {**body["session"], "id": body["user"]["id"], "email": email}

    def sign_in(self, email: str) -> dict[str, Any]:
        answer = self.call("POST", "/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def refresh(self, token: str) -> httpx.Response:
        return self.call("POST", "/token", json={"grant_type": "refresh_token", "refresh_token": token})


@dataclass
class Pair:
    """Two nodes, the first and the second, and their database."""

    one: Node
    two: Node
    dsn: str
    nodes: list[Node] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = [self.one, self.two]

    def sql(self, statement: str, *params: object) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement, params)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def scenario_database(reactor_tool: Any, request: Any) -> Iterator[str]:
    """A database on the server of this test run, for all servers of the test."""
    environ = reactor_tool.environ
    if "REACTOR_DATABASE__URL" in environ:
        yield environ["REACTOR_DATABASE__URL"]
        return
    server = request.getfixturevalue("reactor_postgres")
    environ["REACTOR_DATABASE__URL"] = url = server.create()
    yield url
    server.drop(url)


@pytest.fixture
def start_pair(reactor_tool: Any, scenario_database: str, start_server: Callable[..., Any]) -> Callable[..., Pair]:
    """Start two servers on a new database: `start_pair(AUTH__ACCESS_TTL_SECS=5)`."""

    def start(**settings: object) -> Pair:
        reactor_tool.environ.update({f"REACTOR_{key}": str(value) for key, value in {**SETTINGS, **settings}.items()})
        one = Node(start_server, start_server().wait())
        return Pair(one, Node(start_server, start_server().wait()), scenario_database)

    return start


def eventually(check: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until `check()` holds."""
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, "it did not become true"
        time.sleep(0.02)


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., None]:
    return eventually


@pytest.fixture
def admin_token() -> str:
    return ADMIN_TOKEN
