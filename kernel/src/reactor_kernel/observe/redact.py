"""Take secrets out of what is logged: by the name of a field, and by what a value looks like."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

MASK = "[redacted]"
_DEEPEST = 20
_SHORTEST = 5  # nothing that marks a credential is shorter: `code=` and what follows it, `rrf_` and four more
_NAMES = re.compile(
    r"authorization|cookie|password|passwd|secret|token|api[_-]?key|data[_-]?key|master[_-]?key|private[_-]?key|credential",
    re.IGNORECASE,
)
# Every alternative reads a text once: a text that somebody sent may be long, and made to be read again from each of its places.
_VALUES = re.compile(
    r"(?P<scheme>\b(?:bearer|basic)\s+)[^\s,;\"']+"
    r"|\b(?:rk_(?:live|pub|srv)_|rrf_)[A-Za-z0-9_-]{4,}"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    r"|(?P<url>\b[a-z][a-z0-9+.-]{0,30}://[^\s:/@]*:)[^\s@/]+(?=@)"
    r"|(?P<query>\b(?:\w*(?:token|secret|password|passwd|api_key|signature)|code)=)"
    r"(?:'(?:[^'\\]|\\.)+'|\"[^\"]+\"|[^&\s\"']+)"
    r"|(?P<member>[\"']\w*(?:token|secret|password|passwd|api_key)[\"']:\s?[\"'])[^\"']+"
    r"|(?P<block>-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.IGNORECASE,
)


# Names of fields are few and stand in the code; every request logs the same ones.
_is_secret_name = lru_cache(maxsize=1024)(lambda name: _NAMES.search(name) is not None)


def redact_text(text: str) -> str:
    """Replace everything in a text that looks like a credential."""
    return _VALUES.sub(lambda m: (m["scheme"] or m["url"] or m["query"] or m["member"] or "") + MASK, text)


def redact(name: str, value: Any, depth: int = 0) -> Any:
    """Return a field's value as it may be logged; containers are walked, down to a depth no honest value has."""
    if _is_secret_name(name) and value is not None and not isinstance(value, bool):
        return MASK
    if isinstance(value, str):
        return redact_text(value) if len(value) > _SHORTEST else value
    if depth >= _DEEPEST and isinstance(value, (dict, list, tuple, set, frozenset)):
        return "[nested too deeply]"
    if isinstance(value, dict):
        return {str(key): redact(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(name, item, depth + 1) for item in value]
    if isinstance(value, (int, float)) or value is None:
        return value
    return redact_text(str(value))
