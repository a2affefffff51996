"""The checksums of S3: Content-MD5, x-amz-content-sha256 and x-amz-checksum-*, in headers or a trailer."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from reactor_storage.errors import ChecksumMismatch
from reactor_storage.s3.chunked import Trailer
from reactor_storage.s3.faults import S3Error

PREFIX = "x-amz-checksum-"
# Bytes of each; also the spelling in XML behind `Checksum`.
LENGTHS = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}
_NOT_SUMS = (f"{PREFIX}algorithm", f"{PREFIX}mode", f"{PREFIX}type")


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A cyclic redundancy check that goes on from its last value."""

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


def new_digest(algorithm: str) -> _Digest:
    """Return a digest of one of LENGTHS. Raises S3Error where the library for it is not installed."""
    if algorithm == "sha256":
        return hashlib.sha256()
    if algorithm == "sha1":
        return hashlib.sha1(usedforsecurity=False)
    if algorithm == "crc32":
        return _Crc(zlib.crc32, 4)
    try:
        from awscrt import checksums
    except ImportError:
        raise S3Error(
            "NotImplemented",
            f"checksums of {algorithm} are checked with awscrt, which is not installed: pip install 'reactor-storage[s3]'",
        ) from None
    return _Crc(getattr(checksums, algorithm), LENGTHS[algorithm])


@dataclass(slots=True)
class Checks:
    """The checksums that a body must have. After `passed` was read to its end, `sums` holds those of S3 in Base64."""

    md5: bytes | None = None
    sha256: str | None = None
    expected: dict[str, bytes] = field(default_factory=dict)
    trailing: str | None = None
    sums: dict[str, str] = field(default_factory=dict)

    def passed(self, chunks: Iterable[bytes], trailer: Trailer) -> Iterator[bytes]:
        """Pass a content on and check it behind its last piece.

        `sha256` is left to who keeps the content, which calculates it anyway.

        Raises:
            ChecksumMismatch: a checksum is another.
            S3Error: one cannot be checked here.
        """
        names = {*self.expected, *((self.trailing,) if self.trailing else ())}
        digests = {name: new_digest(name) for name in names}
        md5 = hashlib.md5(usedforsecurity=False) if self.md5 is not None else None
        for chunk in chunks:
            for digest in digests.values():
                digest.update(chunk)
            if md5 is not None:
                md5.update(chunk)
            yield chunk
        if self.trailing is not None:
            name = PREFIX + self.trailing
            self.expected[self.trailing] = _decoded(trailer.get(name, ""), LENGTHS[self.trailing], name)
        if md5 is not None and self.md5 is not None:
            _same("Content-MD5", md5.digest(), self.md5)
        for name, digest in digests.items():
            _same(PREFIX + name, digest.digest(), self.expected[name])
            self.sums[name] = base64.b64encode(digest.digest()).decode()

    def check_sha256(self, actual: str) -> None:
        """Raise unless the content's SHA-256, in hex, is the one that was signed."""
        if self.sha256 is not None and not hmac.compare_digest(self.sha256, actual):
            raise S3Error("XAmzContentSHA256Mismatch", f"x-amz-content-sha256 is not the body's, which is {actual}")


def checks_of(header: Callable[[str], str | None], names: Iterable[str], trailer: frozenset[str]) -> Checks:
    """Return what the headers, whose names are given, and the announced trailer want checked.

    Raises:
        S3Error: a checksum cannot be one of its algorithm, or the algorithm is not known.
    """
    found = Checks()
    if (text := header("content-md5")) is not None:
        found.md5 = _decoded(text, 16, "Content-MD5")
    for name in names:
        if name.startswith(PREFIX) and name not in _NOT_SUMS:
            algorithm = _known(name)
            found.expected[algorithm] = _decoded(header(name) or "", LENGTHS[algorithm], name)
    for name in trailer:
        if name.startswith(PREFIX):
            found.trailing = _known(name)
    return found


def _known(name: str) -> str:
    algorithm = name.removeprefix(PREFIX)
    if algorithm not in LENGTHS:
        raise S3Error("InvalidRequest", f"the checksum {name[:60]!r} is not known; use one of {', '.join(LENGTHS)}")
    return algorithm


def _decoded(text: str, size: int, name: str) -> bytes:
    try:
        value = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != size:
        raise S3Error("InvalidRequest", f"{name} is no {size} bytes in Base64: {text[:100]!r}")
    return value


def _same(name: str, actual: bytes, expected: bytes) -> None:
    if actual != expected:
        said = base64.b64encode(expected).decode()
        raise ChecksumMismatch(f"the content's {name} is {base64.b64encode(actual).decode()}, not {said}")
