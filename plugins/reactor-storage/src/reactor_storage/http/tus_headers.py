"""The headers of TUS 1.0.0, read and written."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import msgspec

from reactor_kernel.api import PreconditionFailed, UnsupportedMediaType
from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.http.uploads import wants_upsert
from reactor_storage.model import NewObject
from reactor_storage.tus_model import PARTIAL, Asked, Facts, ResumableUpload

if TYPE_CHECKING:
    import falcon

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation"
# What scripts of another origin read.
EXPOSED = (
    "Location", "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm",
    "Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Expires", "Upload-Concat",
)  # fmt: skip
# As TUS names them: as hashlib's registry of digests in `checksums` does, and the bytes of each.
_DIGESTS = {"sha1": ("sha-1", 20), "sha256": ("sha-256", 32), "md5": ("md5", 16)}
ALGORITHMS = ",".join(_DIGESTS)
_BODY = "application/offset+octet-stream"
_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+\Z")
_UPLOAD = re.compile(r"/upload/resumable/(?:sign/)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})/?\Z")


def demand_version(req: falcon.Request) -> None:
    """Raise 412 unless the request speaks this version."""
    sent = req.get_header("Tus-Resumable")
    if sent != VERSION:
        said = "no Tus-Resumable" if sent is None else f"Tus-Resumable: {sent[:40]}"
        raise PreconditionFailed(
            f"the request has {said}; this server speaks {VERSION}", code="unsupported_tus_version",
            headers={"Tus-Version": VERSION},
        )  # fmt: skip


def demand_body_type(req: falcon.Request) -> None:
    """Raise 415 unless the body is declared to be part of an upload."""
    sent = req.get_header("Content-Type") or ""
    if sent.partition(";")[0].strip().lower() != _BODY:
        raise UnsupportedMediaType(f"the body of an upload has the Content-Type {_BODY}, not {sent[:80]!r}")


def offset(req: falcon.Request) -> int:
    """Return Upload-Offset."""
    found = _number(req, "Upload-Offset")
    if found is None:
        raise InvalidStorageRequest("the header Upload-Offset is missing")
    return found


def length(req: falcon.Request) -> int | None:
    """Return Upload-Length, if it is there."""
    return _number(req, "Upload-Length")


def checksum(req: falcon.Request) -> dict[str, bytes] | None:
    """Return the body's digest by algorithm, if it is told."""
    text = req.get_header("Upload-Checksum")
    if text is None:
        return None
    name, _, encoded = text.partition(" ")
    if name not in _DIGESTS:
        raise InvalidStorageRequest(f"Upload-Checksum names the algorithm {name[:40]!r}, not one of {ALGORITHMS}")
    algorithm, size = _DIGESTS[name]
    value = _decoded(encoded)
    if value is None or len(value) != size:
        raise InvalidStorageRequest(f"Upload-Checksum is no {name} in Base64: {encoded[:100]!r}")
    return {algorithm: value}


def asked(req: falcon.Request) -> tuple[Asked, list[str]]:
    """Return what a creation asks for, and the ids of the uploads that it is to be made of."""
    said = req.get_header("Upload-Metadata")
    named = _metadata(said or "")
    concat = req.get_header("Upload-Concat")
    ids = [] if concat is None or concat == PARTIAL else _ids(concat)
    bucket, key = _text(named, "bucketName"), _text(named, "objectName")
    nameless = bucket is None and key is None and concat == PARTIAL
    if (bucket is None or key is None) and not nameless:
        missing = "bucketName" if bucket is None else "objectName"
        raise InvalidStorageRequest(f"Upload-Metadata has no {missing}", hint="Name bucketName and objectName.")
    new = NewObject(_text(named, "contentType"), _cache_control(named), _own_metadata(named))
    facts = Facts(length=_length_of_new(req, final=bool(ids)), concat=concat, said=said, upsert=wants_upsert(req))
    return Asked(bucket, key, new, facts), ids


def answer_offset(resp: falcon.Response, upload: ResumableUpload) -> None:
    """Say where an upload is, and until when it can be continued."""
    resp.set_header("Upload-Offset", str(upload.facts.offset))
    if not upload.facts.done:
        resp.set_header("Upload-Expires", format_datetime(upload.expires_at, usegmt=True))


def answer_state(resp: falcon.Response, upload: ResumableUpload) -> None:
    """Say all that is known of an upload."""
    answer_offset(resp, upload)
    facts = upload.facts
    if facts.length is None:
        resp.set_header("Upload-Defer-Length", "1")
    else:
        resp.set_header("Upload-Length", str(facts.length))
    if facts.said is not None:
        resp.set_header("Upload-Metadata", facts.said)
    if facts.concat is not None:
        resp.set_header("Upload-Concat", facts.concat)
    resp.set_header("Cache-Control", "no-store")


def _length_of_new(req: falcon.Request, *, final: bool) -> int | None:
    found, deferred = length(req), req.get_header("Upload-Defer-Length")
    if final:
        if found is not None or deferred is not None:
            raise InvalidStorageRequest("an upload made of others has their length: send no Upload-Length")
        return None
    if deferred is not None and deferred != "1":
        raise InvalidStorageRequest(f"Upload-Defer-Length must be 1, not {deferred[:40]!r}")
    if (found is None) is (deferred is None):
        raise InvalidStorageRequest("send either Upload-Length or Upload-Defer-Length: 1")
    return found


def _number(req: falcon.Request, name: str) -> int | None:
    text = req.get_header(name)
    if text is None:
        return None
    if not _NUMBER.match(text):
        raise InvalidStorageRequest(f"{name} must be a number of bytes, not {text[:40]!r}")
    return int(text)


def _ids(concat: str) -> list[str]:
    kind, _, urls = concat.partition(";")
    if kind.strip() != "final" or not urls.strip():
        raise InvalidStorageRequest(
            f"Upload-Concat must be partial, or final; with the URLs of uploads, not {concat[:80]!r}"
        )
    ids = []
    for url in urls.split():
        match = _UPLOAD.search(url.partition("?")[0])
        if match is None:
            raise InvalidStorageRequest(f"Upload-Concat names {url[:120]!r}, which is no upload of this server")
        ids.append(match.group(1).lower())
    return ids


def _metadata(said: str) -> dict[str, bytes]:
    """Read pairs of a key and a value in Base64, which may be missing."""
    found: dict[str, bytes] = {}
    for pair in said.split(",") if said.strip() else ():
        key, _, encoded = pair.strip().partition(" ")
        value = _decoded(encoded.strip())
        if not _KEY.match(key) or value is None:
            raise InvalidStorageRequest(
                f"Upload-Metadata has {pair.strip()[:80]!r}, which is no key with a value in Base64"
            )
        if key in found:
            raise InvalidStorageRequest(f"Upload-Metadata has the key {key[:40]!r} twice")
        found[key] = value
    return found


def _decoded(encoded: str) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def _text(named: Mapping[str, bytes], key: str) -> str | None:
    """Return a value as text; None where there is none, or an empty one."""
    try:
        return named.get(key, b"").decode() or None
    except UnicodeDecodeError as error:
        raise InvalidStorageRequest(f"the {key} of Upload-Metadata is not UTF-8") from error


def _cache_control(named: Mapping[str, bytes]) -> str | None:
    seconds = _text(named, "cacheControl")
    return f"max-age={seconds}" if seconds is not None and seconds.isascii() and seconds.isdigit() else seconds


def _own_metadata(named: Mapping[str, bytes]) -> dict[str, Any]:
    if not (text := named.get("metadata")):
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidStorageRequest(f"the metadata of Upload-Metadata is no JSON object: {error}") from error
