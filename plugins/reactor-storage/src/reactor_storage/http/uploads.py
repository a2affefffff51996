"""Uploads as Supabase's clients send them: the bytes themselves, or a form (contract storage.md §4.3 and §7)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from reactor_kernel.api import Statement
from reactor_storage.access import Caller
from reactor_storage.backends.contract import CHUNK, Staged
from reactor_storage.checksums import checked, expected_digests
from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.grants import spent_once
from reactor_storage.http.bodies import content_chunks, metadata_header, no_nul
from reactor_storage.model import KEPT_HEADERS, Bucket, NewObject, StoredObject
from reactor_storage.rules import Rule
from reactor_storage.writing import Writer

if TYPE_CHECKING:
    import falcon

_LONGEST_FIELD = 64 * 1024
_FIELDS = ("cacheControl", "metadata", "contentType", "contentEncoding", "userMetadata")
_CODING = re.compile(r"[a-zA-Z0-9_+.-]{1,30}( ?, ?[a-zA-Z0-9_+.-]{1,30}){0,4}\Z")
CREATE = Rule(create_only=True)


def wants_upsert(req: falcon.Request) -> bool:
    """Tell whether what is there may be replaced."""
    return (req.get_header("X-Upsert") or "").strip().lower() == "true"


def is_form(req: falcon.Request) -> bool:
    """Tell whether the body is a form with a file in it."""
    return (req.content_type or "").lower().startswith("multipart/form-data")


def receive(
    req: falcon.Request,
    writer: Writer,
    caller: Caller,
    bucket: str,
    key: str,
    rule: Rule,
    with_it: Sequence[Statement] = (),
) -> tuple[StoredObject, bool]:
    """Store what a request carries and return the object, and whether it is new."""
    if is_form(req):
        found, staged, new = _form(req, writer, caller, bucket, key)
        with spent_once():
            return writer.adopt(caller, found, key, staged, new, rule, with_it=with_it)
    metadata = _coded(metadata_header(req), req.get_header("Content-Encoding"))
    new = NewObject(req.content_type, req.get_header("Cache-Control"), metadata)
    expected = expected_digests(req.get_header)
    chunks = checked(content_chunks(req, checked=bool(expected)), expected)
    with spent_once():
        return writer.put(caller, bucket, key, chunks, new, rule, with_it=with_it)


def _form(
    req: falcon.Request, writer: Writer, caller: Caller, bucket: str, key: str
) -> tuple[Bucket, Staged, NewObject]:
    """Read a form: one file, under the name `file` or none, with fields before or behind it."""
    from falcon import MediaMalformedError
    from falcon.media.multipart import MultipartParseError

    fields: dict[str, str] = {}
    taken: tuple[Bucket, Staged, str | None] | None = None
    try:
        for part in req.get_media():
            name, own_kind = _said(part)
            if name in _FIELDS:
                fields[name] = _text(part)
                continue
            if taken is not None:
                raise InvalidStorageRequest("the form holds several files", hint="Send one file in a request.")
            kind = fields.get("contentType") or own_kind
            taken = (*writer.stage(caller, bucket, key, _pieces(part), kind), kind)
        if taken is None:
            raise InvalidStorageRequest("the form holds no file", hint="Send the bytes in a part named file.")
        new = _described(fields, taken[2])
        # A field behind the file may have named another type than the one the file was taken with.
        writer.admit(taken[0], new.content_type)
        return taken[0], taken[1], new
    except (MultipartParseError, MediaMalformedError) as error:
        _drop(writer, taken)
        raise InvalidStorageRequest("the form cannot be read", details={"problem": str(error.description)}) from error
    except BaseException:
        _drop(writer, taken)
        raise


def _drop(writer: Writer, taken: tuple[Bucket, Staged, str | None] | None) -> None:
    if taken is not None:
        writer.discard(taken[1])


def _described(fields: dict[str, str], content_type: str | None) -> NewObject:
    seconds = fields.get("cacheControl")
    metadata: dict[str, Any] = {}
    if (text := fields.get("metadata") or fields.get("userMetadata")) is not None:
        try:
            metadata = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvalidStorageRequest(f"the field metadata is no JSON object: {error}") from error
        no_nul(text.encode(), "the field metadata")
    cache = f"max-age={seconds}" if seconds is not None and seconds.isdigit() else seconds
    metadata = _coded(metadata, fields.get("contentEncoding"))
    return NewObject(fields.get("contentType") or content_type, cache, metadata)


def _coded(metadata: dict[str, Any], coding: str | None) -> dict[str, Any]:
    """Keep in the metadata how a content is packed, which is said again when it is read."""
    if coding is None or coding.strip().lower() in ("", "identity"):
        return metadata
    if not _CODING.match(coding.strip()):
        raise InvalidStorageRequest(f"{coding[:60]!r} is no content encoding", hint="Send one such as gzip.")
    kept = metadata.get(KEPT_HEADERS)
    return metadata | {KEPT_HEADERS: (kept if isinstance(kept, dict) else {}) | {"content-encoding": coding.strip()}}


def _said(part: Any) -> tuple[str | None, str]:
    """Return the name of a field, None for a file, and the type."""
    try:
        return part.name if part.filename is None else None, part.content_type
    except UnicodeDecodeError as error:
        raise InvalidStorageRequest("the headers of a part of the form are no text") from error


def _pieces(part: Any) -> Iterator[bytes]:
    while chunk := part.stream.read(CHUNK):
        yield chunk


def _text(part: Any) -> str:
    value = part.stream.read(_LONGEST_FIELD + 1)
    if len(value) > _LONGEST_FIELD:
        raise InvalidStorageRequest(f"the field {part.name} is longer than {_LONGEST_FIELD} bytes")
    try:
        text = str(value.decode())
    except UnicodeDecodeError as error:
        raise InvalidStorageRequest(f"the field {part.name} is not UTF-8") from error
    if "\0" in text:
        raise InvalidStorageRequest(f"the field {part.name} holds the character NUL")
    return text
