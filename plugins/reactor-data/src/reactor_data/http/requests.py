"""What a Falcon request says, as the service takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from reactor_data.catalog.cache import SchemaCache
from reactor_data.catalog.model import Schema
from reactor_data.config import DataConfig
from reactor_data.preferences import Preferences
from reactor_data.roles import CallerRoles
from reactor_data.running import Caller, Timing
from reactor_data.sql.native import quote
from reactor_kernel.api import Identity

if TYPE_CHECKING:
    import falcon

# Credentials never reach SQL, where a function could store them.
_SECRET_HEADERS = frozenset(
    f"HTTP_{name}"
    for name in (
        "AUTHORIZATION",
        "COOKIE",
        "PROXY_AUTHORIZATION",
        "X_REACTOR_API_KEY",
        "X_REACTOR_PROJECT_KEY",
        "APIKEY",
    )
)
_SECRET_COOKIES = "reactor_"
_encode = msgspec.json.Encoder(enc_hook=str).encode
# Keys recur; environ's spelling -> the header's, None for what is no header or must not be seen.
_NAMES: dict[str, str | None] = {}
_MAX_NAMES = 512


class CallerReader:
    """Makes the `Caller` of a request, with the settings that its transaction publishes (contract data.md §7.3)."""

    def __init__(self, config: DataConfig, schema: SchemaCache, roles: CallerRoles) -> None:
        self._config = config
        self._schema = schema
        self._roles = roles
        self._timeout = str(config.statement_timeout_ms)
        self._paths: dict[tuple[str, ...], str] = {}

    def schema(self, req: falcon.Request) -> Schema:
        """Return the schema that the request's profile header names, the default one without it.

        Raises:
            DataError: 406 PGRST106.
        """
        name = "HTTP_ACCEPT_PROFILE" if req.method in ("GET", "HEAD") else "HTTP_CONTENT_PROFILE"
        return self._schema.current(req.env.get(name))

    def profile_headers(self, resp: falcon.Response, schema: Schema) -> None:
        """Say which schema answers, where there are several."""
        if len(self._schema.schemas) > 1:
            resp.set_header("Content-Profile", schema.name)

    def timing(self) -> Timing | None:
        """Begin to measure a request, where it is configured."""
        return Timing() if self._config.server_timing_enabled else None

    def read(
        self,
        req: falcon.Request,
        preferences: Preferences,
        schema: Schema,
        timing: Timing | None = None,
        *,
        identity: Identity | None = None,
    ) -> Caller:
        """Return who calls; the identity was checked against the mount before. `identity` is another that it may act as.

        Raises:
            DataError: the token names a role that it may not have.
        """
        identity = self._roles.placed(identity or req.context.identity)
        role_settings, isolation = self._roles.settings(identity)
        path = self._paths.get(schema.search_path)
        if path is None:
            path = self._paths[schema.search_path] = ", ".join(quote(name) for name in schema.search_path)
        env = req.env
        cookie = env.get("HTTP_COOKIE")
        settings = {
            "search_path": path,
            "statement_timeout": self._timeout,
            **role_settings,
            "request.method": req.method,
            "request.path": req.path,
            "request.headers": _headers(env),
            "request.cookies": "{}" if cookie is None else _cookies(cookie),
        }
        if req.method not in ("GET", "HEAD"):
            settings["reactor.request_id"] = req.context.request_id  # changes bear it
        if preferences.timezone is not None:
            settings["timezone"] = preferences.timezone
        config = self._config
        rolls_back = config.rolls_back if preferences.tx is None else preferences.tx == "rollback"
        if timing is not None:
            timing.mark("jwt")
        context = req.context
        return Caller(
            identity, context.request_id, settings, rolls_back, isolation, context.abandoned, timing, schema.name
        )


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


def _cookies(header: str) -> str:
    """Return the cookies as JSON, without the platform's own."""
    found: dict[str, str] = {}
    for part in header.split(";"):
        name, equals, value = part.strip().partition("=")
        if equals and _SECRET_COOKIES not in name:
            found.setdefault(name, unquote(value.strip('"')))
    return _encode(found).decode()
