"""The one permission matcher, for permissions and scopes alike (contract kernel.md §7.3)."""

from __future__ import annotations

from collections.abc import Iterable


def permission_matches(grant: str, wanted: str) -> bool:
    """Tell whether one granted string covers the wanted permission.

    `*` alone grants all. In the middle `*` matches exactly one segment, as the last segment one or more;
    without a trailing `*` the number of segments must be equal.
    """
    if grant == "*":
        return True
    have, want = grant.split(":"), wanted.split(":")
    if len(have) > len(want):
        return False
    for index, segment in enumerate(have):
        if segment == "*":
            if index == len(have) - 1:
                return True
        elif segment != want[index]:
            return False
    return len(have) == len(want)


def grants(granted: Iterable[str], wanted: str) -> bool:
    """Tell whether any of the granted strings covers the wanted permission."""
    return any(permission_matches(grant, wanted) for grant in granted)
