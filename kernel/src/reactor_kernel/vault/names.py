"""Names of secrets and keys (contract kernel.md §7.7)."""

from __future__ import annotations

import re

from reactor_kernel.errors import ValidationError

LONGEST = 256

_SEGMENT = re.compile(r"[A-Za-z0-9._-]+\Z")


def check_name(name: str) -> str:
    """Return the name, or raise ValidationError where it is not `segment(/segment)*` of at most 256 characters."""
    segments = name.split("/")
    if len(name) <= LONGEST and all(_SEGMENT.match(part) and part not in (".", "..") for part in segments):
        return name
    shown = name if len(name) <= 80 else name[:77] + "..."
    raise ValidationError(
        f"{shown!r} is not the name of a secret or key",
        hint="Use segments of letters, digits, dots, underscores and hyphens, joined by slashes; at most 256 characters.",
    )
