"""Password policy and argon2id hashing."""

from __future__ import annotations

import secrets
from functools import cached_property
from typing import TYPE_CHECKING

from reactor_auth.config import PasswordConfig
from reactor_auth.errors import WeakPassword

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MAX_LENGTH = 128


class Passwords:
    """Hashes passwords as PHC strings and checks them in constant effort."""

    def __init__(self, config: PasswordConfig) -> None:
        self._config = config

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher, Type

        return PasswordHasher(
            time_cost=self._config.iterations,
            memory_cost=self._config.memory_kib,
            parallelism=self._config.parallelism,
            type=Type.ID,
        )

    @cached_property
    def _nobodys_hash(self) -> str:
        """A hash no password fits, so that an unknown address costs as much as a known one."""
        return self._hasher.hash(secrets.token_urlsafe(32))

    def demand_strength(self, password: str, field: str = "password") -> None:
        """Raise WeakPassword unless the policy is met; lengths are in characters."""
        problem = None
        if len(password) < self._config.min_length:
            problem = f"must have at least {self._config.min_length} characters"
        elif len(password) > MAX_LENGTH:
            problem = f"must have at most {MAX_LENGTH} characters"
        if problem:
            raise WeakPassword(f"{field} {problem}", fields={field: [problem]})

    def hash(self, password: str) -> str:
        """Hash a password; takes tens of milliseconds on purpose, so hold no connection meanwhile."""
        return self._hasher.hash(password)

    def fits(self, password: str, stored: str | None) -> bool:
        """Tell whether a password fits a stored hash; None costs the same time and never fits."""
        from argon2.exceptions import InvalidHashError, VerifyMismatchError

        try:
            self._hasher.verify(stored if stored is not None else self._nobodys_hash, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a hash was made with other parameters than the configured ones."""
        return self._hasher.check_needs_rehash(stored)
