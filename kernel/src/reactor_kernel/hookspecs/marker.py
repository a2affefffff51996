"""The pluggy markers and how a spec says which kind of hook it is."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import pluggy

PROJECT = "reactor"
F = TypeVar("F", bound=Callable[..., Any])

hookimpl = pluggy.HookimplMarker(PROJECT)
_spec = pluggy.HookspecMarker(PROJECT)


class HookKind(Enum):
    """How the answers of a hook are used."""

    COLLECT = "collect"
    ASK = "ask"
    VOTE = "vote"
    TELL = "tell"


def hookspec(kind: HookKind) -> Callable[[F], F]:
    """Mark a method as the specification of a hook of the given kind."""

    def mark(function: F) -> F:
        function.__reactor_kind__ = kind  # type: ignore[attr-defined]
        return _spec(firstresult=kind is HookKind.ASK)(function)

    return mark


def kind_of(function: Callable[..., Any]) -> HookKind:
    """Return the kind a spec was marked with."""
    kind = getattr(function, "__reactor_kind__", None)
    if not isinstance(kind, HookKind):
        raise TypeError(f"{function.__qualname__} is not a Reactor hook spec; mark it with @hookspec(HookKind.…)")
    return kind
