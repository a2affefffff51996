"""A sign-in under way."""

from __future__ import annotations

from dataclasses import dataclass

STATE_SECS = 600


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the browser, and the secret it must keep in a cookie until it comes back."""

    url: str
    state: str
    browser_secret: str
