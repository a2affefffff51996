"""The `AuthClient` contract over HTTP, for processes where identity runs elsewhere (`[auth] url`)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from reactor_auth.cache import TaggedCache
from reactor_auth.config import LEEWAY_SECS, AuthConfig
from reactor_auth.errors import TokenExpired, UserNotFound
from reactor_auth.tokens import AccessTokens
from reactor_kernel.api import (
    Claims,
    Clock,
    Conflict,
    DbRole,
    Forbidden,
    Identity,
    IdentityKind,
    InvalidCredential,
    NotFound,
    OrgRef,
    ProbeResult,
    RateLimited,
    ReactorError,
    Readiness,
    Unavailable,
    UserRecord,
    ValidationError,
)

if TYPE_CHECKING:
    import falcon
    import httpx
    from joserfc.jwk import RSAKey

IDENTITY_SECS = 30.0
KEYS_SECS = 300.0
RELOAD_SECS = 5.0
CACHE_SIZE = 4096
ANSWER_SECS = 5.0
_KINDS: Mapping[int, type[ReactorError]] = {
    400: ValidationError,
    401: InvalidCredential,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}


class AuthUnavailable(Unavailable):
    """The server that knows who is calling does not answer."""

    hint = "Look at [auth] url and internal_secret, and whether that server is up."


class WireIdentity(msgspec.Struct, frozen=True):
    """An identity as the internal routes tell it."""

    kind: str
    subject: str
    db_role: str
    user_id: str | None
    org_id: str | None
    org_role: str | None
    permissions: list[str]
    scopes: list[str]
    claims: dict[str, Any]
    session_id: str | None
    api_key_id: str | None


class _Context(msgspec.Struct, frozen=True):
    identity: WireIdentity


class _Fault(msgspec.Struct, frozen=True):
    code: str
    message: str
    hint: str | None = None
    details: dict[str, Any] = {}


class _Refusal(msgspec.Struct, frozen=True):
    error: _Fault


class _ServiceToken(msgspec.Struct, frozen=True):
    token: str


class _WireUser(msgspec.Struct, frozen=True):
    id: str
    email: str
    email_verified: bool
    metadata: dict[str, Any]
    default_org_id: str | None
    created_at: datetime
    disabled_at: datetime | None


def wire_identity(identity: Identity) -> WireIdentity:
    """Return an identity in the form that travels."""
    return WireIdentity(
        identity.kind.value,
        identity.subject,
        identity.db_role.value,
        identity.user_id,
        identity.org_id,
        identity.org_role,
        sorted(identity.permissions),
        sorted(identity.scopes),
        dict(identity.claims),
        identity.session_id,
        identity.api_key_id,
    )


class RemoteKeys:
    """The other server's key set, at most five minutes old; an unknown kid makes it read again, at most every 5 s."""

    def __init__(self, fetch: Callable[[], Any], clock: Clock, log: logging.Logger) -> None:
        self._fetch = fetch
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._keys: dict[str, RSAKey] = {}
        self._document: Mapping[str, object] | None = None
        self._loaded_at = float("-inf")
        self._asked_at = float("-inf")

    def verifier(self, kid: str) -> RSAKey | None:
        """Return the public key `kid`."""
        known = self._keys.get(kid)
        if known is not None and self._clock.monotonic() - self._loaded_at < KEYS_SECS:
            # Without the lock: somebody who shows an unknown kid may hold it while the other server takes its time.
            return known
        self._refresh(KEYS_SECS)
        if kid not in self._keys:
            self._refresh(RELOAD_SECS)
        return self._keys.get(kid)

    def document(self) -> Mapping[str, object]:
        """Return the key set as it is published."""
        self._refresh(KEYS_SECS)
        assert self._document is not None
        return self._document

    def _refresh(self, max_age: float) -> None:
        with self._lock:
            now = self._clock.monotonic()
            age = now - self._loaded_at
            if age < max_age:
                return
            if now - self._asked_at >= RELOAD_SECS:
                self._asked_at = now
                try:
                    document = self._fetch()
                    self._keys = _import(document)
                except Unavailable as fault:
                    self._log.warning("the signing keys could not be read: %s", fault.message)
                else:
                    self._document, self._loaded_at = document, now
                    return
            # While the other server is down, tokens verify with the known keys for as long again.
            if age >= 2 * KEYS_SECS:
                raise AuthUnavailable("the auth server does not answer")


