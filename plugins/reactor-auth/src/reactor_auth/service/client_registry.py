"""OAuth clients as the organisations that own them see them: registered, changed, deleted (RFC 6749 §2)."""

from __future__ import annotations

import secrets
from typing import Any

from reactor_auth import changes, oauth_scopes, redirect_uris
from reactor_auth.audit import AuditLog
from reactor_auth.changes import Changes
from reactor_auth.errors import NotOrgMember, OrgNotFound, PermissionDenied, invalid_field
from reactor_auth.model import Caller, Origin, Standing
from reactor_auth.oauth_errors import ClientIsPublic, ClientNotFound, TooManyClients
from reactor_auth.oauth_model import (
    CLIENT_CREDENTIALS,
    CLIENT_GRANTS,
    CODE,
    CONFIDENTIAL,
    PUBLIC,
    REFRESH,
    Client,
    ClientChange,
)
from reactor_auth.permissions import ADMIN, CLIENTS_READ, CLIENTS_WRITE, OWNER
from reactor_auth.queries import oauth_clients as sql
from reactor_auth.service.client_endings import end_sessions
from reactor_auth.service.clients import client_of
from reactor_auth.service.orgs import demand_name, demand_permission, standing_in
from reactor_auth.service.sessions import Sessions
from reactor_auth.tokens import digest
from reactor_kernel.api import Clock, Database, Tx, uuid7

MAX_URIS = 20
MAX_CLIENTS = 100
_HEADS = (OWNER, ADMIN)


