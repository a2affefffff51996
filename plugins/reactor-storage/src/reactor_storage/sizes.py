"""Sizes as people write them."""

from __future__ import annotations

import re

from reactor_storage.errors import InvalidStorageRequest

# More than a size has, so that they are a number at all.
_DIGITS = re.compile(r"[0-9]{1,20}\s*\Z")
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def bytes_of(value: int | str) -> int:
    """Return a size in bytes; Supabase's clients also write "5MB". Raises InvalidStorageRequest."""
    number = value
    if isinstance(value, str):
        digits = value.strip().rstrip("BKMGbkmgi")
        unit = value.strip()[len(digits) :].strip().lower()
        number = int(digits) * _UNITS[unit] if _DIGITS.match(digits) and unit in _UNITS else 0
    if not isinstance(number, int) or not 0 < number < 2**63:
        raise InvalidStorageRequest(f"file_size_limit must be a number of bytes above 0, not {value!r:.60}")
    return number
