"""What other plugins may ask of this one: `ctx.services.require(Greeter)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Greeting:
    """A greeting; `seal` is the hexadecimal HMAC-SHA256 of `text`, None where no key is configured."""

    text: str
    seal: str | None


@dataclass(frozen=True, slots=True)
class GreetingSent:
    """Payload of the event `hello.greeting.sent`."""

    greeting_id: str
    name: str


class Greeter(Protocol):
    """Greets."""

    def greet(self, name: str) -> Greeting:
        """Return the greeting for a name. Raises ValidationError for a name that is empty or too long."""
        ...
