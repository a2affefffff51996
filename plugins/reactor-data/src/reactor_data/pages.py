"""Which rows of a result are asked for, and how the answer says which it has (contract data.md §4.5 and §5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reactor_data.errors import range_not_satisfiable

_RANGE = re.compile(r"(?:items=)?(\d{1,18})-(\d{0,18})\Z")
_ENDLESS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Page:
    """Rows `offset` up to `offset + limit`."""

    offset: int
    limit: int


def page_of(limit: int | None, offset: int, range_header: str | None, *, default_limit: int, max_limit: int) -> Page:
    """Return the intersection of `limit`/`offset`, the Range header, the default where neither says, and the cap.

    Raises:
        DataError: 416 for a negative limit or a range whose end lies before its start.
    """
    if limit is not None and limit < 0:
        raise range_not_satisfiable("Limit should be greater than or equal to zero.")
    first, last = offset, _ENDLESS if limit is None else offset + limit - 1
    if range_header is not None and (found := _RANGE.match(range_header.strip())):
        start, end = int(found.group(1)), int(found.group(2)) if found.group(2) else _ENDLESS
        if start > end:
            raise range_not_satisfiable(
                "The lower boundary must be lower than or equal to the upper boundary in the Range header."
            )
        first, last = max(first, start), min(last, end)
    rows = max(0, last - first + 1)
    if last == _ENDLESS:
        rows = default_limit or max_limit
    return Page(first, min(rows, max_limit))


def content_range(offset: int, rows: int, total: int | None) -> str:
    """Return the value of Content-Range."""
    span = f"{offset}-{offset + rows - 1}" if rows else "*"
    return f"{span}/{'*' if total is None else total}"


def read_status(offset: int, rows: int, total: int | None) -> int:
    """Return 200 or 206 of a read.

    Raises:
        DataError: 416 when the offset lies beyond a known total.
    """
    if total is None:
        return 200
    if offset > total:
        raise range_not_satisfiable(
            f"An offset of {offset} was requested, but there are only {total} rows.", total=total
        )
    return 206 if rows < total else 200
