"""From a verified token to an identity in one organisation, cached for at most 30 s (decision 11)."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec

from reactor_auth.cache import TaggedCache
from reactor_auth.errors import NotOrgMember, OrgNotFound, SessionRevoked, TokenExpired, UserDisabled
from reactor_auth.queries import access as sql
from reactor_auth.signing import MAX_AGE_SECS
from reactor_auth.tokens import LEEWAY_SECS, AccessTokens, Verified
from reactor_kernel.api import Clock, Database, DbRole, Identity, IdentityKind, InvalidCredential, RawResult

IDENTITY_TTL_SECS = 30.0
CACHE_SIZE = 4096


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

    def __init__(self, db: Database, tokens: AccessTokens, clock: Clock) -> None:
        self._db = db
        self._tokens = tokens
        self._now: Callable[[], float] = lambda: clock.now().timestamp()
        monotonic = clock.monotonic
        self._verified: TaggedCache[str, Verified] = TaggedCache(CACHE_SIZE, MAX_AGE_SECS, monotonic)
        self.identities: TaggedCache[tuple[str, str | None], tuple[Identity, int]] = TaggedCache(
            CACHE_SIZE, IDENTITY_TTL_SECS, monotonic
        )

    def verify(self, token: str) -> Verified:
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

    def resolve(self, token: str, org: str | None) -> Identity:
        """Return the identity of a token in an organisation, else in the user's default one, else in none.

        Raises:
            InvalidCredential: every fault of the token, or its session has ended.
            OrgNotFound, NotOrgMember, UserDisabled
        """
        key = (token, org)
        known = self.identities.get(key)
        if known is not None:
            if self._now() >= known[1] + LEEWAY_SECS:
                raise TokenExpired
            return known[0]
        generation = self.identities.generation
        verified = self.verify(token)
        identity = self._look_up(verified, org)
        tags = [f"user:{identity.user_id}", f"session:{identity.session_id}"]
        if identity.org_id is not None:
            tags.append(f"org:{identity.org_id}")
        self.identities.put(key, (identity, verified.expires_at), tags, generation)
        return identity

    def forget_keys(self) -> None:
        """Verify every token anew: the key set changed."""
        self._verified.clear()
        self.identities.clear()

    def _look_up(self, verified: Verified, org: str | None) -> Identity:
        ref = None if org is None else parse_ref(org)
        statement = sql.caller(verified.user_id, verified.session_id, ref)
        found = self._db.run(None, [statement], readonly=True)[0]
        return _identity(verified, found, named=org is not None)


def _scopes(claim: object) -> frozenset[str]:
    return frozenset(map(str, claim)) if isinstance(claim, list) else frozenset()


def _identity(verified: Verified, found: RawResult, *, named: bool) -> Identity:
    if not found.rows:
        raise InvalidCredential("the access token's user does not exist")
    disabled, session_known, session_revoked, org_id, role, permissions = found.rows[0]
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
    return Identity(
        kind=IdentityKind.USER,
        subject=verified.claims.subject,
        db_role=DbRole.AUTHENTICATED,
        user_id=str(verified.user_id),
        org_id=None if org_id is None else org_id.decode(),
        org_role=None if role is None else role.decode(),
        permissions=frozenset(msgspec.json.decode(permissions, type=list[str])) if permissions else frozenset(),
        scopes=_scopes(verified.claims.raw.get("scopes")),
        claims=verified.claims.raw,
        session_id=str(verified.session_id),
    )