class ClientRegistry:
    """Registers and changes clients, for those who may in their organisation."""

    def __init__(self, db: Database, clock: Clock, audit: AuditLog, changes_: Changes, sessions: Sessions) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._changes = changes_
        self._sessions = sessions

    def register(self, caller: Caller, ref: str, type_: str, wish: ClientChange) -> tuple[Client, str | None]:
        """Register a client; return it with its secret, which is shown this once.

        Raises:
            OrgNotFound, NotOrgMember, PermissionDenied, ValidationError, TooManyClients
        """
        if type_ not in (PUBLIC, CONFIDENTIAL):
            raise invalid_field("type", f"must be {PUBLIC} or {CONFIDENTIAL}")
        now = self._clock.now()
        with self._db.begin() as tx:
            standing = standing_in(tx, ref, caller.user_id, lock=True, session_id=caller.session_id)
            demand_permission(standing, CLIENTS_WRITE, names=_HEADS)
            if tx.execute(sql.count(standing.org.id)).scalar_one() >= MAX_CLIENTS:
                raise TooManyClients(f"an organisation may have no more than {MAX_CLIENTS} OAuth clients")
            values = _values(standing, type_, wish, ())
            values.setdefault("scopes", list(oauth_scopes.OIDC))
            values.setdefault("grants", [CODE, REFRESH])
            if "name" not in values:
                raise invalid_field("name", "is required")
            if CODE in values["grants"] and not values.get("redirect_uris"):
                raise invalid_field("redirect_uris", f"must name at least one address for the grant {CODE}")
            secret = _new_secret() if type_ == CONFIDENTIAL else None
            row = tx.execute(
                sql.insert_client(
                    {
                        "client_id": str(uuid7()),
                        "org_id": standing.org.id,
                        "owner_id": caller.user_id,
                        "type": type_,
                        "secret_hash": digest(secret) if secret else None,
                        "created_at": now,
                        "updated_at": now,
                        **values,
                    }
                )
            ).one()
            client = client_of(row)
            self._record(tx, "oauth_client.created", caller, client, name=client.name)
        return client, secret

    def all(self, caller: Caller, ref: str) -> list[Client]:
        """List the clients of an organisation, newest first. Raises OrgNotFound, NotOrgMember, PermissionDenied."""
        with self._db.begin(readonly=True) as tx:
            standing = standing_in(tx, ref, caller.user_id, session_id=caller.session_id)
            demand_permission(standing, CLIENTS_READ, names=_HEADS)
            return [client_of(row) for row in tx.execute(sql.of_org(standing.org.id))]

    def one(self, caller: Caller, client_id: str) -> Client:
        """Return a client. Raises ClientNotFound, PermissionDenied."""
        with self._db.begin(readonly=True) as tx:
            return self._standing_and_client(tx, caller, client_id, CLIENTS_READ)[1]

    def change(self, caller: Caller, client_id: str, change: ClientChange) -> Client:
        """Change a client. Raises ClientNotFound, PermissionDenied, ValidationError."""
        with self._db.begin() as tx:
            standing, client = self._standing_and_client(tx, caller, client_id, CLIENTS_WRITE, lock=True)
            values = _values(standing, client.type, change, client.scopes)
            uris = values.get("redirect_uris", client.redirect_uris)
            if CODE in values.get("grants", client.grants) and not uris:
                raise invalid_field("redirect_uris", f"must name at least one address for the grant {CODE}")
            if not values:
                return client
            if client.first_party and _reaches_further(values, client):
                # The server's administrator trusted what the client was.
                values["first_party"] = False
            changed = client_of(tx.execute(sql.change(client_id, values, self._clock.now())).one())
            self._record(tx, "oauth_client.updated", caller, changed, changed=sorted(values))
            self._changes.announce(tx, changes.client(client_id))
        return changed

    def rotate_secret(self, caller: Caller, client_id: str) -> tuple[Client, str]:
        """Give a confidential client a new secret; the old one stops working at once.

        Raises ClientNotFound, PermissionDenied, ClientIsPublic.
        """
        with self._db.begin() as tx:
            _, client = self._standing_and_client(tx, caller, client_id, CLIENTS_WRITE, lock=True)
            if client.type == PUBLIC:
                raise ClientIsPublic
            secret = _new_secret()
            values = {"secret_hash": digest(secret)}
            client = client_of(tx.execute(sql.change(client_id, values, self._clock.now())).one())
            self._record(tx, "oauth_client.secret_rotated", caller, client)
        return client, secret

    def delete(self, caller: Caller, client_id: str) -> None:
        """Delete a client, its consents, and end the sessions opened for it. Raises ClientNotFound, PermissionDenied."""
        with self._db.begin() as tx:
            _, client = self._standing_and_client(tx, caller, client_id, CLIENTS_WRITE, lock=True)
            live = sql.live_sessions_of(client_id)
            ended = end_sessions(tx, self._sessions, live, caller.origin, self._clock.now())
            tx.execute(sql.delete_client(client_id))
            self._record(tx, "oauth_client.deleted", caller, client, name=client.name, sessions=ended)
            self._changes.announce(tx, changes.client(client_id))

    def set_first_party(self, client_id: str, first_party: bool, origin: Origin) -> Client:
        """Say whether users are spared the question whether they trust a client; for the server's administrator only.

        Raises ClientNotFound.
        """
        with self._db.begin() as tx:
            _found(tx, client_id, lock=True)
            client = client_of(tx.execute(sql.change(client_id, {"first_party": first_party}, self._clock.now())).one())
            self._audit.record(
                tx,
                "oauth_client.updated",
                origin,
                actor=None,
                org_id=client.org_id,
                resource=f"oauth_client:{client_id}",
                changed=["first_party"],
                first_party=first_party,
            )
        return client

    def _standing_and_client(
        self, tx: Tx, caller: Caller, client_id: str, permission: str, *, lock: bool = False
    ) -> tuple[Standing, Client]:
        client = _found(tx, client_id)
        try:
            standing = standing_in(tx, str(client.org_id), caller.user_id, lock=lock, session_id=caller.session_id)
        except (NotOrgMember, OrgNotFound) as stranger:
            # A stranger to the organisation does not learn that the client exists.
            raise ClientNotFound from stranger
        demand_permission(standing, permission, names=_HEADS)
        # What it had before the organisation was locked may have been taken away, and must not be kept by this change.
        return standing, _found(tx, client_id, lock=True) if lock else client

    def _record(self, tx: Tx, event_type: str, caller: Caller, client: Client, **details: Any) -> None:
        self._audit.record(
            tx,
            event_type,
            caller.origin,
            actor=caller.user_id,
            org_id=client.org_id,
            resource=f"oauth_client:{client.client_id}",
            **details,
        )


