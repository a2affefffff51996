"""From a verified token to an identity in one organisation, cached for at most 30 s (decision 11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from uuid import UUID

import msgspec

from reactor_auth import client_tokens, delegation
from reactor_auth.cache import TaggedCache
from reactor_auth.config import LEEWAY_SECS
from reactor_auth.errors import MfaRequired, NotOrgMember, OrgNotFound, SessionRevoked, TokenExpired, UserDisabled
from reactor_auth.queries import access as sql
from reactor_auth.signing import MAX_AGE_SECS
from reactor_auth.tokens import AccessTokens, Verified, VerifiedService
from reactor_kernel.api import Clock, Database, DbRole, Identity, IdentityKind, InvalidCredential, RawResult

IDENTITY_TTL_SECS = 30.0
CACHE_SIZE = 4096
# Where an identity is filed that was taken out of its default organisation; no reference is empty.
_OUTSIDE = ""


def parse_ref(text: str) -> UUID | str:
    """Read an organisation reference: a UUID, otherwise a slug.

    Raises OrgNotFound for what can be neither, so that it never reaches the database.
    """
    try:
        return UUID(text)
    except ValueError:
        if not text or len(text) > 200 or "\x00" in text:
            raise OrgNotFound from None
        return text


class Resolver:
    """Turns access tokens into identities; what is returned is immutable and shared between requests."""

    def __init__(
        self, db: Database, tokens: AccessTokens, clock: Clock, note_use: Callable[[UUID], None] | None = None
    ) -> None:
        self._note_use = note_use
        self._db = db
        self._tokens = tokens
        self._now: Callable[[], float] = lambda: clock.now().timestamp()
        monotonic = clock.monotonic
        self._verified: TaggedCache[str, Verified | VerifiedService] = TaggedCache(CACHE_SIZE, MAX_AGE_SECS, monotonic)
        self.identities: TaggedCache[tuple[str, str | None], tuple[Identity, int]] = TaggedCache(
            CACHE_SIZE, IDENTITY_TTL_SECS, monotonic
        )

    def verify(self, token: str) -> Verified | VerifiedService:
        """Verify a token, remembering those that did."""
        known = self._verified.get(token)
        if known is not None:
            if self._now() >= known.expires_at + LEEWAY_SECS:
                raise TokenExpired
            return known
        generation = self._verified.generation
        verified = self._tokens.verify(token)
        self._verified.put(token, verified, (), generation)
        return verified

    def resolve(self, token: str, org: str | None, *, may_stay_outside: bool = False) -> Identity:
        """Return the identity of a token in an organisation, else in the user's default one, else in none.

        `may_stay_outside`: where the default organisation demands a second factor that the session lacks, return the
        caller in no organisation instead of refusing it.

        Raises:
            InvalidCredential: every fault of the token, or its session has ended.
            OrgNotFound, NotOrgMember, UserDisabled
            MfaRequired: the caller's role in the organisation demands a second factor that the session lacks.
        """
        key = (token, org)
        known = self.identities.get(key)
        if known is None and may_stay_outside:
            known = self.identities.get((token, _OUTSIDE))
        if known is not None:
            if self._now() >= known[1] + LEEWAY_SECS:
                raise TokenExpired
            return known[0]
        generation = self.identities.generation
        verified = self.verify(token)
        identity, lacks_mfa = self._look_up(verified, org)
        if self._note_use is not None and isinstance(verified, Verified):
            self._note_use(verified.session_id)
        tags = [f"user:{identity.user_id}", f"session:{identity.session_id}"] if identity.user_id else []
        if identity.org_id is not None:
            tags.append(f"org:{identity.org_id}")
        if client_tokens.CLIENT in verified.claims.raw:
            tags.append(f"client:{verified.claims.raw[client_tokens.CLIENT]}")
        if lacks_mfa:
            if not may_stay_outside or org is not None:
                raise MfaRequired(f"the role {identity.org_role} needs a second factor in this organisation")
            key = (token, _OUTSIDE)
            identity = replace(identity, org_id=None, org_role=None, permissions=frozenset())
        self.identities.put(key, (identity, verified.expires_at), tags, generation)
        return identity

    def demand_mfa_in(self, token: str, ref: str) -> None:
        """Raise MfaRequired where a token's caller lacks the second factor that its role in an organisation demands.

        An unknown organisation and one the caller is no member of demand nothing.
        """
        try:
            self.resolve(token, ref)
        except (OrgNotFound, NotOrgMember):
            return

    def forget_keys(self) -> None:
        """Verify every token anew: the key set changed."""
        self._verified.clear()
        self.identities.clear()

    def _look_up(self, verified: Verified | VerifiedService, org: str | None) -> tuple[Identity, bool]:
        if isinstance(verified, VerifiedService):
            service = delegation.service_identity(self._db, verified, None if org is None else parse_ref(org))
            return client_tokens.own_identity(self._db, service), False
        delegated, client_org = delegation.org_of(verified), client_tokens.org_of(verified.claims)
        ref = delegated or client_org if org is None else parse_ref(org)
        statement = sql.caller(verified.user_id, verified.session_id, ref)
        found = self._db.run(None, [statement], readonly=True)[0]
        # Somebody outside of a client's organisation may still sign in to the client.
        named = org is not None or delegated is not None
        whole, lacks_mfa = _identity(verified, found, named=named)
        identity = client_tokens.confined(delegation.confined(whole, verified), verified.claims, named=org is not None)
        return identity, lacks_mfa and identity.org_id is not None


def _scopes(claim: object) -> frozenset[str]:
    return frozenset(map(str, claim)) if isinstance(claim, list) else frozenset()


def _identity(verified: Verified, found: RawResult, *, named: bool) -> tuple[Identity, bool]:
    """Return the caller, and whether its role demands a second factor that its session lacks."""
    if not found.rows:
        raise InvalidCredential("the access token's user does not exist")
    disabled, session_known, session_revoked, org_id, role, permissions, amr, mfa_at, mfa_required = found.rows[0]
    if disabled == b"t":
        raise UserDisabled
    if session_known != b"t" or session_revoked == b"t":
        raise SessionRevoked
    if named and org_id is None:
        raise OrgNotFound
    if role is None:
        if named:
            raise NotOrgMember
        # A default organisation the user is no longer in is none.
        org_id = None
    identity = Identity(
        kind=IdentityKind.USER,
        subject=verified.claims.subject,
        db_role=DbRole.AUTHENTICATED,
        user_id=str(verified.user_id),
        org_id=None if org_id is None else org_id.decode(),
        org_role=None if role is None else role.decode(),
        permissions=frozenset(msgspec.json.decode(permissions, type=list[str])) if permissions else frozenset(),
        scopes=_scopes(verified.claims.raw.get("scopes")),
        claims=_current(verified.claims.raw, amr, mfa_at),
        session_id=str(verified.session_id),
    )
    return identity, mfa_required == b"t" and mfa_at is None


def _current(claims: Mapping[str, object], amr: bytes | None, mfa_at: bytes | None) -> Mapping[str, object]:
    """Put what the session knows of factors in the place of what it knew when the token was issued."""
    current = {name: value for name, value in claims.items() if name != "mfa_at"}
    current["amr"] = msgspec.json.decode(amr, type=list[str]) if amr else []
    if mfa_at is not None:
        current["mfa_at"] = int(mfa_at)
    return current
