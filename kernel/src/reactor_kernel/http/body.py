"""Request bodies are bounded while they are read, never after."""

from __future__ import annotations

import time
from typing import Any

from reactor_kernel.errors import PayloadTooLarge, RequestTimeout


def too_large(limit: int) -> PayloadTooLarge:
    """The error for a body over its route's limit."""
    return PayloadTooLarge(
        f"the request body is larger than the {limit} bytes this route accepts", details={"limit": limit}
    )


class BoundedInput:
    """A `wsgi.input` that refuses to yield more than `limit` bytes, or anything after `deadline`."""

    def __init__(self, stream: Any, limit: int, deadline: float | None) -> None:
        self._stream = stream
        self._left = limit
        self._limit = limit
        self._deadline = deadline

    def _count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise too_large(self._limit)
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise RequestTimeout("the request body arrived too slowly")
        return data

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes; everything when it is negative."""
        if size is None or size < 0:
            # One byte over the limit tells a body of exactly the limit from a longer one.
            return self._count(self._stream.read(self._left + 1))
        return self._count(self._stream.read(min(size, self._left + 1)))

    def readline(self, size: int = -1) -> bytes:
        """Read one line."""
        bound = self._left + 1 if size is None or size < 0 else min(size, self._left + 1)
        return self._count(self._stream.readline(bound))

    def readlines(self, hint: int = -1) -> list[bytes]:
        """Read all lines."""
        return list(self)

    def __iter__(self) -> Any:
        while line := self.readline():
            yield line