def _found(tx: Tx, client_id: str, *, lock: bool = False) -> Client:
    row = None if "\x00" in client_id else tx.execute(sql.by_id(client_id, lock=lock)).one_or_none()
    if row is None:
        raise ClientNotFound
    return client_of(row)


def _new_secret() -> str:
    return f"rcs_{secrets.token_urlsafe(32)}"


def _values(standing: Standing, type_: str, wish: ClientChange, had: tuple[str, ...]) -> dict[str, Any]:
    """Return the columns a wish sets, or raise the validation error for the first that cannot be."""
    values: dict[str, Any] = {}
    if wish.name is not None:
        values["name"] = demand_name(wish.name)
    for field in ("redirect_uris", "post_logout_redirect_uris"):
        uris: tuple[str, ...] | None = getattr(wish, field)
        if uris is None:
            continue
        if len(uris) > MAX_URIS:
            raise invalid_field(field, f"must not have more than {MAX_URIS} entries")
        for uri in uris:
            problem = redirect_uris.problem(uri)
            if problem is not None:
                raise invalid_field(field, f"holds {uri[:200]!r}, which {problem}")
        values[field] = list(dict.fromkeys(uris))
    if wish.scopes is not None:
        values["scopes"] = _scopes(standing, wish.scopes, had)
    if wish.grants is not None:
        values["grants"] = _grants(type_, wish.grants)
    if wish.logo_url is not None:
        if wish.logo_url and (redirect_uris.problem(wish.logo_url) or not wish.logo_url.startswith("https://")):
            raise invalid_field("logo_url", "must be an https address")
        values["logo_url"] = wish.logo_url or None
    return values


def _reaches_further(values: dict[str, Any], client: Client) -> bool:
    """Tell whether a change lets a client have more, or be answered elsewhere."""
    uris, scopes = values.get("redirect_uris", ()), values.get("scopes", ())
    return not set(uris) <= set(client.redirect_uris) or bool(oauth_scopes.uncovered(scopes, client.scopes))


def _scopes(standing: Standing, wanted: tuple[str, ...], had: tuple[str, ...]) -> list[str]:
    if len(wanted) > oauth_scopes.MAX_SCOPES:
        raise invalid_field("scopes", f"must not have more than {oauth_scopes.MAX_SCOPES} entries")
    if not oauth_scopes.fit(wanted):
        raise invalid_field("scopes", f"must not be longer than {oauth_scopes.MAX_BYTES} characters together")
    for scope in wanted:
        if scope not in oauth_scopes.OIDC and not oauth_scopes.is_permission(scope):
            raise invalid_field(
                "scopes",
                f"holds {scope[:100]!r}, which is neither a permission nor one of {', '.join(oauth_scopes.OIDC)}",
            )
    new = [scope for scope in wanted if scope not in had and scope not in oauth_scopes.OIDC]
    beyond = oauth_scopes.uncovered(new, standing.permissions)
    if beyond:
        raise PermissionDenied(f"a client may not do more than you: {', '.join(beyond)}", details={"missing": beyond})
    return list(dict.fromkeys(wanted))


def _grants(type_: str, wanted: tuple[str, ...]) -> list[str]:
    if not wanted:
        raise invalid_field("grants", "must not be empty")
    for grant in wanted:
        if grant not in CLIENT_GRANTS:
            raise invalid_field("grants", f"must hold only {', '.join(CLIENT_GRANTS)}")
    if CLIENT_CREDENTIALS in wanted and type_ == PUBLIC:
        raise invalid_field("grants", f"must not hold {CLIENT_CREDENTIALS} for a public client")
    return list(dict.fromkeys(wanted))
