"""From an API key to an identity: opaque, looked up, cached like access tokens (contract auth.md §4.6)."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import msgspec

from reactor_auth.cache import TaggedCache
from reactor_auth.delegation import is_named, left_role
from reactor_auth.errors import MfaRequired, NotOrgMember, UserDisabled
from reactor_auth.queries import key_access as sql
from reactor_auth.resolver import parse_ref
from reactor_auth.scopes import intersect
from reactor_auth.tokens import digest
from reactor_kernel.api import Clock, Database, DbRole, Identity, IdentityKind, InvalidCredential, StopSignal

PREFIX = "rk_live_"
FLUSH_SECS = 5.0
_KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}\Z")
_NEVER = 2**62

Identities = TaggedCache[tuple[str, str | None], tuple[Identity, int]]


class KeyResolver:
    """Turns API keys into identities and notes when they were used."""

    def __init__(self, db: Database, identities: Identities, clock: Clock) -> None:
        self._db = db
        self._identities = identities
        self._clock = clock
        self._used: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def resolve(self, key: str, org: str | None) -> Identity:
        """Return the identity of a key in its own organisation; `org` must be that one where it is named.

        Raises:
            InvalidCredential: the key is unknown, revoked or expired.
            UserDisabled: its owner is.
            NotOrgMember: its owner left the organisation, or `org` is another one.
            MfaRequired: the owner's role demands a second factor, and the owner has none.
        """
        if not _KEY.match(key):
            raise InvalidCredential("the API key is malformed")
        key_hash = digest(key)
        cached_under = (key_hash.hex(), org)
        known = self._identities.get(cached_under)
        if known is None:
            generation = self._identities.generation
            known = self._look_up(key_hash, org)
            identity = known[0]
            tags = (f"apikey:{identity.api_key_id}", f"user:{identity.user_id}", f"org:{identity.org_id}")
            self._identities.put(cached_under, known, tags, generation)
        now = self._clock.now()
        identity, expires_at = known
        if now.timestamp() >= expires_at:
            raise InvalidCredential("the API key has expired")
        with self._lock:
            self._used[identity.api_key_id or ""] = now
        return identity

    def note_use(self, stop: StopSignal) -> None:
        """Write down every few seconds which keys were used, so that no request waits for it."""
        while not stop.wait(FLUSH_SECS):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Write down which keys were used since the last time."""
        with self._lock:
            used, self._used = self._used, {}
        if not used:
            return
        try:
            self._db.run(None, [sql.used(used)])
        except BaseException:
            with self._lock:
                self._used = {**used, **self._used}
            raise

    def _look_up(self, key_hash: bytes, org: str | None) -> tuple[Identity, int]:
        [found] = self._db.run(None, [sql.holder(key_hash)], readonly=True)
        if not found.rows:
            raise InvalidCredential("the API key is not known")
        key_id, user_id, revoked, expires, scopes, disabled, org_id, slug, role, lacks_mfa, permissions = (
            None if value is None else value.decode() for value in found.rows[0]
        )
        if revoked == "t":
            raise InvalidCredential("the API key has been revoked")
        if disabled == "t":
            raise UserDisabled("the API key's owner is disabled")
        named = None if org is None else parse_ref(org)
        if not is_named(UUID(org_id), slug or "", named):
            raise NotOrgMember("the API key belongs to another organisation")
        if role is None:
            raise NotOrgMember("the API key's owner is not a member of its organisation")
        if lacks_mfa == "t":
            # A machine cannot show a factor; what the organisation can demand of a key is that its owner has one.
            raise MfaRequired(
                f"the role {role} needs a second factor in this organisation, and the API key's owner has none",
                hint="The owner enrols one: POST /auth/v1/factors, or /auth/v1/webauthn/register/start.",
            )
        owner = Identity(
            kind=IdentityKind.API_KEY,
            subject=f"apikey:{key_id}",
            db_role=DbRole.AUTHENTICATED,
            user_id=user_id,
            org_id=org_id,
            org_role=role,
            permissions=_patterns(permissions),
            claims={"amr": ["apikey"]},
            api_key_id=key_id,
        )
        return _confined(owner, scopes), _NEVER if expires is None else int(float(expires))


def _confined(owner: Identity, scopes: str | None) -> Identity:
    if scopes is None:
        return owner
    allowed = _patterns(scopes)
    return replace(owner, permissions=intersect(owner.permissions, allowed), org_role=left_role(owner, allowed))


def _patterns(text: str | None) -> frozenset[str]:
    return frozenset(msgspec.json.decode(text, type=list[str])) if text else frozenset()
