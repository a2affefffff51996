"""Makes delegated tokens and service identities (RFC 8693; decision 18)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from reactor_auth import scopes as patterns
from reactor_auth.audit import AuditLog
from reactor_auth.delegation import DEFAULT_SECS, DELEGATED, ORG, SCOPE
from reactor_auth.errors import OrgNotFound, OrgRequired, PermissionDenied, invalid_field
from reactor_auth.model import Caller
from reactor_auth.queries import orgs as org_sql
from reactor_auth.resolver import parse_ref
from reactor_auth.signing import SigningKeys
from reactor_auth.tokens import SERVICE_SUBJECT, AccessTokens
from reactor_kernel.api import Database, Identity, uuid7

MAX_SECS = 900
SERVICE_SECS = 300
MAX_AUDIENCE = 500
# The lists of scopes are carried by every request, in a header.
MAX_SCOPES_BYTES = 4096
_CALLER = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")


@dataclass(frozen=True, slots=True)
class Delegated:
    """A delegated token."""

    access_token: str
    scopes: tuple[str, ...]
    org_id: str
    expires_at: datetime
    expires_in: int


class Delegation:
    """Signs tokens that may do less than who asks for them."""

    def __init__(self, db: Database, keys: SigningKeys, tokens: AccessTokens, audit: AuditLog) -> None:
        self._db = db
        self._keys = keys
        self._tokens = tokens
        self._audit = audit

    def delegate(
        self,
        caller: Caller,
        identity: Identity,
        scopes: Sequence[str],
        *,
        expires_in: int = DEFAULT_SECS,
        audience: str | None = None,
    ) -> Delegated:
        """Make a token to act for a user in the organisation of `identity`, with at most these scopes.

        It ends with the session. A token for another audience is refused by Reactor itself.

        Raises:
            ValidationError, OrgRequired
            PermissionDenied: the user does not hold a scope.
        """
        wanted = _scopes(scopes)
        if not 1 <= expires_in <= MAX_SECS:
            raise invalid_field("expires_in", f"must be a whole number from 1 to {MAX_SECS}")
        if audience is not None:
            _demand_audience(audience)
        if identity.org_id is None:
            raise OrgRequired
        missing = patterns.beyond(wanted, identity.permissions)
        if missing:
            raise PermissionDenied(
                f"you can delegate only what you hold, which does not cover: {', '.join(missing)}",
                details={"missing": missing},
            )
        token_id = uuid7()
        claims: dict[str, Any] = {
            "sub": identity.subject,
            "jti": str(token_id),
            "session_id": identity.session_id,
            ORG: identity.org_id,
            SCOPE: " ".join(wanted),
            DELEGATED: True,
            "act": {"sub": audience or f"session:{identity.session_id}"},
        }
        if email := identity.claims.get("email"):
            claims["email"] = email
        if audience is not None:
            claims["aud"] = audience
        signer = self._keys.signer()
        with self._db.begin() as tx:
            self._audit.record(
                tx,
                "token.delegated",
                caller.origin,
                actor=caller.user_id,
                org_id=UUID(identity.org_id),
                resource=f"token:{token_id}",
                scopes=list(wanted),
                expires_in=expires_in,
                audience=audience,
            )
        token, expires_at = self._tokens.sign(signer, claims, expires_in)
        return Delegated(token, wanted, identity.org_id, expires_at, expires_in)

    def service_token(self, org: str, caller: str, scopes: Sequence[str], *, ttl_secs: int = SERVICE_SECS) -> str:
        """Make the token of a service in one organisation; it is trusted with the scopes it names.

        Raises:
            ValidationError, OrgNotFound
        """
        if not _CALLER.match(caller):
            raise invalid_field("caller", "must be lower-case letters, digits, hyphens and underscores")
        wanted = _scopes(scopes)
        with self._db.begin(readonly=True) as tx:
            row = tx.execute(org_sql.by_ref(parse_ref(org))).one_or_none()
        if row is None:
            raise OrgNotFound
        claims = {
            "sub": f"{SERVICE_SUBJECT}{caller}",
            "jti": str(uuid7()),
            ORG: str(row.id),
            SCOPE: " ".join(wanted),
        }
        return self._tokens.sign(self._keys.signer(), claims, ttl_secs)[0]


def _scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    wanted = patterns.demand(scopes, "scopes")
    if not wanted:
        raise invalid_field("scopes", "must name at least one permission")
    if sum(len(scope.encode()) + 1 for scope in wanted) > MAX_SCOPES_BYTES:
        raise invalid_field("scopes", f"must not be longer than {MAX_SCOPES_BYTES} bytes together")
    return wanted


def _demand_audience(audience: str) -> None:
    """Accept absolute URLs only (RFC 8707 §2): no token may pass for one made for an OAuth client's id."""
    try:
        parts = urlsplit(audience)
    except ValueError:
        parts = urlsplit("")
    if (
        parts.scheme not in ("http", "https")
        or not parts.netloc
        or parts.fragment
        or len(audience) > MAX_AUDIENCE
        or not audience.isprintable()
    ):
        raise invalid_field("audience", "must be an absolute URL without a fragment, such as https://api.example.com")
