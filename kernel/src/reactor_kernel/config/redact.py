"""Keep secret values out of messages."""

from __future__ import annotations

from collections.abc import Iterable

from reactor_kernel.config.nodes import Path, split_dotted

HIDDEN = "[hidden]"


class Redactor:
    """Knows one section's secret keys and the values met so far that may not be shown.

    A `*` in a secret's key stands for any one key: `providers.*.client_secret`.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [_keys(split_dotted(key)) for key in secrets]
        self._values: set[str] = set()

    def covers(self, path: Path) -> bool:
        """Tell whether `path` is a secret, lies in one, or has one below it."""
        keys = _keys(path)
        return any(
            all(wanted in ("*", key) for wanted, key in zip(secret, keys, strict=False)) for secret in self._secrets
        )

    def hide(self, value: str) -> None:
        """Never show this value."""
        self._values.add(value)

    def scrub(self, message: str) -> str:
        """Return the message with every hidden value taken out."""
        for value in sorted(self._values, key=len, reverse=True):
            if len(value) >= 4:
                message = message.replace(value, HIDDEN)
            elif value:  # short values are also parts of words, so only their quotations go
                message = message.replace(f'"{value}"', HIDDEN).replace(f"'{value}'", HIDDEN)
        return message


def _keys(path: Path) -> tuple[str, ...]:
    return tuple(step for step in path if isinstance(step, str))
