"""Plugin classes that stand in for real ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reactor_kernel.contracts.auth import AuthClient
from reactor_kernel.contracts.identity import DbRole, Identity, IdentityKind
from reactor_kernel.contributions import Allow, ServiceProvider, Vote
from reactor_kernel.errors import Forbidden, InvalidCredential
from reactor_kernel.hookspecs.marker import hookimpl
from reactor_kernel.ids import uuid7
from reactor_kernel.plugins.info import PluginInfo

if TYPE_CHECKING:
    import falcon


def fake_service(contract: type, implementation: Any, *, plugin: str = "fakes") -> type:
    """Make a plugin class named `plugin` that provides `implementation` of a contract.

    Give it the name of the plugin it stands for, because services are limited to `requires` and `after`.
    """
    missing = [name for name in _methods(contract) if not hasattr(implementation, name)]
    if missing:
        raise TypeError(f"{type(implementation).__name__} lacks {', '.join(missing)} of {contract.__name__}")

    class Fake:
        info = PluginInfo(name=plugin, version="0", api=(1, 0), summary=f"Fake {contract.__name__}")

        @hookimpl
        def reactor_services(self) -> Iterable[ServiceProvider]:
            yield ServiceProvider(contract, lambda: implementation)

    return Fake


def fake_identities(identities: Mapping[str, Identity], *, plugin: str = "fake_identities") -> type:
    """Make a plugin class that knows callers by bearer token and lets each do what its permissions grant.

    An unknown bearer token is an `InvalidCredential`, as with a real provider.
    """

    class Identities:
        info = PluginInfo(name=plugin, version="0", api=(1, 0), summary="Identities given by a test")

        @hookimpl
        def reactor_identify(self, request: falcon.Request) -> Identity | None:
            scheme, _, token = (request.get_header("Authorization") or "").partition(" ")
            if scheme.lower() != "bearer":
                return None
            if token not in identities:
                raise InvalidCredential("the bearer token is not known")
            return identities[token]

        @hookimpl
        def reactor_authorize(self, identity: Identity, action: str) -> Vote:
            return Allow() if identity.may(action) else None

    return Identities


class TrustingAuth:
    """Stands for the plugin of identity: takes the bearer token as JSON of the identity, as `Member` sends it.

    Load what `named` returns. Everybody may do what its permissions grant. Of each user it knows what that last said of itself.
    """

    @classmethod
    def named(cls, plugin: str) -> type[TrustingAuth]:
        """Return the class of a plugin of that name."""
        info = PluginInfo(name=plugin, version="1.0.0", api=(1, 0), summary="believes everyone")
        return type("NamedTrustingAuth", (cls,), {"info": info})

    def __init__(self) -> None:
        self.members: dict[tuple[str, str | None], Identity] = {}

    @hookimpl
    def reactor_services(self) -> Iterable[ServiceProvider]:
        """Offer itself as `AuthClient`, of which it has `resolve` and `identity_of`."""
        yield ServiceProvider(AuthClient, lambda: self)

    def identity_of(self, user_id: str, org: str | None = None) -> Identity:
        """Return who a user last said it is; who then held no permission counts as no member."""
        found = self.members.get((user_id, org))
        if found is None or not found.permissions:
            raise Forbidden("the user is no member of this organisation", code="not_org_member")
        return found

    @hookimpl
    def reactor_identify(self, request: falcon.Request) -> Identity | None:
        """Believe the token."""
        token = (request.get_header("Authorization") or "").removeprefix("Bearer ")
        return self.resolve(token) if token.startswith("{") else None

    def resolve(self, token: str, org: str | None = None) -> Identity:
        """Return who a token says it is; it is a member of its own organisation only."""
        try:
            found = json.loads(token)
        except ValueError as error:
            raise InvalidCredential("that is no identity") from error
        identity = Identity(
            kind=IdentityKind(found.get("kind", "user")),
            subject=f"user_{found['user_id']}",
            db_role=DbRole(found.get("db_role", "authenticated")),
            user_id=found["user_id"],
            org_id=found["org_id"],
            permissions=frozenset(found.get("permissions", ())),
            claims=found.get("claims", {}),
        )
        if org not in (None, identity.org_id):
            raise Forbidden("the user is no member of this organisation", code="not_org_member")
        self.members[found["user_id"], found["org_id"]] = identity
        return identity

    @hookimpl
    def reactor_authorize(self, identity: Identity, action: str) -> Vote:
        """Let each do what its permissions grant."""
        return Allow() if identity.may(action) else None


class Member:
    """A user in an organisation, with an HTTP client on the routes below `prefix`; `TrustingAuth` believes its token.

    `more` are further members of the token: kind, db_role, permissions, claims.
    """

    def __init__(self, client: Any, prefix: str, org_id: str | None = None, **more: Any) -> None:
        self.client = client
        self.prefix = prefix
        self.user_id, self.org_id = str(uuid7()), org_id or str(uuid7())
        self.more: dict[str, Any] = more

    @property
    def headers(self) -> dict[str, str]:
        """What says who it is."""
        token = json.dumps({"user_id": self.user_id, "org_id": self.org_id, **self.more})
        return {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, *, body: Any = None, **headers: str) -> Any:
        """Send a request and return the answer; a body that is no bytes, text or iterator goes as JSON."""
        sent = self.headers | {name.replace("_", "-"): text for name, text in headers.items()}
        content = body
        if body is not None and not isinstance(body, (bytes, str)) and not hasattr(body, "__next__"):
            content = json.dumps(body).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        return self.client.request(method, f"{self.prefix}/{path}", content=content, headers=sent)


def _methods(contract: type) -> Iterable[str]:
    return (name for name, value in vars(contract).items() if callable(value) and not name.startswith("_"))
