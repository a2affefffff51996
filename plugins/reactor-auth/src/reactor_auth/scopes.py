"""Sets of permission patterns: whether one covers another, and what two have in common.

The grammar and the matcher are the kernel's (`grants`); a trailing `*` matches one or more segments, any other exactly
one. The common part of two patterns is therefore again one pattern, or nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from reactor_auth.errors import invalid_field
from reactor_kernel.api import grants

ANY = "*"
MAX_LENGTH = 200
MAX_SEGMENTS = 10
MAX_PATTERNS = 100


def demand(patterns: Sequence[str], field: str) -> tuple[str, ...]:
    """Return valid patterns, sorted and without repetitions, or raise the validation error for `field`."""
    if len(patterns) > MAX_PATTERNS:
        raise invalid_field(field, f"must not have more than {MAX_PATTERNS} entries")
    for position, pattern in enumerate(patterns):
        problem = problem_of(pattern)
        if problem:
            raise invalid_field(f"{field}[{position}]", problem)
    return tuple(sorted(set(patterns)))


def problem_of(pattern: str) -> str | None:
    """Say what is wrong with a pattern; None where it is one."""
    if len(pattern) > MAX_LENGTH:
        return f"must not be longer than {MAX_LENGTH} characters"
    segments = pattern.split(":")
    if len(segments) > MAX_SEGMENTS:
        return f"must not have more than {MAX_SEGMENTS} segments"
    for segment in segments:
        if not segment or not segment.isprintable() or " " in segment:
            return "must be segments without spaces, joined by colons, such as data:todos:read"
        if ANY in segment and segment != ANY:
            return "must have * as a whole segment only, such as data:*:read"
    return None


def beyond(wanted: Iterable[str], granted: Collection[str]) -> list[str]:
    """List the wanted patterns that could match something no single granted pattern matches.

    The kernel's matcher decides it, because a pattern read as a literal permission is matched by another one exactly if
    everything it matches is: a `*` inside is met by `*` only, and a trailing one only by a trailing one at or before it.
    """
    return [pattern for pattern in wanted if not grants(granted, pattern)]


def intersect(left: Collection[str], right: Collection[str]) -> frozenset[str]:
    """Return patterns that match exactly what both sets match."""
    common = {pattern for pattern in left if grants(right, pattern)}
    common.update(pattern for pattern in right if grants(left, pattern))
    narrower = [pattern for pattern in right if pattern not in common]
    for one in left:
        if one not in common:
            for other in narrower:
                met = _meet(one, other)
                if met is not None:
                    common.add(met)
    return frozenset(common)


def _meet(one: str, other: str) -> str | None:
    """Return the pattern of what both patterns match."""
    left, left_open = _parts(one)
    right, right_open = _parts(other)
    if len(left) > len(right):
        left, left_open, right, right_open = right, right_open, left, left_open
    # An open pattern of n segments needs at least one more; a closed one has exactly as many as it says.
    if len(left) < len(right):
        if not left_open:
            return None
    elif left_open != right_open:
        return None
    segments = []
    for position, segment in enumerate(right):
        opposite = left[position] if position < len(left) else ANY
        if segment != opposite and ANY not in (segment, opposite):
            return None
        segments.append(opposite if segment == ANY else segment)
    return ":".join([*segments, ANY] if right_open else segments)


def _parts(pattern: str) -> tuple[list[str], bool]:
    """Split into the segments that match one each, and whether one or more may follow."""
    segments = pattern.split(":")
    return (segments[:-1], True) if segments[-1] == ANY else (segments, False)
