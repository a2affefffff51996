"""Finding a value inside a token's claims by a path such as `$.app_metadata.roles[0]`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

_STEP = re.compile(r"""\.(?P<name>[A-Za-z_][\w-]*)|\."(?P<quoted>[^"]+)"|\["(?P<key>[^"]+)"\]|\[(?P<index>\d{1,4})\]""")


@lru_cache(8)
def claim_path(text: str) -> tuple[str | int, ...] | None:
    """Parse a path; None where it is none."""
    at = 1 if text.startswith("$") else 0
    steps: list[str | int] = []
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            return None
        index = found.group("index")
        name = found.group("name") or found.group("quoted") or found.group("key")
        steps.append(int(index) if index is not None else name)
        at = found.end()
    return tuple(steps) or None


def find_claim(claims: Mapping[str, object], path: Sequence[str | int]) -> object:
    """Return what the path leads to, None where it leads nowhere."""
    found: object = claims
    for step in path:
        if isinstance(step, str) and isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(step, int) and isinstance(found, list | tuple) and step < len(found):
            found = found[step]
        else:
            return None
    return found
