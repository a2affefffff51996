"""The second factor at the sign-in form: the one seam between the pages and whatever verifies factors."""

from __future__ import annotations

from typing import Protocol

from reactor_auth.model import User
from reactor_kernel.api import Tx


class SecondFactor(Protocol):
    """Knows which accounts have a second factor, and verifies it."""

    def needed(self, tx: Tx, user: User) -> bool:
        """Tell whether the user has a factor that the sign-in form must ask for."""
        ...

    def verified(self, tx: Tx, user: User, code: str) -> str | None:
        """Use a code up; return what `amr` calls its factor, None for a wrong one. Attempts are counted by the caller."""
        ...
