"""Request bodies are bounded while they are read, never after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from reactor_kernel.errors import BadRequest, PayloadTooLarge, RequestTimeout


def too_large(limit: int) -> PayloadTooLarge:
    """The error for a body over its route's limit."""
    return PayloadTooLarge(
        f"the request body is larger than the {limit} bytes this route accepts", details={"limit": limit}
    )


class BoundedInput:
    """A `wsgi.input` that yields at most `limit` bytes, all of `expected` or an error, and nothing after `deadline`."""

    def __init__(self, stream: Any, *, limit: int, expected: int | None, deadline: float | None) -> None:
        self._stream = stream
        self._limit = limit
        self._expected = expected
        self._deadline = deadline
        self._seen = 0

    def _take(self, data: bytes) -> bytes:
        self._seen += len(data)
        if self._seen > self._limit:
            raise too_large(self._limit)
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise RequestTimeout("the request body arrived too slowly")
        if not data and self._expected is not None and self._seen < self._expected:
            raise BadRequest(f"the request body ended after {self._seen} of {self._expected} bytes")
        return data

    def read(self, size: int | None = -1) -> bytes:
        """Read `size` bytes, fewer only at the end; everything when it is negative."""
        # One byte over the limit tells a body of exactly the limit from a longer one.
        most = self._limit - self._seen + 1
        want = most if size is None or size < 0 else min(size, most)
        if self._expected is not None:
            want = min(want, self._expected - self._seen)
        parts = []
        while want > 0:
            data = self._take(self._stream.read(want))
            if not data:
                break
            parts.append(data)
            want -= len(data)
        return b"".join(parts)

    def readline(self, size: int = -1) -> bytes:
        """Read one line."""
        most = self._limit - self._seen + 1
        if self._expected is not None and self._seen >= self._expected:
            return b""
        return self._take(self._stream.readline(most if size is None or size < 0 else min(size, most)))

    def readlines(self, hint: int = -1) -> list[bytes]:
        """Read all lines."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line
