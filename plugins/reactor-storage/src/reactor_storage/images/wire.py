"""What a server process and its rendering processes say to each other: a document, then bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Literal, Protocol

import msgspec

Resize = Literal["cover", "contain", "fill"]
# "origin" is the format of the source.
Target = Literal["origin", "webp", "avif", "jpeg", "png"]
Outcome = Literal["ready", "rendered", "unsupported", "too_large"]

_LENGTHS = struct.Struct(">IQ")


class Order(msgspec.Struct, frozen=True):
    """What to make of a source, at most for how long, and how many pixels it may have; `quality` on JPEG's scale."""

    width: int | None
    height: int | None
    resize: Resize
    quality: int
    format: Target
    max_pixels: int
    seconds: float


class Answer(msgspec.Struct, frozen=True):
    """What became of it; the picture follows where it was rendered. `message` completes the sentence "the object …"."""

    outcome: Outcome
    content_type: str = ""
    message: str = ""


class Ended(Exception):
    """The other side is gone."""


class WrongLength(Exception):
    """The source has not the bytes that were announced."""


class Writable(Protocol):
    """A pipe to the other side."""

    def write(self, content: bytes, /) -> object:
        """Write all of it."""
        ...

    def flush(self) -> None:
        """Send it on its way."""
        ...


class Readable(Protocol):
    """A pipe from the other side."""

    def read(self, length: int, /) -> bytes:
        """Return so many bytes, fewer only at its end."""
        ...


def send(pipe: Writable, document: msgspec.Struct, length: int = 0, pieces: Iterable[bytes] = ()) -> None:
    """Write a document and `length` bytes. Raises Ended, WrongLength."""
    text, sent = msgspec.json.encode(document), 0
    try:
        pipe.write(_LENGTHS.pack(len(text), length))
        pipe.write(text)
        for piece in pieces:
            sent += len(piece)
            pipe.write(piece)
        pipe.flush()
    except BrokenPipeError as error:
        raise Ended from error
    if sent != length:
        raise WrongLength


def receive(pipe: Readable) -> tuple[bytes, bytes]:
    """Read a document and its bytes. Raises Ended."""
    text, length = _LENGTHS.unpack(_exactly(pipe, _LENGTHS.size))
    return _exactly(pipe, text), _exactly(pipe, length)


def _exactly(pipe: Readable, length: int) -> bytes:
    found = pipe.read(length)
    if len(found) != length:
        raise Ended
    return found
