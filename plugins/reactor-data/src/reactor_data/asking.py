"""What a read asks for, apart from who asks and of which relation.

Under row-level security many callers send the very same text, and a page repeats its own: what was understood once is kept,
down to the statements, so that a known request costs one look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote as percent

from reactor_data.catalog.model import Relation
from reactor_data.config import DataConfig
from reactor_data.errors import only_get_subscribes
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

    __slots__ = ("applied", "compiled", "page", "parsed", "preferences", "read", "sorted_query")

    def __init__(self, preferences: Preferences, parsed: Parsed, page: Page, read: Read, raw: str) -> None:
        self.preferences = preferences
        self.parsed = parsed
        self.page = page
        self.read = read
        self.applied = preferences.applied(count=True)
        self.sorted_query = "?" + _ascii("&".join(sorted(raw.split("&")))) if raw else ""
        # The relation it was last asked of, as one snapshot has it, and its statements.
        self.compiled: tuple[Relation, Sequence[Statement]] | None = None

    def location(self, path: str) -> str:
        """Return `Content-Location`: the path with its parameters sorted."""
        return _location(path) + self.sorted_query


class Asker:
    """Understands requests under one configuration."""

    def __init__(self, config: DataConfig) -> None:
        self._config = config
        self._understood = lru_cache(_MOST_KEPT)(self._understand)

    def understand(self, raw: str, prefer: str | None, range_header: str | None, shape: Shape, body: bool) -> Asked:
        """Parse what a read says; `body` is False for HEAD.

        Raises:
            DataError: as `parse_preferences`, `parse_query` and `page_of` do; refusals are not kept.
        """
        if len(raw) > LONGEST_KEPT or len(prefer or "") > LONGEST_KEPT or len(range_header or "") > LONGEST_KEPT:
            return self._understand(raw, prefer, range_header, shape, body)
        return self._understood(raw, prefer, range_header, shape, body)

    def preferences(self, header: str | None) -> Preferences:
        """Parse a Prefer header."""
        return parse_preferences(header, tx_allowed=self._config.override_allowed)

    def query(self, raw: str) -> Parsed:
        """Parse a query string."""
        config = self._config
        return parse_query(
            raw, max_embed_depth=config.max_embed_depth, legacy_target_names=config.url_legacy_target_names
        )

    def _understand(self, raw: str, prefer: str | None, range_header: str | None, shape: Shape, body: bool) -> Asked:
        preferences = self.preferences(prefer)
        parsed = self.query(raw)
        if parsed.subscribe not in (None, "", "0", "false"):
            raise only_get_subscribes()
        page = page_of(
            parsed.limit,
            parsed.offset,
            range_header if body else None,
            default_limit=self._config.default_limit,
            max_limit=self._config.max_limit,
        )
        count = None if preferences.count == "none" else preferences.count
        return Asked(preferences, parsed, page, Read(parsed.query, body, count, page.offset > 0, shape), raw)


def _ascii(text: str) -> str:
    return text.encode("latin-1", "replace").decode("ascii", "replace")


@lru_cache(_MOST_KEPT)
def _location(path: str) -> str:
    return percent(path, safe="/~")