class RemoteAuthClient:
    """Asks the server at `[auth] url`; the answers are those of the client in process, up to 30 s old."""

    def __init__(self, config: AuthConfig, name: str, prefix: str, clock: Clock, log: logging.Logger) -> None:
        self._name = name
        self._base = f"{(config.url or '').rstrip('/')}{prefix}"
        self._secret = config.internal_secret or ""
        self._log = log
        self._now: Callable[[], float] = lambda: clock.now().timestamp()
        self._keys = RemoteKeys(lambda: self._ask("GET", "/keys"), clock, log)
        self._tokens = AccessTokens(config, self._keys, clock)
        self.identities: TaggedCache[tuple[str, str | None], tuple[Identity, float | None]] = TaggedCache(
            CACHE_SIZE, IDENTITY_SECS, clock.monotonic
        )

    @cached_property
    def _client(self) -> httpx.Client:
        import httpx

        return httpx.Client(timeout=ANSWER_SECS, follow_redirects=False)

    # -- the contract --------------------------------------------------------------------------------------------------

    def verify_token(self, token: str) -> Claims:
        """Check an access token with the other server's keys; see `contracts.AuthClient`."""
        return self._tokens.verify(token).claims

    def resolve(
        self, token: str, org: OrgRef | None = None, *, capability: str | None = None, writes: bool = True
    ) -> Identity:
        """Turn a credential into an identity; see `contracts.AuthClient`."""
        from reactor_auth.client_tokens import demand_scope

        identity = self._identity(token, org)
        demand_scope(identity, capability, writes=writes)
        return identity

    def _identity(self, token: str, org: OrgRef | None) -> Identity:
        """Ask who a credential is, whatever it may be used for."""
        key = (token, org)
        known = self.identities.get(key)
        if known is not None:
            identity, expires_at = known
            if expires_at is not None and self._now() >= expires_at + LEEWAY_SECS:
                raise TokenExpired
            return identity
        generation = self.identities.generation
        sent = {"token": token} if org is None else {"token": token, "requested_org": org}
        answer = self._ask("POST", "/_internal/resolve_ctx", sent)
        try:
            identity = _identity(msgspec.convert(answer, _Context).identity)
        except (msgspec.ValidationError, ValueError) as fault:
            raise AuthUnavailable("the auth server answered in a form that is not understood") from fault
        expires = identity.claims.get("exp")
        self.identities.put(
            key, (identity, float(expires) if isinstance(expires, (int, float)) else None), (), generation
        )
        return identity

    def mint_service_identity(self, org: OrgRef, caller: str, scopes: Sequence[str]) -> str:
        """Let the other server make the token a service names itself with; see `contracts.AuthClient`."""
        wanted = {"org": org, "caller": caller, "scopes": list(scopes)}
        try:
            return msgspec.convert(self._ask("POST", "/_internal/service_token", wanted), _ServiceToken).token
        except msgspec.ValidationError as fault:
            raise AuthUnavailable("the auth server answered in a form that is not understood") from fault

    def identity_of(self, user_id: str, org: OrgRef | None = None) -> Identity:
        """Let the other server describe who a user would be; see `contracts.AuthClient`."""
        sent = {"user_id": user_id} if org is None else {"user_id": user_id, "requested_org": org}
        answer = self._ask("POST", "/_internal/resolve_ctx", sent)
        try:
            return _identity(msgspec.convert(answer, _Context).identity)
        except (msgspec.ValidationError, ValueError) as fault:
            raise AuthUnavailable("the auth server answered in a form that is not understood") from fault

    def user(self, user_id: str) -> UserRecord:
        """Return a user. Raises NotFound `user_not_found`."""
        try:
            key = UUID(user_id)
        except ValueError:
            raise UserNotFound from None
        answer = self._ask("GET", f"/users/{key}")
        try:
            found = msgspec.convert(answer, _WireUser)
        except msgspec.ValidationError as fault:
            raise AuthUnavailable("the auth server answered in a form that is not understood") from fault
        return UserRecord(
            found.id,
            found.email,
            found.email_verified,
            found.metadata,
            found.default_org_id,
            found.created_at,
            found.disabled_at,
        )

    def check(self, identity: Identity, permissions: Sequence[str]) -> Mapping[str, bool]:
        """Tell for each permission whether the identity holds it."""
        return {permission: identity.may(permission) for permission in permissions}

    def jwks(self) -> Mapping[str, object]:
        """Return the published key set."""
        return self._keys.document()

    # -- for the plugin ------------------------------------------------------------------------------------------------

    def identify(self, request: falcon.Request) -> Identity | None:
        """Return the identity of a request's credential; None where it carries none."""
        from reactor_auth.client_tokens import demand_reach
        from reactor_auth.http.credentials import credential_of

        token = credential_of(request)
        if token is None:
            return None
        org = request.get_header("X-Reactor-Org") or None
        identity = self._identity(token, None if org is None else OrgRef(org))
        demand_reach(identity, request.context.owner, self._name, request.method, request.path)
        return identity

    def probe(self) -> ProbeResult:
        """Read the keys, and show the internal secret to the other server."""
        try:
            keys = self._ask("GET", "/keys")["keys"]
            self._ask("GET", "/users/00000000-0000-0000-0000-000000000000")
        except NotFound:
            return ProbeResult(Readiness.OK, f"{self._base} answers, with {len(keys)} signing keys")
        except ReactorError as fault:
            return ProbeResult(Readiness.FAIL, fault.message)
        return ProbeResult(Readiness.FAIL, f"{self._base} knows a user that cannot be")

    def health(self) -> str | None:
        """Tell whether the other server answers."""
        try:
            self._ask("GET", "/health")
        except ReactorError as fault:
            return fault.message
        return None

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        import httpx

        headers = {"X-Reactor-Internal-Secret": self._secret}
        try:
            answer = self._client.request(method, f"{self._base}{path}", json=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            raise AuthUnavailable("the auth server does not answer") from fault
        if answer.status_code == 200:
            try:
                return msgspec.json.decode(answer.content)
            except (msgspec.DecodeError, UnicodeDecodeError) as fault:
                raise AuthUnavailable("the auth server answered something that is not JSON") from fault
        raise self._refusal(answer)

    def _refusal(self, answer: httpx.Response) -> ReactorError:
        kind = _KINDS.get(answer.status_code)
        if kind is None:
            return AuthUnavailable(f"the auth server answered with status {answer.status_code}")
        try:
            fault = msgspec.json.decode(answer.content, type=_Refusal).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            return AuthUnavailable(f"the auth server answered with status {answer.status_code}")
        if fault.code == "unauthorized":
            # Not the caller's fault: this process showed a wrong secret.
            self._log.error("the auth server at %s refuses this process' [auth] internal_secret", self._base)
            return AuthUnavailable("the auth server refuses this server's internal secret")
        if answer.status_code == 404 and fault.code in ("not_found", "method_not_allowed"):
            return AuthUnavailable("the auth server has no internal routes; set [auth] internal_secret there")
        if fault.code == "token_expired":
            return TokenExpired(fault.message, hint=fault.hint)
        return kind(fault.message, code=fault.code, hint=fault.hint, details=fault.details)


def _identity(wire: WireIdentity) -> Identity:
    return Identity(
        kind=IdentityKind(wire.kind),
        subject=wire.subject,
        db_role=DbRole(wire.db_role),
        user_id=wire.user_id,
        org_id=wire.org_id,
        org_role=wire.org_role,
        permissions=frozenset(wire.permissions),
        scopes=frozenset(wire.scopes),
        claims=wire.claims,
        session_id=wire.session_id,
        api_key_id=wire.api_key_id,
    )


def _import(document: object) -> dict[str, RSAKey]:
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise AuthUnavailable("the auth server's keys are not a JSON Web Key Set")
    try:
        found = [RSAKey.import_key(key) for key in listed if isinstance(key, dict) and key.get("kty") == "RSA"]
    except (JoseError, ValueError) as fault:
        raise AuthUnavailable("the auth server publishes a key that cannot be used") from fault
    return {key.kid: key for key in found if key.kid}
