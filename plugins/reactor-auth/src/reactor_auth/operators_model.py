"""What operators do, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from reactor_auth.model import Origin


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody does on the operators' surface, as the audit log shows it."""

    action: str
    origin: Origin
    scope: str | None = None
    actor: UUID | None = None
    resource_id: UUID | None = None
    step_up_used: bool = False


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some rows of the operators' audit log, and how many there are."""

    rows: list[Any]
    total: int
