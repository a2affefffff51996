"""Request bodies: a content as it comes, or a JSON object."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from reactor_kernel.api import BadRequest
from reactor_storage.backends.contract import CHUNK
from reactor_storage.errors import InvalidStorageRequest

if TYPE_CHECKING:
    import falcon

T = TypeVar("T")
# An escape behind an even number of backslashes.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def content_chunks(req: falcon.Request, *, checked: bool = False) -> Iterator[bytes]:
    """Return the body in pieces; `checked` says that a checksum will tell whether it is whole.

    Raises:
        BadRequest: while they are read: fewer bytes came than were announced, or nobody can tell whether they were all.
    """
    if req.env.get("reactor.body_end_unseen") and not checked:
        raise BadRequest(
            "the server cannot tell whether a body in chunks is complete",
            code="length_required",
            status=411,
            hint="Send Content-Length, or a checksum such as Repr-Digest or Content-MD5.",
        )
    announced, received = req.content_length, 0
    stream = req.bounded_stream
    while chunk := stream.read(CHUNK):
        received += len(chunk)
        yield chunk
    if announced is not None and received != announced:
        raise BadRequest(
            f"the body ended after {received} of {announced} bytes", hint="Send it again; nothing was stored."
        )


def json_body(req: falcon.Request, kind: type[T], *, empty: T | None = None) -> T:
    """Return a JSON body as a struct; `empty` stands for a body that is not there. Raises 400 `invalid_request`."""
    body = req.bounded_stream.read()
    if not body.strip():
        if empty is not None:
            return empty
        raise InvalidStorageRequest("the body is empty", hint="Send a JSON object.")
    no_nul(body, "the body")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidStorageRequest(f"the body cannot be used: {error}") from error


def metadata_header(req: falcon.Request) -> dict[str, Any]:
    """Return the object's metadata from `X-Metadata`, a JSON object in Base64; empty where there is none."""
    text = req.get_header("X-Metadata")
    if text is None:
        return {}
    try:
        document = base64.b64decode(text, validate=True)
        metadata: dict[str, Any] = msgspec.json.decode(document, type=dict[str, Any])
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidStorageRequest(f"X-Metadata is no JSON object in Base64: {error}") from error
    no_nul(document, "X-Metadata")
    return metadata


def no_nul(document: bytes, where: str) -> None:
    """Raise 400 `invalid_request` where a JSON document holds the character NUL, which Postgres cannot keep."""
    if b"\\u0000" in document and _NUL.search(document):
        raise InvalidStorageRequest(f"{where} holds the character NUL, which cannot be kept")
