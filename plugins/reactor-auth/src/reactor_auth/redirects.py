"""Where a browser may be sent: `site_url`, and what `[auth] redirect_allow_list` names; nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from reactor_auth.config import AuthConfig

MAX_LENGTH = 2048
# Everything a browser and `urlsplit` might read differently is refused before it is read at all.
_PLAIN = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+\Z")
# Schemes that run or show content instead of leading somewhere.
_NEVER = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "view-source"})
_USUAL_PORTS = {"http": 80, "https": 443}
_Place = tuple[str, str, int | None]


def allowed(config: AuthConfig, url: str) -> bool:
    """Tell whether a browser may be sent to `url`: same scheme, host and port as an entry, and a path at or below its own.

    `site_url` (else `public_url`) is always an entry. Relative addresses, user names, dot segments and whatever is not
    plain ASCII are refused.
    """
    wanted = _read(url)
    if wanted is None:
        return False
    place, path = _place(wanted), wanted.path or "/"
    for entry in (config.front_url, *config.redirect_allow_list):
        listed = _read(entry)
        if listed is not None and _place(listed) == place and _is_below(path, listed.path or "/"):
            return True
    return False


def entry_problem(entry: str) -> str | None:
    """Say what is wrong with an entry of the list; None where nothing is."""
    parts = _read(entry)
    if parts is None:
        return "must be an absolute URL without user name and dot segments, such as https://app.example.com/signed-in"
    if "?" in entry or "#" in entry:
        return "must have no query and no fragment"
    return None


def is_web_address(url: str) -> bool:
    """Tell whether `url` is an absolute http or https URL."""
    parts = _read(url)
    return parts is not None and parts.scheme in _USUAL_PORTS


def origin(url: str) -> str:
    """Return scheme, host and port of an absolute URL, as a Content-Security-Policy names a source."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def with_query(url: str, values: Mapping[str, str]) -> str:
    """Add parameters to the query of a URL, replacing those of the same names."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in values]
    return urlunsplit(parts._replace(query=urlencode([*kept, *values.items()])))


def with_fragment(url: str, values: Mapping[str, str]) -> str:
    """Set the fragment of a URL, which no server on the way sees."""
    return urlunsplit(urlsplit(url)._replace(fragment=urlencode(list(values.items()))))


def _read(url: str) -> SplitResult | None:
    if len(url) > MAX_LENGTH or not _PLAIN.match(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname or parts.scheme in _NEVER or "@" in parts.netloc or port == 0:
        return None
    # Twice, because a server behind may decode once more.
    steps = unquote(unquote(parts.path)).replace("\\", "/").split("/")
    if "." in steps or ".." in steps:
        return None
    return parts


def _place(parts: SplitResult) -> _Place:
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _USUAL_PORTS.get(parts.scheme)


def _is_below(path: str, listed: str) -> bool:
    beginning = listed.rstrip("/")
    return path == beginning or path.startswith(f"{beginning}/")
