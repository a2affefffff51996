"""Checksums that a client sends with a content (RFC 1864, RFC 9530, and Amazon's headers), checked while it is received."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reactor_storage.errors import ChecksumMismatch, InvalidStorageRequest

_DIGESTS = {"md5": 16, "sha-1": 20, "sha-256": 32, "sha-512": 64}
_AMAZON = {"x-amz-checksum-sha1": "sha-1", "x-amz-checksum-sha256": "sha-256"}
_REPR = re.compile(r"\s*([a-z0-9-]+)\s*=\s*:([A-Za-z0-9+/=]*):\s*\Z")


def expected_digests(header: Callable[[str], str | None]) -> dict[str, bytes]:
    """Return what the headers say the content's digests are, by algorithm.

    Reads Content-MD5, Digest, Repr-Digest, Content-Digest and x-amz-checksum-sha1 and -sha256; an algorithm not known here is
    passed over, as the standards say.

    Raises:
        InvalidStorageRequest: a digest that cannot be one of its algorithm.
    """
    found: dict[str, bytes] = {}
    if (text := header("Content-MD5")) is not None:
        found["md5"] = _decoded(text, "md5", "Content-MD5")
    for name, algorithm in _AMAZON.items():
        if (text := header(name)) is not None:
            found[algorithm] = _decoded(text, algorithm, name)
    for part in (header("Digest") or "").split(","):
        algorithm, equals, text = part.strip().partition("=")
        if equals and algorithm.lower() in _DIGESTS:
            found[algorithm.lower()] = _decoded(text, algorithm.lower(), "Digest")
    for name in ("Repr-Digest", "Content-Digest"):
        for part in (header(name) or "").split(","):
            match = _REPR.match(part)
            if match and match.group(1) in _DIGESTS:
                found[match.group(1)] = _decoded(match.group(2), match.group(1), name)
    return found


def checked(chunks: Iterable[bytes], expected: Mapping[str, bytes]) -> Iterator[bytes]:
    """Pass a content on; after its last piece raise ChecksumMismatch where a digest is another."""
    digests: dict[str, Any] = {name: hashlib.new(name.replace("-", ""), usedforsecurity=False) for name in expected}
    for chunk in chunks:
        for digest in digests.values():
            digest.update(chunk)
        yield chunk
    for name, digest in digests.items():
        if digest.digest() != expected[name]:
            raise ChecksumMismatch(
                f"the content's {name} is {_shown(digest.digest())}, not {_shown(expected[name])}",
                details={"algorithm": name, "expected": _shown(expected[name]), "actual": _shown(digest.digest())},
            )


def _decoded(text: str, algorithm: str, header: str) -> bytes:
    try:
        value = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != _DIGESTS[algorithm]:
        raise InvalidStorageRequest(f"{header} is no {algorithm} in Base64: {text[:100]!r}")
    return value


def _shown(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
