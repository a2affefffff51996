"""Access tokens: RS256 JWTs (contract auth.md §4.1, §4.2)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import msgspec

from reactor_auth.config import LEEWAY_SECS as LEEWAY_SECS
from reactor_auth.config import AuthConfig
from reactor_auth.errors import TokenExpired
from reactor_auth.model import User
from reactor_auth.signing import ALGORITHM, Signer
from reactor_kernel.api import Claims, Clock, InvalidCredential

if TYPE_CHECKING:
    from joserfc.jwk import GuestProtocol, RSAKey

# The `orgs` claim is informational (membership is read from the database) and must not outgrow a header.
MAX_ORGS_CLAIMED = 50
MAX_LENGTH = 8192
HEADER = frozenset({"typ", "alg", "kid"})

SERVICE_SUBJECT = "service:"


@dataclass(frozen=True, slots=True)
class VerifiedService:
    """A service's token that verified (decision 18). `expires_at` includes no leeway."""

    claims: Claims

    @property
    def expires_at(self) -> int:
        """Seconds since the epoch."""
        return self.claims.expires_at


@dataclass(frozen=True, slots=True)
class Verified:
    """A user's token that verified, delegated ones included. `expires_at` includes no leeway."""

    claims: Claims
    user_id: UUID
    session_id: UUID

    @property
    def expires_at(self) -> int:
        """Seconds since the epoch."""
        return self.claims.expires_at


def new_refresh_token() -> str:
    """Make a refresh token: `rrf_` and 32 random bytes in base64url."""
    return f"rrf_{secrets.token_urlsafe(32)}"


def digest(token: str) -> bytes:
    """Return what is stored of an opaque token. Unpaired surrogates are no token's and digest like any other text."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Verifiers(Protocol):
    """Where public keys come from."""

    def verifier(self, kid: str) -> RSAKey | None:
        """Return the public key `kid`, or None for an unknown one."""
        ...


class AccessTokens:
    """Issues and verifies access tokens."""

    def __init__(self, config: AuthConfig, keys: Verifiers, clock: Clock) -> None:
        self._config = config
        self._keys = keys
        self._clock = clock

    def issue(
        self,
        signer: Signer,
        user: User,
        session_id: UUID,
        amr: Sequence[str],
        orgs: Sequence[UUID],
        *,
        scopes: Sequence[str] = (),
        not_after: datetime | None = None,
        extra: Mapping[str, Any] | None = None,
        mfa_at: datetime | None = None,
    ) -> tuple[str, datetime]:
        """Sign a token for a session that ends `not_after`; return it with the instant it expires.

        `extra` holds further claims: other plugins' and those of an OAuth client; `scopes` are an operator's.
        """
        claims: dict[str, Any] = {
            **(extra or {}),
            "sub": f"user_{user.id}",
            "amr": list(amr),
            "orgs": [str(org) for org in orgs],
        }
        if user.email:
            claims["email"] = user.email
        if user.default_org_id is not None:
            claims["default_org"] = str(user.default_org_id)
        claims["session_id"] = str(session_id)
        if scopes:
            claims["scopes"] = list(scopes)
        if mfa_at is not None:
            claims["mfa_at"] = int(mfa_at.timestamp())
        ttl_secs = self._config.access_ttl_secs
        if not_after is not None:
            ttl_secs = min(ttl_secs, int(not_after.timestamp()) - int(self._clock.now().timestamp()))
        return self.sign(signer, claims, ttl_secs)

    def sign(self, signer: Signer, claims: Mapping[str, Any], ttl_secs: int) -> tuple[str, datetime]:
        """Sign claims that expire after `ttl_secs`; return the token with the instant it expires.

        Issuer and times are set here, and so is the audience unless the claims name one.
        """
        from joserfc import jws

        issued = int(self._clock.now().timestamp())
        expires = issued + ttl_secs
        full = {
            "aud": self._config.jwt_audience,
            **claims,
            "iss": self._config.jwt_issuer,
            "exp": expires,
            "iat": issued,
            "nbf": issued,
        }
        header = {"typ": "JWT", "alg": ALGORITHM, "kid": signer.kid}
        token = jws.serialize_compact(header, msgspec.json.encode(full), signer.key, algorithms=[ALGORITHM])
        return token, datetime.fromtimestamp(expires, UTC)

    def verify(self, token: str) -> Verified | VerifiedService:
        """Check signature, issuer, audience and times.

        Raises:
            InvalidCredential: `token_expired` for an expired `exp` only, `invalid_token` for everything else.
        """
        claims = self._signed_claims(token)
        if claims.get("iss") != self._config.jwt_issuer:
            raise InvalidCredential("the access token comes from another issuer")
        if claims.get("aud") != self._config.jwt_audience:
            raise InvalidCredential("the access token is meant for another audience")
        now = self._clock.now().timestamp()
        expires, not_before = _instant(claims, "exp"), _instant(claims, "nbf")
        if now < not_before - LEEWAY_SECS:
            raise InvalidCredential("the access token is not valid yet")
        if now >= expires + LEEWAY_SECS:
            raise TokenExpired
        subject = claims.get("sub")
        if isinstance(subject, str) and subject.startswith(SERVICE_SUBJECT):
            return VerifiedService(Claims(subject=subject, expires_at=int(expires), raw=claims))
        if not isinstance(subject, str) or not subject.startswith("user_"):
            raise InvalidCredential("the access token names no user")
        return Verified(
            Claims(subject=subject, expires_at=int(expires), raw=claims),
            user_id=_uuid(subject.removeprefix("user_"), "sub"),
            session_id=_uuid(claims.get("session_id"), "session_id"),
        )

    def _signed_claims(self, token: str) -> dict[str, Any]:
        from joserfc import jws
        from joserfc.errors import BadSignatureError, JoseError

        if len(token) > MAX_LENGTH or not token.isascii():
            raise InvalidCredential("the access token is not a JSON Web Token")
        try:
            opened = jws.deserialize_compact(token, self._key_for, algorithms=[ALGORITHM])
            claims = msgspec.json.decode(opened.payload)
        except BadSignatureError as fault:
            raise InvalidCredential("the access token's signature does not match") from fault
        # joserfc lets errors of json and base64 through (ValueError covers both, and msgspec's).
        except (JoseError, ValueError, RecursionError) as fault:
            raise InvalidCredential("the access token is not a JSON Web Token signed with RS256") from fault
        if not isinstance(claims, dict):
            raise InvalidCredential("the access token's payload is not an object")
        return claims

    def _key_for(self, signature: GuestProtocol) -> RSAKey:
        header = signature.headers()
        # Everything else a header may carry (jwk, jku, x5u, x5c, crit, b64 …) only ever helps whoever forges tokens.
        if header.get("alg") != ALGORITHM or not HEADER.issuperset(header):
            raise InvalidCredential("the access token is not a JSON Web Token signed with RS256")
        kid = header.get("kid")
        key = self._keys.verifier(kid) if isinstance(kid, str) else None
        if key is None:
            raise InvalidCredential("the access token was signed with an unknown key")
        return key


def _instant(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidCredential(f"the access token's {name} is not a number")
    return value


def _uuid(value: object, name: str) -> UUID:
    try:
        return UUID(str(value))
    except ValueError as fault:
        raise InvalidCredential(f"the access token's {name} is not valid") from fault
