"""What a read asks for, apart from who asks and of which relation.

Under row-level security many callers send the very same text, and a page repeats its own: what was understood once is kept,
down to the statements, so that a known request costs one look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote as percent

from reactor_data.errors import DataError
from reactor_data.pages import Page, page_of
from reactor_data.preferences import Preferences, parse_preferences
from reactor_data.query.ast import Parsed
from reactor_data.query.compiler import Read
from reactor_data.query.parser import parse_query
from reactor_data.query.rendering import Shape
from reactor_kernel.api import Statement

LONGEST_KEPT = 2048
_MOST_KEPT = 1024


class Asked:
    """One understood request. Shared between threads; only `compiled` changes, and is replaced as a whole."""

    __slots__ = ("compiled", "page", "parsed", "preferences", "read", "sorted_query")

    def __init__(self, preferences: Preferences, parsed: Parsed, page: Page, read: Read, raw: str) -> None:
        self.preferences = preferences
        self.parsed = parsed
        self.page = page
        self.read = read
        self.sorted_query = "?" + _ascii("&".join(sorted(raw.split("&")))) if raw else ""
        # (schema version, relation, statements) of the relation it was last asked of.
        self.compiled: tuple[int, str, Sequence[Statement]] | None = None

    def location(self, path: str) -> str:
        """Return `Content-Location`: the path with its parameters sorted."""
        return _location(path) + self.sorted_query


def understand(
    raw: str,
    prefer: str | None,
    range_header: str | None,
    *,
    shape: Shape,
    body: bool,
    default_limit: int,
    max_limit: int,
) -> Asked:
    """Parse what a read says.

    Raises:
        DataError: as `parse_preferences`, `parse_query` and `page_of` do; refusals are not kept.
    """
    if len(raw) > LONGEST_KEPT or len(prefer or "") > LONGEST_KEPT or len(range_header or "") > LONGEST_KEPT:
        return _understand(raw, prefer, range_header, shape, body, default_limit, max_limit)
    return _understood(raw, prefer, range_header, shape, body, default_limit, max_limit)


def _understand(
    raw: str,
    prefer: str | None,
    range_header: str | None,
    shape: Shape,
    body: bool,
    default_limit: int,
    max_limit: int,
) -> Asked:
    preferences = parse_preferences(prefer)
    parsed = parse_query(raw)
    if parsed.subscribe is not None:
        raise DataError(
            426,
            "realtime_unavailable",
            "subscribing is not available: this version has no realtime",
            hint="Read without subscribe=, or poll.",
        )
    page = page_of(
        parsed.limit,
        parsed.offset,
        range_header if body else None,
        default_limit=default_limit,
        max_limit=max_limit,
    )
    count = None if preferences.count == "none" else preferences.count
    return Asked(preferences, parsed, page, Read(parsed.query, body, count, page.offset > 0, shape), raw)


_understood = lru_cache(_MOST_KEPT)(_understand)


def _ascii(text: str) -> str:
    return text.encode("latin-1", "replace").decode("ascii", "replace")


@lru_cache(_MOST_KEPT)
def _location(path: str) -> str:
    return percent(path, safe="/~")
