"""The raw query string: pairs in their order, repeats kept; and the memory of texts that recur."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from reactor_data.errors import DataError, invalid_filter

T = TypeVar("T")

_MOST_KEPT = 512
_LONGEST_KEPT = 2048


def remembered(parse: Callable[..., T]) -> Callable[..., T]:
    """Keep what a pure function makes of a text, its first argument. Long texts are not kept: they would fill the memory."""
    kept = lru_cache(_MOST_KEPT)(parse)

    @wraps(parse)
    def remember(text: str, *more: object) -> T:
        return kept(text, *more) if len(text) <= _LONGEST_KEPT else parse(text, *more)

    return remember


def pairs(raw: str) -> list[tuple[str, str]]:
    """Split a raw query string into decoded pairs; a key without `=` is left out.

    `raw` is as WSGI hands it over: bytes beyond ASCII as Latin-1.

    Raises:
        DataError: bytes that are not UTF-8, or a NUL character, which no Postgres value can hold.
    """
    found: list[tuple[str, str]] = []
    plain = raw.isascii() and "%" not in raw and "+" not in raw and "\0" not in raw
    for part in raw.split("&"):
        key, equals, value = part.partition("=")
        if equals:
            found.append((key, value) if plain else (_decode(key), _decode(value)))
    return found


def _decode(text: str) -> str:
    if text.isascii() and "%" not in text and "+" not in text and "\0" not in text:
        return text
    try:
        decoded = unquote_to_bytes(text.replace("+", " ").encode("latin-1")).decode()
    except UnicodeDecodeError as error:
        raise _unreadable(f"the query string is not UTF-8 at byte {error.start} of {text[:80]!r}") from error
    if "\0" in decoded:
        raise _unreadable(f"the query string has a NUL character in {text[:80]!r}")
    return decoded


def _unreadable(reason: str) -> DataError:
    return invalid_filter(reason, hint="Percent-encode the query string as UTF-8 without %00.")
