"""A request of the S3 endpoint whose signature was checked: what it is for, who sent it, and its body."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reactor_storage.access import Caller
from reactor_storage.s3.checks import Checks
from reactor_storage.s3.chunked import ChunkedBody
from reactor_storage.s3.faults import S3Error

_LONGEST_DOCUMENT = 4 * 1024 * 1024


class Headers:
    """The headers of a WSGI environment, by lowercase name, as Latin-1 text."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def __call__(self, name: str) -> str | None:
        """Return a header's value."""
        name = name.replace("-", "_").upper()
        if name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            # Engines may set these to "" for what was not sent.
            return self._environ.get(name) or None
        return self._environ.get(f"HTTP_{name}")

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin with a prefix, sorted."""
        start = "HTTP_" + prefix.replace("-", "_").upper()
        return sorted(name[5:].replace("_", "-").lower() for name in self._environ if name.startswith(start))


@dataclass(slots=True)
class Payload:
    """The body. Its checksums are checked while it is read, the signed SHA-256 by `check_sha256`."""

    read: Callable[[], Iterator[bytes]]
    checks: Checks
    chunked: ChunkedBody | None = None

    def stream(self) -> Iterator[bytes]:
        """Return the content in pieces. Raises S3Error, ChecksumMismatch."""
        if self.chunked is None:
            return self.checks.passed(self.read(), {})
        return self.checks.passed(self.chunked.chunks(), self.chunked.trailer)

    def document(self) -> bytes:
        """Return a small body, checked. Raises S3Error, ChecksumMismatch."""
        body = bytearray()
        for chunk in self.stream():
            body += chunk
            if len(body) > _LONGEST_DOCUMENT:
                raise S3Error("MalformedXML", f"the body is longer than {_LONGEST_DOCUMENT} bytes")
        self.checks.check_sha256(hashlib.sha256(body).hexdigest())
        return bytes(body)


@dataclass(slots=True)
class S3Request:
    """What is asked. `key` is None for a bucket, `bucket` for the service; `query` holds the first value of each parameter."""

    method: str
    bucket: str | None
    key: str | None
    query: dict[str, str]
    headers: Headers
    caller: Caller
    payload: Payload
    resource: str
    region: str

    @property
    def bucket_name(self) -> str:
        """The bucket that is named."""
        assert self.bucket is not None
        return self.bucket

    @property
    def key_name(self) -> str:
        """The key that is named."""
        assert self.key is not None
        return self.key

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a parameter that is a whole number; more than `most` counts as it. Raises S3Error."""
        text = self.query.get(name)
        if text is None or text == "":
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 12) or int(text) < least:
            raise S3Error("InvalidArgument", f"{name} must be a number from {least} to {most}, not {text[:40]!r}")
        return min(int(text), most)
