"""`/storage/v1/upload/{bucket}/{key}`: uploads in parts by id (contract storage.md §3.5 and §4.7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from reactor_kernel.api import NotFound
from reactor_storage.checksums import checked, expected_digests
from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.http.bodies import content_chunks, json_body, metadata_header
from reactor_storage.http.callers import known_caller_of
from reactor_storage.http.conditions import writing_rule
from reactor_storage.http.shapes import say
from reactor_storage.model import NewObject
from reactor_storage.multipart import MAX_PART, MultipartUploads

if TYPE_CHECKING:
    import falcon

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)


class InitiateBody(msgspec.Struct, frozen=True):
    """What the object is to be."""

    content_type: str | None = None


class NamedPart(msgspec.Struct, frozen=True):
    """A part by its number and the ETag that its upload answered."""

    part_number: int
    etag: str


class CompleteBody(msgspec.Struct, frozen=True):
    """The parts of the object, in ascending order."""

    parts: list[NamedPart]


class MultipartResource:
    """An upload: begun, fed, completed or aborted.

    A key's slashes come as %2F, which the server sees decoded; so the last segment of the path tells the step, where the query
    names an upload.
    """

    def __init__(self, uploads: MultipartUploads) -> None:
        self._uploads = uploads

    def on_post(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Begin an upload, or make the object of its parts."""
        if req.get_param("upload_id") is None and req.get_param("uploadId") is None:
            self._begin(req, resp, bucket, key)
        else:
            self._complete(req, resp, bucket, _without(key, "complete"))

    def on_put(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Take one part."""
        key = _without(key, "part")
        caller = known_caller_of(req)
        number = _number(_query(req, "part_number", "partNumber"))
        upload = self._uploads.find(caller, bucket, key, _upload_id(req))
        expected = expected_digests(req.get_header)
        chunks = checked(content_chunks(req, checked=bool(expected)), expected)
        part = self._uploads.put_part(upload, number, chunks)
        resp.set_header("ETag", part.etag)
        say(resp, {"etag": part.etag, "part_number": part.number, "size": part.size})

    def on_delete(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Drop the upload and its parts."""
        caller = known_caller_of(req)
        self._uploads.abort(caller, self._uploads.find(caller, bucket, _without(key, "abort"), _upload_id(req)))
        resp.status = 204

    def _begin(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        caller, body = known_caller_of(req), json_body(req, InitiateBody, empty=InitiateBody())
        new = NewObject(body.content_type, req.get_header("Cache-Control"), metadata_header(req))
        _, upload_id = self._uploads.create(caller, bucket, key, new)
        say(resp, {"upload_id": upload_id})

    def _complete(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        caller = known_caller_of(req)
        wanted = [(part.part_number, part.etag) for part in json_body(req, CompleteBody).parts]
        if not wanted:
            raise InvalidStorageRequest("no parts are named", hint='Send {"parts": [{"part_number": 1, "etag": "…"}]}.')
        upload = self._uploads.find(caller, bucket, key, _upload_id(req))
        _, stored = self._uploads.complete(caller, upload, wanted, writing_rule(req.get_header))
        resp.set_header("ETag", stored.etag)
        say(resp, {"etag": stored.etag, "key": stored.key, "size": stored.size, "version_id": stored.version_id})


def _without(key: str, step: str) -> str:
    head, slash, last = key.rpartition("/")
    if not slash or last != step:
        raise NotFound(
            f"an upload has no step {last[:40]!r} here", hint=f"Send it to …/upload/{{bucket}}/{{key}}/{step}."
        )
    return head


def _upload_id(req: falcon.Request) -> str:
    text = _query(req, "upload_id", "uploadId")
    if not _UUID.match(text):
        raise InvalidStorageRequest(f"upload_id must be the id that initiating answered, not {text[:60]!r}")
    return text.lower()


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_PART):
        raise InvalidStorageRequest(f"part_number must be from 1 to {MAX_PART}, not {text[:40]!r}")
    return int(text)


def _query(req: falcon.Request, *names: str) -> str:
    for name in names:
        if (text := req.get_param(name)) is not None:
            return text
    raise InvalidStorageRequest(f"the query has no {names[0]}")
