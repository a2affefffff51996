"""The body of a request as segments, so that what has arrived becomes durable while the rest is on its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from reactor_kernel.api import BadRequest, ReactorError

SEGMENT = 16 * 1024 * 1024
_SEGMENT_SECS = 10.0
# What is lost when a connection drops: a piece that did not arrive as a whole.
_PIECE = 32 * 1024


class Incoming:
    """A body that is being received.

    Attributes:
        announced: its bytes, as the request says.
        cut: why it ended before all of them came; None as long as it did not.
    """

    def __init__(self, read: Callable[[int], bytes], announced: int) -> None:
        """Take the body's `read`, which may raise a ReactorError or OSError where the connection drops."""
        self._read = read
        self.announced = announced
        self._received = 0
        self.cut: ReactorError | None = None

    @property
    def ended(self) -> bool:
        """Tell whether nothing more comes."""
        return self.cut is not None or self._received >= self.announced

    def segment(self, tick: Callable[[], None], size: int = SEGMENT) -> Iterator[bytes]:
        """Return its next bytes: about `size`, less where they come slowly or end; `tick` is called for each piece."""
        taken, ends = 0, time.monotonic() + _SEGMENT_SECS
        while not self.ended and taken < size and time.monotonic() < ends:
            if piece := self._piece():
                taken += len(piece)
                yield piece
                tick()

    def whole(self, tick: Callable[[], None]) -> Iterator[bytes]:
        """Return all of its bytes. Raises what cut it."""
        while not self.ended:
            yield self._piece()
            tick()
        if self.cut is not None:
            raise self.cut

    def _piece(self) -> bytes:
        try:
            piece = self._read(min(_PIECE, self.announced - self._received))
        except ReactorError as error:
            self.cut = error
            return b""
        except OSError as error:
            self.cut = BadRequest(f"the connection failed: {error.strerror}")
            return b""
        self._received += len(piece)
        if not piece:
            self.cut = BadRequest(f"the body ended after {self._received} of {self.announced} bytes")
        return piece


def nothing() -> Incoming:
    """Return a body without bytes."""
    return Incoming(lambda _: b"", 0)
