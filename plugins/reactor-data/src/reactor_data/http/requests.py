"""What a Falcon request says, as the service takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reactor_data.catalog.cache import SchemaCache
from reactor_data.config import DataConfig
from reactor_data.preferences import Preferences
from reactor_data.service import Caller
from reactor_data.sql.native import quote

if TYPE_CHECKING:
    import falcon

# Credentials never reach SQL, where a function could store them.
_SECRET_HEADERS = frozenset(("HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_PROXY_AUTHORIZATION"))
_encode = msgspec.json.Encoder(enc_hook=str).encode
# Keys recur; environ's spelling -> the header's, None for what is no header or must not be seen.
_NAMES: dict[str, str | None] = {}
_MAX_NAMES = 512


class CallerReader:
    """Makes the `Caller` of a request, with the settings that its transaction publishes (contract data.md §7.3)."""

    def __init__(self, config: DataConfig, schema: SchemaCache) -> None:
        self._fixed = {
            "search_path": ", ".join(quote(name) for name in schema.search_path),
            "statement_timeout": str(config.statement_timeout_ms),
        }

    def read(self, req: falcon.Request, preferences: Preferences) -> Caller:
        """Return who calls; the identity was checked against the mount before."""
        settings = {
            **self._fixed,
            "request.method": req.method,
            "request.path": req.path,
            "request.headers": _headers(req.env),
        }
        if req.method not in ("GET", "HEAD"):
            settings["reactor.request_id"] = req.context.request_id  # changes bear it
        if preferences.timezone is not None:
            settings["timezone"] = preferences.timezone
        return Caller(req.context.identity, req.context.request_id, settings)


def _headers(environ: dict[str, object]) -> str:
    found: dict[str, object] = {}
    names = _NAMES
    for key, value in environ.items():
        try:
            name = names[key]
        except KeyError:
            name = _name(key)
            if len(names) < _MAX_NAMES:
                names[key] = name
        if name is not None and (value or name != "content-type"):
            found[name] = value
    return _encode(found).decode()


def _name(key: str) -> str | None:
    if key == "CONTENT_TYPE":
        return "content-type"
    if not key.startswith("HTTP_") or key in _SECRET_HEADERS:
        return None
    return key[5:].replace("_", "-").lower()
