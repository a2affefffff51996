"""Cross-origin requests, answered by the kernel for the plugins' prefixes (kernel.md §6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_NEVER = ("/_admin", "/_ops", "/_cloud", "/_internal")


class Cors:
    """Decides which CORS headers an answer carries."""

    def __init__(self, config: Any) -> None:
        self._origins = set(config.allow_origins)
        self._any = "*" in self._origins
        self._methods = ", ".join(config.allow_methods)
        self._headers = ", ".join(config.allow_headers)
        self._echo_headers = "*" in config.allow_headers
        self._expose = tuple(config.expose_headers)
        self._credentials = bool(config.allow_credentials)
        self._max_age = str(config.max_age_secs)
        self.enabled = bool(self._origins)

    def headers(self, path: str, origin: str | None, exposed: Sequence[str] = ()) -> list[tuple[str, str]]:
        """Return the headers of an ordinary answer; `exposed` are those that its route lets scripts read."""
        if not self.enabled or self._excluded(path):
            return []
        vary = [("Vary", "Origin")]
        if origin is None:
            # A cache would hand what nobody's script asked for to scripts, which may not read it.
            return [] if self._any else vary
        if not self._any and origin not in self._origins:
            return vary
        allowed = [("Access-Control-Allow-Origin", "*" if self._any else origin)]
        if self._credentials:
            allowed.append(("Access-Control-Allow-Credentials", "true"))
        if names := dict.fromkeys((*self._expose, *exposed)):
            allowed.append(("Access-Control-Expose-Headers", ", ".join(names)))
        return allowed + ([] if self._any else vary)

    def preflight(self, path: str, environ: dict[str, Any]) -> list[tuple[str, str]] | None:
        """Return the headers of a preflight's answer, or None when the request is no preflight to be answered here."""
        origin = environ.get("HTTP_ORIGIN")
        if not self.enabled or origin is None or "HTTP_ACCESS_CONTROL_REQUEST_METHOD" not in environ:
            return None
        if self._excluded(path) or not (self._any or origin in self._origins):
            return None
        asked = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
        headers = [
            ("Access-Control-Allow-Origin", "*" if self._any else origin),
            ("Access-Control-Allow-Methods", self._methods),
            ("Access-Control-Max-Age", self._max_age),
            ("Vary", "Origin, Access-Control-Request-Headers"),
            ("Content-Length", "0"),
        ]
        if allowed := (asked if self._echo_headers else self._headers):
            headers.append(("Access-Control-Allow-Headers", allowed))
        if self._credentials:
            headers.append(("Access-Control-Allow-Credentials", "true"))
        return headers

    @staticmethod
    def _excluded(path: str) -> bool:
        return any(path == prefix or path.startswith(prefix + "/") for prefix in _NEVER)
