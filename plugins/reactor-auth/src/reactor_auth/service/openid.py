"""OpenID Connect: id tokens, and what a client may know of a user (Core §2, §5)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from reactor_auth import oauth_scopes
from reactor_auth.config import AuthConfig
from reactor_auth.errors import UserNotFound
from reactor_auth.model import Binding, Tokens, User
from reactor_auth.oauth_model import CLI, WEB, Issued
from reactor_auth.queries import users as sql
from reactor_auth.service.rows import user_of
from reactor_auth.service.sessions import Grant
from reactor_auth.signing import ALGORITHM, Signer, SigningKeys
from reactor_kernel.api import Clock, Database, InvalidCredential

ONE_FACTOR, TWO_FACTORS = "urn:reactor:acr:1fa", "urn:reactor:acr:2fa"
SECOND_FACTORS = frozenset({"totp", "hwk", "otp", "mfa"})


class OpenId:
    """Signs id tokens and answers userinfo."""

    def __init__(self, config: AuthConfig, db: Database, clock: Clock, keys: SigningKeys) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._keys = keys

    def issued(self, grant: Grant, tokens: Tokens, signer: Signer, nonce: str | None) -> Issued:
        """Make the answer to a client: the tokens, with an id token where openid was granted."""
        binding = tokens.binding
        scopes = binding.scopes if binding is not None else ()
        id_token = None
        if binding is not None and oauth_scopes.OPENID in scopes:
            id_token = self._id_token(signer, grant.user, grant.session_id, binding, tokens.access_token, nonce)
        return Issued(
            tokens.access_token,
            tokens.expires_in,
            tokens.expires_at,
            scopes,
            tokens.refresh_token or None,
            id_token,
            grant.user if binding is not None and binding.client_id in (CLI, WEB) else None,
        )

    def _id_token(
        self, signer: Signer, user: User, session_id: UUID, binding: Binding, access_token: str, nonce: str | None
    ) -> str:
        from authlib.oidc.core.util import create_half_hash
        from joserfc import jws

        issued = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            **self._told(user, binding.scopes),
            "iss": self._config.jwt_issuer,
            "aud": binding.client_id,
            "azp": binding.client_id,
            "exp": issued + self._config.access_ttl_secs,
            "iat": issued,
            "auth_time": int(binding.auth_time.timestamp()),
            "amr": list(binding.amr),
            "acr": TWO_FACTORS if SECOND_FACTORS & set(binding.amr[1:]) else ONE_FACTOR,
            "at_hash": create_half_hash(access_token, ALGORITHM).decode(),
            "sid": str(session_id),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        header = {"typ": "JWT", "alg": ALGORITHM, "kid": signer.kid}
        return jws.serialize_compact(header, msgspec.json.encode(claims), signer.key, algorithms=[ALGORITHM])

    def userinfo(self, user_id: UUID, scopes: tuple[str, ...]) -> dict[str, Any]:
        """Return what these scopes tell about a user. Raises UserNotFound."""
        with self._db.begin(readonly=True) as tx:
            row = tx.execute(sql.by_id(user_id)).one_or_none()
        if row is None:
            raise UserNotFound
        return self._told(user_of(row), scopes)

    def _told(self, user: User, scopes: tuple[str, ...]) -> dict[str, Any]:
        from authlib.oidc.core import UserInfo

        known: dict[str, Any] = {
            "sub": f"user_{user.id}",
            "email": user.email,
            "email_verified": user.email_verified,
            "updated_at": int(user.updated_at.timestamp()),
            **_profile(user),
        }
        return {name: value for name, value in UserInfo(known).filter(" ".join(scopes)).items() if value is not None}

    def read_hint(self, token: str) -> dict[str, Any]:
        """Return the claims of an id token made here, which may have expired (RP-Initiated Logout §4).

        Raises InvalidCredential.
        """
        from joserfc import jws
        from joserfc.errors import JoseError

        def key_for(signature: Any) -> Any:
            kid = signature.headers().get("kid")
            key = self._keys.verifier(kid) if isinstance(kid, str) else None
            if key is None:
                raise InvalidCredential("the id token was signed with an unknown key")
            return key

        if len(token) > 8192 or not token.isascii():
            raise InvalidCredential("the id token is not a JSON Web Token")
        try:
            claims = msgspec.json.decode(jws.deserialize_compact(token, key_for, algorithms=[ALGORITHM]).payload)
        except (JoseError, ValueError, RecursionError) as fault:
            raise InvalidCredential("the id token is not a JSON Web Token signed here") from fault
        if not isinstance(claims, dict) or claims.get("iss") != self._config.jwt_issuer or "azp" not in claims:
            raise InvalidCredential("the id token was not issued here")
        return claims


def _profile(user: User) -> dict[str, Any]:
    """Read the standard claims a user keeps in its metadata, under their names or the usual ones of front ends."""
    names = {
        "name": ("name", "full_name"),
        "given_name": ("given_name",),
        "family_name": ("family_name",),
        "nickname": ("nickname",),
        "preferred_username": ("preferred_username", "user_name"),
        "picture": ("picture", "avatar_url"),
        "website": ("website",),
        "locale": ("locale",),
        "zoneinfo": ("zoneinfo",),
    }
    found: dict[str, Any] = {}
    for claim, keys in names.items():
        for key in keys:
            value = user.metadata.get(key)
            if isinstance(value, str) and value:
                found.setdefault(claim, value)
    return found
