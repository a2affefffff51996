"""How long sessions last, apart from being ended by somebody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# Use is stored once a minute, up to 15 s late, and a cached identity notes it every 30 s only: an idle time ends this
# much later, so that nobody who uses a session is signed out.
SLACK_SECS = 120


@dataclass(frozen=True, slots=True)
class SessionLife:
    """The absolute life of a session and the time it may lie idle, in seconds; 0 means without bound."""

    max_secs: int
    idle_secs: int

    def ends_at(self, opened: datetime) -> datetime | None:
        """Return when a session ends however much it is used."""
        return opened + timedelta(seconds=self.max_secs) if self.max_secs else None

    def opened_after(self, now: datetime) -> datetime | None:
        """Return the instant since which a session that lives must have been opened."""
        return now - timedelta(seconds=self.max_secs) if self.max_secs else None

    def seen_after(self, now: datetime) -> datetime | None:
        """Return the instant since which a session that lives must have been seen."""
        return now - timedelta(seconds=self.idle_secs + SLACK_SECS) if self.idle_secs else None

    def over(self, opened: datetime, seen: datetime, now: datetime) -> str | None:
        """Tell why a session has come to its end: `expired`, `idle`, or None while it lives."""
        started, used = self.opened_after(now), self.seen_after(now)
        if started is not None and opened <= started:
            return "expired"
        if used is not None and seen <= used:
            return "idle"
        return None
