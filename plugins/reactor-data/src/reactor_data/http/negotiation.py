"""The `Accept` header (contract data.md §4.11): the first entry that can be made wins."""

from __future__ import annotations

from functools import lru_cache

from reactor_data.errors import DataError
from reactor_data.query.rendering import Shape

JSON = "application/json; charset=utf-8"
OBJECT = "application/vnd.pgrst.object+json; charset=utf-8"
_ARRAYS = (
    "application/json",
    "*/*",
    "application/*",
    "application/vnd.pgrst.array",
    "application/vnd.pgrst.array+json",
)
_OBJECTS = ("application/vnd.pgrst.object", "application/vnd.pgrst.object+json")
_ARRAY, _OBJECT = Shape(), Shape("object")


@lru_cache(256)
def wanted_shape(accept: str | None) -> Shape:
    """Return the form of the answer.

    Raises:
        DataError: 406 PGRST107, nothing accepted can be made.
    """
    entries = [entry.strip().lower() for entry in (accept or "*/*").split(",")]
    for entry in entries:
        media, *parameters = (part.strip() for part in entry.split(";"))
        if "nulls=stripped" in parameters:
            continue
        if media in _ARRAYS:
            return _ARRAY
        if media in _OBJECTS:
            return _OBJECT
    raise DataError(
        406,
        "not_acceptable",
        f"None of these media types are available: {', '.join(entries)}",
        pgrst="PGRST107",
        hint="This version answers application/json and application/vnd.pgrst.object+json.",
    )
