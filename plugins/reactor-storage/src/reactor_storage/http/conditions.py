"""Conditional requests and ranges (RFC 9110 §13 and §14)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from reactor_storage.errors import UnsatisfiableRange, Unsatisfied
from reactor_storage.model import StoredObject
from reactor_storage.rules import Rule

Header = Callable[[str], str | None]

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_RANGE = re.compile(r"bytes\s*=\s*(?:(\d{1,18})\s*-\s*(\d{0,18})|-\s*(\d{1,18}))\s*\Z", re.IGNORECASE)


def last_modified(found: StoredObject) -> datetime:
    """Return when an object changed, in whole seconds, as HTTP can say it."""
    return found.updated_at.astimezone(UTC).replace(microsecond=0)


def unmodified(header: Header, found: StoredObject) -> bool:
    """Tell whether 304 is the answer to a read.

    Raises:
        Unsatisfied: If-Match or If-Unmodified-Since does not hold.
    """
    if (wanted := header("If-Match")) is not None:
        if not _lists(wanted, found.etag, weak=False):
            raise Unsatisfied(f"If-Match does not hold: the ETag is {found.etag}")
    elif (since := _date(header("If-Unmodified-Since"))) is not None and last_modified(found) > since:
        raise Unsatisfied("If-Unmodified-Since does not hold")
    if (known := header("If-None-Match")) is not None:
        return _lists(known, found.etag, weak=True)
    since = _date(header("If-Modified-Since"))
    return since is not None and last_modified(found) <= since


def asked_range(header: Header, found: StoredObject) -> tuple[int, int] | None:
    """Return the first byte asked for and how many, or None for all of them.

    What is malformed, in other units or several ranges at once is ignored, as is a range whose If-Range does not hold.

    Raises:
        UnsatisfiableRange: it begins behind the last byte.
    """
    match = _RANGE.match((header("Range") or "").strip())
    if match is None or not _range_holds(header("If-Range"), found):
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        length = min(int(suffix), found.size)
        if length == 0:
            raise _unsatisfiable(found)
        return found.size - length, length
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= found.size:
        raise _unsatisfiable(found)
    end = min(int(last), found.size - 1) if last else found.size - 1
    return start, end - start + 1


def writing_rule(header: Header) -> Rule:
    """Return the conditions of a write; `If-None-Match: *` is create only."""
    known = header("If-None-Match")
    return Rule(
        create_only=known is not None and known.strip() == "*",
        conflict="precondition",
        if_match=_tags(header("If-Match"), weak=False),
        if_none_match=None if known is None or known.strip() == "*" else _tags(known, weak=True),
        unmodified_since=_date(header("If-Unmodified-Since")) if header("If-Match") is None else None,
    )


def _tags(header: str | None, *, weak: bool) -> tuple[str, ...] | None:
    """Return the tags of a list; `weak` also those that say so, for the comparison of If-None-Match."""
    if header is None:
        return None
    if header.strip() == "*":
        return ("*",)
    return tuple(tag for mark, tag in _TAG.findall(header) if weak or not mark)


def _lists(header: str, etag: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    return any(tag == etag and (weak or not mark) for mark, tag in _TAG.findall(header))


def _range_holds(header: str | None, found: StoredObject) -> bool:
    if header is None:
        return True
    if '"' in header:
        return header.strip() == found.etag
    return _date(header) == last_modified(found)


def _date(header: str | None) -> datetime | None:
    """Return an HTTP date; what is none counts as not sent."""
    if header is None:
        return None
    try:
        found = parsedate_to_datetime(header)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _unsatisfiable(found: StoredObject) -> UnsatisfiableRange:
    return UnsatisfiableRange(
        f"the object has {found.size} bytes",
        headers={"Content-Range": f"bytes */{found.size}"},
        details={"size": found.size},
    )
