"""What a token is worth to a client that asks, and its end (RFC 7662, RFC 7009)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from reactor_auth.client_tokens import CLIENT, SCOPE
from reactor_auth.config import AuthConfig
from reactor_auth.delegation import DELEGATED
from reactor_auth.model import Origin
from reactor_auth.oauth_errors import UnauthorizedClient
from reactor_auth.oauth_model import CONFIDENTIAL, Client
from reactor_auth.queries import oauth_clients as client_sql
from reactor_auth.queries import sessions as sql
from reactor_auth.resolver import Resolver
from reactor_auth.service.clients import Clients
from reactor_auth.service.sessions import Sessions
from reactor_auth.tokens import Verified, digest
from reactor_kernel.api import Database, Forbidden, InvalidCredential, NotFound

REFRESH_PREFIX = "rrf_"
INACTIVE: dict[str, Any] = {"active": False}


class TokenStatus:
    """Introspects and revokes tokens on behalf of clients."""

    def __init__(
        self, db: Database, resolver: Resolver, sessions: Sessions, clients: Clients, config: AuthConfig
    ) -> None:
        self._db = db
        self._resolver = resolver
        self._sessions = sessions
        self._clients = clients
        self._config = config

    def introspect(self, client: Client, token: str, now: datetime) -> dict[str, Any]:
        """Return what RFC 7662 §2.2 tells of a token; only `active` false where it is none of the client's business.

        A client may ask about its own tokens and those of its organisation's other clients. Raises UnauthorizedClient.
        """
        if client.type != CONFIDENTIAL:
            raise UnauthorizedClient("only a client with a secret may introspect tokens")
        if token.startswith(REFRESH_PREFIX):
            return self._refresh_token(client, token, now)
        try:
            verified = self._resolver.verify(token)
            self._resolver.resolve(token, None)
        except (InvalidCredential, Forbidden, NotFound):
            return INACTIVE
        raw = verified.claims.raw
        if not self._concerns(client, raw.get(CLIENT)):
            return INACTIVE
        names = ("client_id", "exp", "iat", "nbf", "sub", "aud", "iss")
        told = {name: raw[name] for name in names if name in raw}
        return {
            "active": True,
            "token_type": "Bearer",
            "scope": raw.get(SCOPE, ""),
            **({"username": raw["email"]} if raw.get("email") else {}),
            **told,
        }

    def _refresh_token(self, client: Client, token: str, now: datetime) -> dict[str, Any]:
        with self._db.begin(readonly=True) as tx:
            row = tx.execute(sql.inspected(digest(token))).one_or_none()
            bound = tx.execute(client_sql.binding(row.session_id)).one_or_none() if row is not None else None
        if row is None or bound is None or not self._concerns(client, bound.client_id):
            return INACTIVE
        if (
            row.used_at is not None
            or row.revoked_at is not None
            or row.disabled_at is not None
            or row.expires_at <= now
        ):
            return INACTIVE
        return {
            "active": True,
            "token_type": "refresh_token",
            "scope": " ".join(bound.scopes),
            "client_id": bound.client_id,
            "username": row.email,
            "sub": f"user_{row.id}",
            "iss": self._config.jwt_issuer,
            "iat": int(row.issued_at.timestamp()),
            "exp": int(row.expires_at.timestamp()),
        }

    def _concerns(self, client: Client, other: object) -> bool:
        if not isinstance(other, str):
            return False
        if other == client.client_id:
            return True
        found = self._clients.find(other)
        return found is not None and found.org_id is not None and found.org_id == client.org_id

    def revoke(self, client: Client, token: str, origin: Origin) -> None:
        """End the session a token belongs to, with all of its tokens; fine for a token that is none.

        Raises UnauthorizedClient where the token was issued to another client (RFC 7009 §2.1), or is a delegated one: it may
        do less than its session, so it cannot end it.
        """
        session_id, user_id = self._session_of(token)
        if session_id is None or user_id is None:
            return
        with self._db.begin() as tx:
            bound = tx.execute(client_sql.binding(session_id)).one_or_none()
            owner = bound.client_id if bound is not None else None
            if owner != client.client_id and not (owner is None and client.is_built_in):
                raise UnauthorizedClient("the token was not issued to this client")
            self._sessions.revoke(tx, user_id, "token_revoked", origin, only=session_id)

    def end_session(self, hint: Mapping[str, Any], origin: Origin) -> None:
        """End the session that an id token was issued for, if it is still there."""
        try:
            session_id, user_id = UUID(str(hint.get("sid"))), UUID(str(hint.get("sub")).removeprefix("user_"))
        except ValueError:
            return
        with self._db.begin() as tx:
            self._sessions.revoke(tx, user_id, "logout", origin, only=session_id)

    def _session_of(self, token: str) -> tuple[UUID | None, UUID | None]:
        if not token.startswith(REFRESH_PREFIX):
            try:
                verified = self._resolver.verify(token)
            except InvalidCredential:
                return None, None
            if DELEGATED in verified.claims.raw:
                raise UnauthorizedClient("a delegated token ends by itself")
            return (verified.session_id, verified.user_id) if isinstance(verified, Verified) else (None, None)
        with self._db.begin(readonly=True) as tx:
            row = tx.execute(sql.session_of(digest(token))).one_or_none()
        return (row.session_id, row.user_id) if row is not None else (None, None)
