"""Clients that act for themselves, in their organisation, with their scopes (RFC 6749 §4.4)."""

from __future__ import annotations

from reactor_auth import oauth_scopes
from reactor_auth.audit import AuditLog
from reactor_auth.client_tokens import CLIENT
from reactor_auth.config import AuthConfig
from reactor_auth.delegation import ORG, SCOPE
from reactor_auth.model import Origin
from reactor_auth.oauth_errors import InvalidScope
from reactor_auth.oauth_model import Client, Issued
from reactor_auth.signing import SigningKeys
from reactor_auth.tokens import SERVICE_SUBJECT, AccessTokens
from reactor_kernel.api import Clock, Database, uuid7


class Machines:
    """Issues tokens that name a client and no user."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        keys: SigningKeys,
        tokens: AccessTokens,
        audit: AuditLog,
    ) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._keys = keys
        self._tokens = tokens
        self._audit = audit

    def issue(self, client: Client, scope: str | None, origin: Origin) -> Issued:
        """Make a token with the scopes asked for, else with all permissions of the client. Raises InvalidScope."""
        scopes = tuple(sorted(oauth_scopes.permissions_in(client.scopes)))
        if scope:
            wanted = oauth_scopes.split(scope)
            if wanted is None:
                raise InvalidScope("scope is not a list of scopes")
            beyond = oauth_scopes.uncovered(wanted, scopes)
            if beyond:
                raise InvalidScope(f"the client may not have {' '.join(beyond)} for itself")
            scopes = wanted
        if not scopes:
            raise InvalidScope("the client has no permissions of its own")
        token_id, signer = uuid7(), self._keys.signer()
        claims = {
            "sub": f"{SERVICE_SUBJECT}client-{client.client_id}",
            "jti": str(token_id),
            ORG: str(client.org_id),
            SCOPE: " ".join(scopes),
            CLIENT: client.client_id,
        }
        token, expires_at = self._tokens.sign(signer, claims, self._config.access_ttl_secs)
        with self._db.begin() as tx:
            self._audit.record(
                tx,
                "oauth.token_issued",
                origin,
                actor=None,
                org_id=client.org_id,
                resource=f"oauth_client:{client.client_id}",
                token=str(token_id),
                scopes=list(scopes),
            )
        seconds = max(0, int((expires_at - self._clock.now()).total_seconds()))
        return Issued(token, seconds, expires_at, scopes)
