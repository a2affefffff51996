"""The `[hello]` section."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HelloConfig:
    """How to greet, and how long greetings are kept."""

    greeting: str = field(default="Hello", metadata={"doc": "The first word of every greeting."})
    max_name_length: int = field(default=80, metadata={"doc": "Longer names are refused.", "min": 1, "max": 1000})
    keep_days: int = field(default=30, metadata={"doc": "Older greetings are swept.", "min": 1})
    sweep_every_secs: int = field(default=3600, metadata={"doc": "How often they are swept.", "min": 1})
    seal_key: str | None = field(default=None, repr=False, metadata={"doc": "Seals greetings with HMAC-SHA256."})

    def problems(self) -> Iterable[tuple[str, str]]:
        if not self.greeting.strip():
            yield "greeting", "must not be empty"
        if self.seal_key is not None and len(self.seal_key) < 16:
            yield "seal_key", "must be at least 16 characters"
