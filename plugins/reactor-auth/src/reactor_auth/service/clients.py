"""OAuth clients as the protocol meets them: built in or registered, authenticated by secret (RFC 6749 §2.3)."""

from __future__ import annotations

import hmac
from typing import Any

from sqlalchemy import Row

from reactor_auth import oauth_scopes, redirect_uris, redirects
from reactor_auth.config import AuthConfig
from reactor_auth.oauth_errors import InvalidClient
from reactor_auth.oauth_model import CLI, CODE, DEVICE, PUBLIC, REFRESH, WEB, Client
from reactor_auth.queries import oauth_clients as sql
from reactor_auth.tokens import digest
from reactor_kernel.api import Database, Tx


def client_of(row: Row[Any]) -> Client:
    """Read a client."""
    return Client(
        client_id=row.client_id,
        name=row.name,
        type=row.type,
        redirect_uris=tuple(row.redirect_uris),
        post_logout_redirect_uris=tuple(row.post_logout_redirect_uris),
        scopes=tuple(row.scopes),
        grants=tuple(row.grants),
        org_id=row.org_id,
        owner_id=row.owner_id,
        logo_url=row.logo_url,
        first_party=row.first_party,
        created_at=row.created_at,
        updated_at=row.updated_at,
        secret_hash=row.secret_hash,
    )


def _built_in(client_id: str, name: str, *uris: str) -> Client:
    return Client(
        client_id,
        name,
        PUBLIC,
        uris,
        (),
        oauth_scopes.OIDC,
        (CODE, REFRESH, DEVICE),
        None,
        None,
        None,
        True,
        None,
        None,
    )


BUILT_IN = {
    CLI: _built_in(CLI, "Reactor command line", "http://localhost/callback", "http://127.0.0.1/callback"),
    WEB: _built_in(WEB, "Reactor"),
}


class Clients:
    """Finds and authenticates clients."""

    def __init__(self, config: AuthConfig, db: Database) -> None:
        self._config = config
        self._db = db

    def find(self, client_id: str) -> Client | None:
        """Return a client, built-in or registered."""
        built_in = BUILT_IN.get(client_id)
        if built_in is not None or "\x00" in client_id:
            return built_in
        with self._db.begin(readonly=True) as tx:
            return find_in(tx, client_id)

    def may_redirect_to(self, client: Client, uri: str) -> bool:
        """Tell whether a browser may be sent to `uri` in an answer to this client."""
        if client.client_id == WEB:
            return "#" not in uri and redirects.allowed(self._config, uri)
        return redirect_uris.matches_any(client.redirect_uris, uri)

    def may_return_to(self, client: Client, uri: str) -> bool:
        """Tell whether a browser may be sent to `uri` after it signed out at this client's wish."""
        if client.client_id == WEB:
            return "#" not in uri and redirects.allowed(self._config, uri)
        return redirect_uris.matches_any(client.post_logout_redirect_uris, uri)

    def authenticate(self, client_id: str, secret: str | None) -> Client:
        """Return the client that proves to be `client_id`; a public one has nothing to prove.

        Raises InvalidClient, without telling an unknown client from a wrong secret.
        """
        client = self.find(client_id)
        stored = client.secret_hash if client is not None else None
        offered = digest(secret or "")
        fits = hmac.compare_digest(offered, stored if stored is not None else bytes(32))
        if client is not None and client.type == PUBLIC:
            if secret:
                raise InvalidClient("a public client has no secret")
            return client
        if client is None or not secret or not fits:
            raise InvalidClient
        return client


def find_in(tx: Tx, client_id: str) -> Client | None:
    """Return a client, read within a transaction."""
    if client_id in BUILT_IN:
        return BUILT_IN[client_id]
    row = tx.execute(sql.by_id(client_id)).one_or_none()
    return None if row is None else client_of(row)
