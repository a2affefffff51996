"""The content coding `aws-chunked`: chunks that may each be signed, with a trailer that may hold a checksum.

```
<size in hex>[;chunk-signature=<signature>]CRLF <bytes> CRLF …  0[;chunk-signature=…]CRLF [<name>:<value>CRLF …] CRLF
```
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reactor_storage.backends.contract import CHUNK
from reactor_storage.s3 import signature
from reactor_storage.s3.faults import S3Error

_HEAD = re.compile(rb"([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?\r\n\Z")
_LONGEST_LINE = 8 * 1024
_TRAILER_LINES = 20


class Source(Protocol):
    """What a body is read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        ...

    def readline(self, size: int, /) -> bytes:
        """Return a line of up to `size` bytes with its end."""
        ...


@dataclass(slots=True)
class ChunkSigner:
    """Checks the chain of signatures that begins with the request's own."""

    key: bytes
    claim: signature.Claim
    previous: str

    def check(self, sent: bytes | None, expected: str) -> None:
        """Raise unless the next signature is the one expected."""
        if sent is None or not hmac.compare_digest(sent.decode("ascii"), expected):
            raise S3Error("SignatureDoesNotMatch", "the signature of a chunk is not the one calculated here")
        self.previous = expected


@dataclass(slots=True)
class ChunkedBody:
    """A body being decoded. `trailer` is filled when it was read to its end."""

    source: Source
    length: int
    signer: ChunkSigner | None = None
    announced: frozenset[str] = frozenset()
    trailer: dict[str, str] = field(default_factory=dict)

    def chunks(self) -> Iterator[bytes]:
        """Return the content in pieces.

        Raises:
            S3Error: a signature is wrong, the framing is broken, or the content is not as long as announced.
        """
        received = 0
        while True:
            size, sent = self._head()
            digest = hashlib.sha256()
            received += size
            if received > self.length:
                raise S3Error("IncompleteBody", f"the body holds more than the {self.length} bytes announced")
            for piece in self._pieces(size):
                if self.signer is not None:
                    digest.update(piece)
                yield piece
            if self.signer is not None:
                signer = self.signer
                signer.check(
                    sent, signature.chunk_signature(signer.key, signer.claim, signer.previous, digest.hexdigest())
                )
            if size == 0:
                break
            if self.source.read(2) != b"\r\n":
                raise S3Error("IncompleteBody", "a chunk of the body does not end where it should")
        if received != self.length:
            raise S3Error("IncompleteBody", f"the body holds {received} of the {self.length} bytes announced")
        self._read_trailer()

    def _head(self) -> tuple[int, bytes | None]:
        match = _HEAD.match(self.source.readline(_LONGEST_LINE))
        if match is None:
            raise S3Error("IncompleteBody", "a chunk of the body begins with no size")
        return int(match.group(1), 16), match.group(2)

    def _pieces(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            piece = self.source.read(min(left, CHUNK))
            if not piece:
                raise S3Error("IncompleteBody", f"the body ended {left} bytes before the end of a chunk")
            left -= len(piece)
            yield piece

    def _read_trailer(self) -> None:
        signed, sent = b"", None
        for _ in range(_TRAILER_LINES):
            line = self.source.readline(_LONGEST_LINE).strip(b"\r\n")
            if not line:
                break
            name, _, value = line.partition(b":")
            text = name.decode("latin-1").strip().lower()
            if text == "x-amz-trailer-signature":
                sent = value.strip()
                continue
            signed += text.encode("latin-1") + b":" + value.strip() + b"\n"
            self.trailer[text] = value.decode("latin-1").strip()
        if missing := self.announced - self.trailer.keys():
            raise S3Error("InvalidRequest", f"the trailer lacks {min(missing)}, which x-amz-trailer announces")
        if self.signer is not None and self.announced:
            signer = self.signer
            signer.check(sent, signature.trailer_signature(signer.key, signer.claim, signer.previous, signed))


def announced_trailer(header: Callable[[str], str | None]) -> frozenset[str]:
    """Return the names in `x-amz-trailer`."""
    return frozenset(name for one in (header("x-amz-trailer") or "").split(",") if (name := one.strip().lower()))


def decoded_length(header: Callable[[str], str | None]) -> int:
    """Return `x-amz-decoded-content-length`. Raises S3Error."""
    text = (header("x-amz-decoded-content-length") or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise S3Error("MissingContentLength", "aws-chunked needs the header x-amz-decoded-content-length")
    return int(text)


Trailer = Mapping[str, str]
