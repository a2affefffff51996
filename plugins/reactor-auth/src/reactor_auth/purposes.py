"""What one-time tokens are good for, and which mails may be asked for."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum


class Purpose(Enum):
    """What a token is good for, and how long."""

    SIGNUP = ("signup", timedelta(hours=24))
    RECOVERY = ("recovery", timedelta(hours=1))
    MAGIC_LINK = ("magiclink", timedelta(minutes=10))
    EMAIL_CHANGE = ("email_change", timedelta(hours=24))

    def __init__(self, word: str, life: timedelta) -> None:
        self.word = word
        self.life = life


class Wish(Enum):
    """What may be asked for."""

    VERIFICATION = "verification"
    PASSWORD_RESET = "password_reset"
    MAGIC_LINK = "magic_link"
    # Nobody asks for it by itself: what a sign-up with an address becomes that must not tell whether it is taken.
    ACCOUNT = "account"
