"""The second factor at the sign-in form: the one seam between the pages and whatever verifies factors."""

from __future__ import annotations

from typing import Protocol

from reactor_auth.model import Origin, User
from reactor_kernel.api import Tx


class SecondFactor(Protocol):
    """Knows which accounts have a second factor, and verifies it."""

    def needed(self, tx: Tx, user: User) -> bool:
        """Tell whether the user has a factor that the sign-in form must ask for."""
        ...

    def verified(self, user: User, code: str, origin: Origin) -> str | None:
        """Verify a code once, in a transaction of its own; return what `amr` calls it, None for a wrong one.

        Raises TooManyAttempts.
        """
        ...


class NoSecondFactor:
    """Where no factors can be enrolled, nobody has one."""

    def needed(self, tx: Tx, user: User) -> bool:
        """Nobody needs one."""
        return False

    def verified(self, user: User, code: str, origin: Origin) -> str | None:
        """No code is right."""
        return None


def second_factor_needed(tx: Tx, user: User, factors: SecondFactor) -> bool:
    """Tell whether a browser of this user must show a second factor before it is signed in."""
    return factors.needed(tx, user)
