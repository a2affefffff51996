"""An OpenID Connect issuer: discovery, its keys, and the check of its ID tokens (OpenID Connect Core §3.1.3.7)."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from reactor_auth.config_social import is_safe_url
from reactor_auth.social.errors import ProviderError
from reactor_auth.social.web import get_json
from reactor_kernel.api import Clock

if TYPE_CHECKING:
    import httpx
    from joserfc.jwk import KeySet

METADATA_SECS = 3600.0
KEYS_SECS = 3600.0
RELOAD_SECS = 5.0
LEEWAY_SECS = 30
MAX_TOKEN = 65536
# Only signatures that the issuer alone can make: with HS256 anyone who knows the client secret could.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")


class Metadata(msgspec.Struct, frozen=True):
    """The parts of a discovery document that are used (OpenID Connect Discovery §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    authorization_response_iss_parameter_supported: bool = False


class Issuer:
    """One issuer, with its metadata and keys cached."""

    def __init__(self, name: str, url: str, client: Callable[[], httpx.Client], clock: Clock) -> None:
        self._name = name
        self._url = url
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def metadata(self) -> Metadata:
        """Return the discovery document, read at most once an hour.

        Raises:
            ProviderUnavailable, ProviderError
        """
        known = self._metadata
        now = self._clock.monotonic()
        if known is not None and now - known[0] < METADATA_SECS:
            return known[1]
        document = get_json(
            self._client(), f"{self._url.rstrip('/')}/.well-known/openid-configuration", name=self._name
        )
        try:
            found = msgspec.convert(document, Metadata)
        except msgspec.ValidationError as fault:
            raise ProviderError(f"the discovery document of {self._name} is not valid: {fault}") from fault
        if found.issuer != self._url:
            raise ProviderError(f"the discovery document of {self._name} names another issuer")
        endpoints = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint)
        if not all(is_safe_url(url) for url in endpoints if url is not None):
            raise ProviderError(f"the discovery document of {self._name} names a URL that is not https")
        self._metadata = (now, found)
        return found

    def claims(self, id_token: str, client_id: str, nonce: str) -> dict[str, Any]:
        """Return the claims of an ID token that was issued by this issuer, to this client, for this sign-in.

        Raises:
            ProviderUnavailable: its keys cannot be read.
            ProviderError: anything else that is wrong with the token.
        """
        from joserfc.errors import JoseError

        if len(id_token) > MAX_TOKEN:
            raise ProviderError(f"the ID token of {self._name} is too long")
        try:
            claims = self._signed_claims(id_token)
            self._check(claims, client_id)
        # joserfc lets errors of json and base64 through as ValueError.
        except (JoseError, ValueError, RecursionError) as fault:
            raise ProviderError(f"the ID token of {self._name} is not valid: {_reason(fault)}") from fault
        offered = claims.get("nonce")
        if not isinstance(offered, str) or not hmac.compare_digest(offered.encode(), nonce.encode()):
            raise ProviderError(f"the ID token of {self._name} belongs to another sign-in")
        return claims

    def _signed_claims(self, id_token: str) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError

        supported = self.metadata().id_token_signing_alg_values_supported
        algorithms = [name for name in ALGORITHMS if name in supported]
        try:
            return jwt.decode(id_token, self._key_set(KEYS_SECS), algorithms=algorithms).claims
        except (JoseError, ValueError):
            # The issuer may have begun to sign with a key that it published after we read its keys.
            return jwt.decode(id_token, self._key_set(RELOAD_SECS), algorithms=algorithms).claims

    def _check(self, claims: dict[str, Any], client_id: str) -> None:
        from joserfc.jwt import JWTClaimsRegistry

        JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=LEEWAY_SECS,
            iss={"essential": True, "value": self._url},
            aud={"essential": True, "value": client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        ).validate(claims)
        audience, party = claims["aud"], claims.get("azp")
        if party is not None and party != client_id:
            raise ProviderError(f"the ID token of {self._name} was issued to another client")
        if isinstance(audience, list) and len(audience) > 1 and party is None:
            raise ProviderError(f"the ID token of {self._name} has several audiences and names no authorized party")

    def _key_set(self, max_age: float) -> KeySet:
        from joserfc.jwk import KeySet

        with self._lock:
            known = self._keys
            now = self._clock.monotonic()
            if known is not None and now - known[0] < max_age:
                return known[1]
            document = get_json(self._client(), self.metadata().jwks_uri, name=self._name)
            if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
                raise ProviderError(f"the keys of {self._name} are not a JSON Web Key Set")
            loaded = KeySet.import_key_set({"keys": [key for key in document["keys"] if _is_for_signatures(key)]})
            self._keys = (now, loaded)
            return loaded


def _is_for_signatures(key: object) -> bool:
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"


def _reason(fault: Exception) -> str:
    """Return a library's words about a token without what it may quote from it."""
    from joserfc.errors import JoseError

    return fault.error if isinstance(fault, JoseError) and isinstance(fault.error, str) else type(fault).__name__
