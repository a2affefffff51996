"""What an access key may: its scopes, as far as its owner holds them now."""

from __future__ import annotations

from collections.abc import Iterable


def common(one: str, other: str) -> str | None:
    """Return the pattern of the permissions that both patterns grant; None where there are none.

    `*` stands for one segment in the middle, and for one or more at the end.
    """
    if "*" in (one, other):
        return other if one == "*" else one
    first, second, found = one.split(":"), other.split(":"), list[str]()
    for index in range(max(len(first), len(second))):
        if index >= len(first) or index >= len(second):
            return None
        left, right = first[index], second[index]
        if left == "*" and index == len(first) - 1:
            return ":".join([*found, *second[index:]])
        if right == "*" and index == len(second) - 1:
            return ":".join([*found, *first[index:]])
        if left != right and "*" not in (left, right):
            return None
        found.append(right if left == "*" else left)
    return ":".join(found)


def within(scopes: Iterable[str], permissions: Iterable[str]) -> frozenset[str]:
    """Return what is granted by the scopes and by the permissions."""
    held = tuple(permissions)
    return frozenset(meet for scope in scopes for one in held if (meet := common(scope, one)) is not None)
