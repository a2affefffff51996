"""A served schema with policies of every form, and callers made of claims: over HTTP and in questions alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reactor_kernel.api import (
    KERNEL_API,
    Allow,
    AuthClient,
    DbRole,
    Forbidden,
    Identity,
    IdentityKind,
    InvalidCredential,
    NotFound,
    PluginInfo,
    ServiceProvider,
    hookimpl,
    uuid7,
)
from reactor_kernel.testing.project import ADMIN_TOKEN

SCHEMA = (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")
_NAMED = ("user_id", "org_id", "org_role", "permissions")


@dataclass
class Caller:
    """Somebody with claims; `token` is what the test's own auth plugin believes."""

    client: Any
    user_id: str | None = field(default_factory=lambda: str(uuid7()))
    org_id: str | None = field(default_factory=lambda: str(uuid7()))
    org_role: str | None = "member"
    permissions: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def claims(self) -> dict[str, Any]:
        return {
            **self.more,
            "user_id": self.user_id,
            "org_id": self.org_id,
            "org_role": self.org_role,
            "permissions": list(self.permissions),
        }

    def call(self, method: str, url: str, *, body: Any = None, prefer: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {json.dumps(self.claims)}", "Content-Type": "application/json"}
        if prefer is not None:
            headers["Prefer"] = prefer
        return self.client.request(method, f"/data/v1/{url}", json=body, headers=headers)


class ClaimsAuth:
    """Takes the bearer token as JSON of the claims, and knows users by their ids."""

    info = PluginInfo(name="auth", version="1.0.0", api=KERNEL_API, summary="believes everyone")

    @hookimpl
    def reactor_identify(self, ctx: Any, request: Any) -> Identity | None:
        header = request.get_header("Authorization")
        if header is None or not header.startswith("Bearer {"):
            return None
        try:
            claims = json.loads(header.removeprefix("Bearer "))
        except ValueError as error:
            raise InvalidCredential("that is no identity") from error
        return Identity(
            kind=IdentityKind.USER,
            subject=f"user_{claims['user_id']}",
            db_role=DbRole.AUTHENTICATED,
            user_id=claims["user_id"],
            org_id=claims["org_id"],
            org_role=claims["org_role"],
            permissions=frozenset(claims["permissions"]),
            claims={name: value for name, value in claims.items() if name not in _NAMED},
        )

    @hookimpl
    def reactor_authorize(self, ctx: Any, identity: Identity, action: str, target: object) -> Allow:
        return Allow()

    @hookimpl
    def reactor_services(self) -> Any:
        yield ServiceProvider(AuthClient, lambda: self)

    def identity_of(self, user_id: str, org: str | None = None) -> Identity:
        """Be the part of `AuthClient` that is asked here."""
        if user_id == "nobody":
            raise NotFound("the user does not exist", code="user_not_found")
        if org == "elsewhere":
            raise Forbidden("the user is no member of this organisation", code="not_org_member")
        return Identity(
            kind=IdentityKind.USER,
            subject=f"user_{user_id}",
            db_role=DbRole.AUTHENTICATED,
            user_id=user_id,
            org_id=org,
            org_role="owner",
            permissions=frozenset({"*"}),
        )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "served"
    (root / "migrations").mkdir(parents=True)
    (root / "migrations" / "001_schema.sql").write_text(SCHEMA, encoding="utf-8")
    return root


@pytest.fixture
def boot(kernel_factory: Any, project: Path) -> Callable[..., Any]:
    from reactor_data.plugin import DataPlugin

    def make(**config: Any) -> Any:
        return kernel_factory(ClaimsAuth, DataPlugin, config={"data": config}, root=project)

    return make


@pytest.fixture
def kernel(boot: Callable[..., Any]) -> Any:
    return boot()


@pytest.fixture
def rows(kernel: Any) -> Callable[..., list[tuple[str | None, ...]]]:
    from reactor_kernel.api import Statement

    def run(sql: str, *params: str | None) -> list[tuple[str | None, ...]]:
        (result,) = kernel.database.run(None, [Statement(sql, params)])
        return [tuple(None if value is None else value.decode() for value in row) for row in result.rows]

    return run


@pytest.fixture
def ask(client: Any) -> Callable[..., Any]:
    """Ask `explain-access`; `who` is a Caller or the identity as it stands in the body."""

    def send(who: Any, table: str, action: str, **body: Any) -> Any:
        identity = {"claims": who.claims} if isinstance(who, Caller) else who
        return client.post(
            "/data/v1/_admin/explain-access",
            json={"table": table, "action": action, "identity": identity, **body},
            headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
        )

    return send


@pytest.fixture
def explained(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Ask, and return the answer of a question that could be answered."""

    def send(who: Any, table: str, action: str, **body: Any) -> Any:
        answer = ask(who, table, action, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return send


@pytest.fixture
def make_caller(client: Any) -> Callable[..., Caller]:
    def make(**claims: Any) -> Caller:
        return Caller(client, **claims)

    return make


@pytest.fixture
def put(rows: Any) -> Callable[..., str]:
    """Put a row into a table past every policy; return its id."""

    def insert(table: str, **values: Any) -> str:
        names = ", ".join(values)
        places = ", ".join(f"${at + 1}" for at in range(len(values)))
        sent = [None if value is None else str(value) for value in values.values()]
        source = f"({names}) values ({places})" if values else "default values"
        return str(rows(f"insert into {table} {source} returning id::text", *sent)[0][0])

    return insert


def act(who: Caller, table: str, action: str, body: dict[str, Any]) -> bool:
    """Do over HTTP what is asked about; tell whether the row was read or written."""
    shown = body.get("returning", False)
    where = "&".join(
        f"{name}={'is.null' if value is None else f'eq.{value}'}" for name, value in body.get("key", {}).items()
    )
    columns = ",".join(body["columns"]) if "columns" in body else "*"
    prefer = "return=representation" if shown else "return=minimal"
    if action == "select":
        answer = who.call("GET", f"{table}?{where}&select={columns}")
        return answer.status_code == 200 and len(answer.json()) == 1
    if action == "insert":
        answer = who.call("POST", f"{table}?select={columns}", body=body.get("values", {}), prefer=prefer)
        return bool(answer.status_code == 201)
    verb = "PATCH" if action == "update" else "DELETE"
    answer = who.call(verb, f"{table}?{where}&select={columns}", body=body.get("values"), prefer=prefer)
    if answer.status_code == 204:
        return bool(answer.headers["x-affected-rows"] == "1")
    return answer.status_code == 200 and len(answer.json()) == 1


@pytest.fixture
def do() -> Callable[[Caller, str, str, dict[str, Any]], bool]:
    return act
