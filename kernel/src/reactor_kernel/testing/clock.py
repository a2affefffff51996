"""A clock that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FrozenClock:
    """Time that stands still; implements `contracts.Clock`.

    Only what asks `ctx.clock` sees it. Postgres' `now()` and thread waits keep to real time.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """The instant last set."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that grow with `advance` only."""
        return self._monotonic

    def advance(self, **units: float) -> datetime:
        """Move forward, e.g. `advance(minutes=5)`; return the new instant."""
        step = timedelta(**units)
        if step < timedelta():
            raise ValueError("a clock cannot be advanced backwards; use set()")
        self._now += step
        self._monotonic += step.total_seconds()
        return self._now

    def set(self, instant: datetime) -> None:
        """Jump to an instant, also backwards, as a machine's clock may; `monotonic` does not go back."""
        if instant.tzinfo is None:
            raise ValueError("the instant needs a time zone; use datetime(..., tzinfo=UTC)")
        self._monotonic += max(0.0, (instant - self._now).total_seconds())
        self._now = instant.astimezone(UTC)
