"""How others verify tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_auth.assembly import Auth
from reactor_auth.http.grants import GRANTS
from reactor_auth.signing import ALGORITHM

if TYPE_CHECKING:
    import falcon

_CACHE = "public, max-age=300"


class KeysResource:
    """The key set (RFC 7517)."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return every key that verifies."""
        resp.set_header("Cache-Control", _CACHE)
        resp.media = self._auth.keys.jwks()


class DiscoveryResource:
    """The discovery document; it names only what this version serves."""

    def __init__(self, auth: Auth) -> None:
        base = f"{auth.config.base_url}{auth.prefix}"
        self._document = {
            "issuer": auth.config.jwt_issuer,
            "jwks_uri": f"{base}/keys",
            "token_endpoint": f"{base}/token",
            "grant_types_supported": list(GRANTS),
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["none"],
        }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return the document."""
        resp.set_header("Cache-Control", _CACHE)
        resp.media = self._document
