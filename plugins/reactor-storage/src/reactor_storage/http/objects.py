"""`/storage/v1/object/{bucket}/{key}` and the listing of a bucket (contract storage.md §3.3 and §3.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reactor_storage.buckets import Buckets
from reactor_storage.checksums import checked, expected_digests
from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.grants import spent_once
from reactor_storage.http.answers import answer_object
from reactor_storage.http.bodies import content_chunks, metadata_header
from reactor_storage.http.callers import caller_of
from reactor_storage.http.conditions import writing_rule
from reactor_storage.http.shapes import JSON, object_json
from reactor_storage.http.signed import SignedCallers
from reactor_storage.model import NewObject
from reactor_storage.reading import Reader
from reactor_storage.writing import Writer

if TYPE_CHECKING:
    import falcon


class ObjectResource:
    """One object."""

    def __init__(self, reader: Reader, writer: Writer, callers: SignedCallers) -> None:
        self._reader = reader
        self._writer = writer
        self._callers = callers

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Answer its bytes."""
        caller = self._callers.reading(req, bucket, key)
        answer_object(req, resp, self._reader, caller, lambda: self._reader.find(caller, bucket, key))

    on_head = on_get

    def on_put(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Store the body under the key, in place of what is there."""
        new = NewObject(req.content_type, req.get_header("Cache-Control"), metadata_header(req))
        chunks = checked(content_chunks(req), expected_digests(req.get_header))
        caller, _, spending = self._callers.writing(req, bucket, key)
        with spent_once():
            stored, _ = self._writer.put(
                caller, bucket, key, chunks, new, writing_rule(req.get_header), with_it=spending
            )
        resp.set_header("ETag", stored.etag)
        resp.content_type = JSON
        resp.data = msgspec.json.encode(
            {
                "id": stored.id,
                "key": stored.key,
                "etag": stored.etag,
                "size": stored.size,
                "version_id": stored.version_id,
            }
        )

    def on_delete(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Remove it."""
        self._writer.delete(caller_of(req), bucket, key, writing_rule(req.get_header))
        resp.status = 204


class ListingResource:
    """The objects of a bucket."""

    def __init__(self, buckets: Buckets, reader: Reader) -> None:
        self._buckets = buckets
        self._reader = reader

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Answer a page, in the order of the keys' bytes."""
        caller = caller_of(req)
        page = self._reader.listed(
            caller,
            bucket,
            prefix=req.get_param("prefix") or "",
            delimiter=req.get_param("delimiter") or "",
            cursor=req.get_param("cursor") or None,
            limit=_limit(req.get_param("limit")),
        )
        found = self._buckets.find(caller, bucket)
        resp.content_type = JSON
        resp.data = msgspec.json.encode(
            {
                "objects": [object_json(one, found) for one in page.objects],
                "prefixes": page.prefixes,
                "has_more": page.cursor is not None,
                "cursor": page.cursor,
            }
        )


def _limit(text: str | None) -> int:
    if text is None:
        return 100
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidStorageRequest(f"limit must be a number from 1 to 1000, not {text[:40]!r}")
    return int(text)
