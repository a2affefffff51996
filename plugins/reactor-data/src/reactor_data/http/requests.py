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
_encode = msgspec.json.Encoder().encode
# Header names recur; environ's spelling -> the header's.
_NAMES: dict[str, str] = {}
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
        if preferences.timezone is not None:
            settings["timezone"] = preferences.timezone
        return Caller(req.context.identity, req.context.request_id, settings)


def _headers(environ: dict[str, object]) -> str:
    found: dict[str, str] = {}
    for key, value in environ.items():
        if key.startswith("HTTP_") and key not in _SECRET_HEADERS:
            name = _NAMES.get(key)
            if name is None:
                name = key[5:].replace("_", "-").lower()
                if len(_NAMES) < _MAX_NAMES:
                    _NAMES[key] = name
            found[name] = str(value)
        elif key == "CONTENT_TYPE" and value:
            found["content-type"] = str(value)
    return _encode(found).decode()
