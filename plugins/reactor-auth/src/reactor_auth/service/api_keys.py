"""API keys: made, listed and revoked by their owner (contract auth.md §3.11, §4.6)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import changes
from reactor_auth import scopes as patterns
from reactor_auth.api_keys import PREFIX
from reactor_auth.audit import AuditLog
from reactor_auth.changes import Changes
from reactor_auth.errors import PermissionDenied, invalid_field
from reactor_auth.events import ApiKeyChanged
from reactor_auth.model import Caller
from reactor_auth.org_errors import ApiKeyNotFound
from reactor_auth.queries import api_keys as sql
from reactor_auth.queries import users as user_sql
from reactor_auth.scopes import intersect
from reactor_auth.service.orgs import demand_name, standing_in
from reactor_auth.tokens import digest
from reactor_kernel.api import Clock, Conflict, Database, Tx, uuid7

SHOWN_PREFIX = 12
MAX_KEYS = 100


class TooManyKeys(Conflict):
    """There may be no more API keys."""

    code = "too_many_api_keys"
    hint = "Delete one that is not in use: DELETE /auth/v1/api-keys/{id}."


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `scopes` are the ones given, else what the owner may do at present."""

    id: UUID
    org_id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class ApiKeys:
    """Makes, lists and revokes the keys of a user."""

    def __init__(self, db: Database, clock: Clock, audit: AuditLog, changes_: Changes) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._changes = changes_

    def create(
        self,
        caller: Caller,
        org: str,
        name: str,
        scopes: Sequence[str] | None,
        expires_at: datetime | None,
        held: frozenset[str],
    ) -> tuple[ApiKey, str]:
        """Make a key for an organisation; return it and its secret, which is not kept.

        `held` is what the credential at hand may do there: whoever asks with less than the user's rights gets no more.

        Raises:
            ValidationError, OrgNotFound, NotOrgMember, PermissionDenied, TooManyKeys
        """
        name = demand_name(name)
        wanted = None if scopes is None else patterns.demand(scopes, "scopes")
        now, key_id = self._clock.now(), uuid7()
        if expires_at is not None and expires_at <= now:
            raise invalid_field("expires_at", "must be in the future")
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._db.begin() as tx:
            standing = standing_in(tx, org, caller.user_id, session_id=caller.session_id)
            everything = standing.permissions
            missing = patterns.beyond(sorted(everything) if wanted is None else wanted, intersect(everything, held))
            if missing:
                raise PermissionDenied(
                    f"a key can do only what you can, which does not cover: {', '.join(missing)}",
                    details={"missing": missing},
                )
            tx.execute(user_sql.by_id(caller.user_id, lock=True))
            if tx.execute(sql.count(caller.user_id)).scalar_one() >= MAX_KEYS:
                raise TooManyKeys(f"there may be no more than {MAX_KEYS} API keys")
            stored = None if wanted is None else list(wanted)
            tx.execute(
                sql.insert_key(
                    key_id,
                    caller.user_id,
                    standing.org.id,
                    name,
                    digest(secret),
                    secret[:SHOWN_PREFIX],
                    stored,
                    now,
                    expires_at,
                )
            )
            self._note(tx, "created", caller, standing.org.id, key_id, name, scopes=stored)
            return _key(tx.execute(sql.one(key_id)).one()), secret

    def of_user(self, caller: Caller) -> list[ApiKey]:
        """List the caller's keys, newest first."""
        with self._db.begin(readonly=True) as tx:
            return [_key(row) for row in tx.execute(sql.of_user(caller.user_id))]

    def revoke(self, caller: Caller, key_id: UUID) -> None:
        """Revoke a key of the caller; every node refuses it at once. Raises ApiKeyNotFound."""
        with self._db.begin() as tx:
            row = tx.execute(sql.revoke(caller.user_id, key_id, self._clock.now())).one_or_none()
            if row is None:
                raise ApiKeyNotFound
            self._note(tx, "revoked", caller, row.org_id, key_id, row.name)
            self._changes.announce(tx, changes.api_key(key_id))

    def _note(self, tx: Tx, change: str, caller: Caller, org_id: UUID, key_id: UUID, name: str, **details: Any) -> None:
        self._audit.record(
            tx,
            f"apikey.{change}",
            caller.origin,
            actor=caller.user_id,
            org_id=org_id,
            resource=f"apikey:{key_id}",
            name=name,
            **details,
        )
        tx.publish("auth.apikey.changed", ApiKeyChanged(str(caller.user_id), str(org_id), str(key_id), change))


def _key(row: Row[Any]) -> ApiKey:
    scopes = row.permissions or () if row.scopes is None else row.scopes
    return ApiKey(
        id=row.id,
        org_id=row.org_id,
        name=row.name,
        prefix=row.prefix,
        scopes=tuple(scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
