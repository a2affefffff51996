"""Platform scopes: what a user holds outside of any organisation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from reactor_auth.queries import operators as sql
from reactor_kernel.api import Clock, Tx


class PlatformScopes:
    """The platform scopes of operators, which last some time after they signed in, however often they refresh."""

    def __init__(self, life_secs: int, clock: Clock) -> None:
        """Make the rule; with 0 seconds nobody has platform scopes."""
        self._life = timedelta(seconds=life_secs)
        self._clock = clock

    def end(self, signed_in_at: datetime) -> datetime | None:
        """Return when the platform scopes of a sign-in end; None where they have ended."""
        end = signed_in_at + self._life
        return end if self._clock.now() < end else None

    def of_session(self, tx: Tx, user_id: UUID, signed_in_at: datetime) -> tuple[tuple[str, ...], datetime | None]:
        """Return the scopes of a user who signed in at an instant, in alphabetical order, and when they end."""
        return self.lasting(tx.execute(sql.scopes(user_id)).scalars(), signed_in_at)

    def lasting(self, held: Iterable[str], signed_in_at: datetime) -> tuple[tuple[str, ...], datetime | None]:
        """Return what is left of the scopes a user holds, who signed in at an instant, and when they end."""
        end = self.end(signed_in_at)
        scopes = () if end is None else tuple(sorted(held))
        return scopes, end if scopes else None
