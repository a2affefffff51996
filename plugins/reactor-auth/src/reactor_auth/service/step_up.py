"""Whether a caller has proved a second factor lately enough for what it is about to do."""

from __future__ import annotations

from datetime import timedelta

from reactor_auth.errors import MfaRequired
from reactor_auth.model import Caller
from reactor_auth.queries import factors as sql
from reactor_kernel.api import Clock, Identity, Tx

FRESH_SECS = 300


class StepUp:
    """Demands a second factor, from the session's row; what a token says is never asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def demand(self, identity: Identity, within: int = FRESH_SECS) -> None:
        """Raise MfaRequired unless a second factor was verified in the caller's session in the last `within` seconds.

        The identity is at most 30 s old; where seconds matter, use `demand_if_enrolled` in the change's transaction.
        """
        # The resolver has put the session's own `mfa_at` in the place of the token's.
        verified = identity.claims.get("mfa_at")
        if not isinstance(verified, int) or self._clock.now().timestamp() - verified > within:
            raise _stale(within)

    def demand_if_enrolled(self, tx: Tx, caller: Caller, within: int = FRESH_SECS) -> None:
        """Raise MfaRequired where the account has a second factor that was not verified in the last `within` seconds."""
        row = tx.execute(sql.standing(caller.user_id, caller.session_id, caller.browser_id)).one()
        if row.enrolled and (row.mfa_at is None or self._clock.now() - row.mfa_at > timedelta(seconds=within)):
            raise _stale(within)

    def is_missing(self, tx: Tx, caller: Caller) -> bool:
        """Tell whether the account has a second factor that was never verified in the caller's session or browser."""
        row = tx.execute(sql.standing(caller.user_id, caller.session_id, caller.browser_id)).one()
        return bool(row.enrolled) and row.mfa_at is None

    def demand_verified(self, tx: Tx, caller: Caller) -> None:
        """Raise MfaRequired unless a second factor was verified in the caller's session or browser, however long ago."""
        if tx.execute(sql.standing(caller.user_id, caller.session_id, caller.browser_id)).one().mfa_at is None:
            raise MfaRequired


def _stale(within: int) -> MfaRequired:
    return MfaRequired(f"this needs a second factor verified in the last {within} s", details={"within": within})
