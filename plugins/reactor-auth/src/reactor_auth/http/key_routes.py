"""How others verify tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_auth.assembly import Auth

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
