"""Tells users about sign-ins from browsers and programs they have not used before."""

from __future__ import annotations

import re

from reactor_auth.model import Origin, User
from reactor_auth.queries import devices as sql
from reactor_auth.service.letters import Letters
from reactor_auth.tokens import digest
from reactor_kernel.api import Clock, Tx

# A browser renews its version every few weeks and stays the same device.
_VERSION = re.compile(r"\d+(?:[._]\d+)*")


class Devices:
    """Remembers what each user signs in with."""

    def __init__(self, clock: Clock, letters: Letters) -> None:
        self._clock = clock
        self._letters = letters

    def note(self, tx: Tx, user: User, origin: Origin) -> None:
        """Note a sign-in; queue a mail for a new device, unless it is the user's first."""
        agent_hash = digest(_VERSION.sub("#", origin.user_agent or ""))
        known = tx.execute(sql.knows_any(user.id)).scalar_one()
        new = tx.execute(sql.remember(user.id, agent_hash, self._clock.now())).one_or_none() is not None
        if known and new:
            self._letters.new_device(tx, user, origin)
