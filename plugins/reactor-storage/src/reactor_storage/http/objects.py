"""`/storage/v1/object/{bucket}/{key}` and the listing of a bucket (contract storage.md §3.3 and §3.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.history import History
from reactor_storage.http.answers import answer_object
from reactor_storage.http.callers import caller_of, known_caller_of
from reactor_storage.http.conditions import writing_rule
from reactor_storage.http.shapes import object_json, say, uploaded
from reactor_storage.http.signed import SignedCallers
from reactor_storage.http.uploads import CREATE, receive, wants_upsert
from reactor_storage.model import StoredObject
from reactor_storage.reading import Reader
from reactor_storage.rules import ANY
from reactor_storage.writing import Writer

if TYPE_CHECKING:
    import falcon


class ObjectResource:
    """One object."""

    def __init__(self, reader: Reader, writer: Writer, history: History, callers: SignedCallers) -> None:
        self._reader = reader
        self._writer = writer
        self._history = history
        self._callers = callers

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Answer its bytes, or those of one of its versions."""
        if (version_id := req.get_param("version_id")) is not None:
            # A signed URL is for the current content, so it counts for nothing here.
            reader = caller_of(req)
            answer_object(req, resp, self._reader, reader, lambda: self._history.find(reader, bucket, key, version_id))
            return
        caller = self._callers.reading(req, bucket, key)
        answer_object(req, resp, self._reader, caller, lambda: self._reader.find(caller, bucket, key))

    on_head = on_get

    def on_put(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Store the body, or the file of a form, under the key, in place of what is there."""
        caller, grant, spending = self._callers.writing(req, bucket, key)
        rule = writing_rule(req.get_header)
        if grant is not None and not grant.upsert and not rule.create_only:
            rule = msgspec.structs.replace(rule, create_only=True, conflict="exists")
        stored, _ = receive(req, self._writer, caller, bucket, key, rule, spending)
        answer_stored(resp, stored)

    def on_post(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Store it as Supabase's clients do: what is there is replaced only with `X-Upsert: true`."""
        rule = ANY if wants_upsert(req) else CREATE
        stored, _ = receive(req, self._writer, caller_of(req), bucket, key, rule)
        answer_stored(resp, stored)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Remove it, or one of its versions for good."""
        caller, rule = caller_of(req), writing_rule(req.get_header)
        if (version_id := req.get_param("version_id")) is not None:
            self._history.drop(caller, bucket, key, version_id, rule)
        else:
            self._writer.delete(caller, bucket, key, rule)
        resp.status = 204


def answer_stored(resp: falcon.Response, stored: StoredObject) -> None:
    """Answer what was stored."""
    resp.set_header("ETag", stored.etag)
    say(resp, uploaded(stored))


class ListingResource:
    """The objects of a bucket."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Answer a page, in the order of the keys' bytes."""
        caller = known_caller_of(req)
        page = self._reader.listed(
            caller,
            bucket,
            prefix=req.get_param("prefix") or "",
            delimiter=req.get_param("delimiter") or "",
            cursor=req.get_param("cursor") or None,
            limit=asked_limit(req),
        )
        say(
            resp,
            {
                "objects": [object_json(one, page.bucket) for one in page.objects],
                "prefixes": page.prefixes,
                "has_more": page.cursor is not None,
                "cursor": page.cursor,
            },
        )


def asked_limit(req: falcon.Request) -> int:
    """Return how many entries a page is to have; 100 unless the query says."""
    text = req.get_param("limit")
    if text is None:
        return 100
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidStorageRequest(f"limit must be a number from 1 to 1000, not {text[:40]!r}")
    return int(text)
