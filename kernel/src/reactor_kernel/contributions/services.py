"""A contract that a plugin implements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServiceProvider:
    """Offers an implementation of a contract; `factory` is called once, at the first `require`."""

    contract: type
    factory: Callable[[], Any]
