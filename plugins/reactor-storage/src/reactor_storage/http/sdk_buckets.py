"""`/storage/v1/bucket`, as Supabase's clients use it (contract storage.md §7, decision 35)."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Literal

import msgspec

from reactor_storage.buckets import Buckets
from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.http.bodies import json_body
from reactor_storage.http.buckets import BucketBody
from reactor_storage.http.callers import caller_of
from reactor_storage.http.shapes import bucket_json, say
from reactor_storage.model import Bucket

if TYPE_CHECKING:
    import falcon


class BucketQuery(msgspec.Struct, frozen=True, rename="camel"):
    """Which buckets, and in which order."""

    limit: int | None = None
    offset: int = 0
    search: str = ""
    sort_column: Literal["id", "name", "created_at", "updated_at"] = "name"
    sort_order: Literal["asc", "desc"] = "asc"

    def of(self, buckets: list[Bucket]) -> list[Bucket]:
        """Return those of the buckets that are asked for."""
        named = [bucket for bucket in buckets if self.search.lower() in bucket.name]
        named.sort(key=attrgetter(self.sort_column), reverse=self.sort_order == "desc")
        return named[self.offset :][: self.limit]


class SdkBucketResource:
    """Buckets, by name or id."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer the buckets as a bare array: all of them, or the part that the query asks for."""
        found = _asked(req).of(self._buckets.listed(caller_of(req)))
        say(resp, [bucket_json(bucket) for bucket in found])

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make a bucket."""
        body = json_body(req, BucketBody)
        say(resp, bucket_json(self._buckets.create(caller_of(req), body.named, body.fields())))

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Answer one bucket."""
        say(resp, bucket_json(self._buckets.find(caller_of(req), bucket)))

    def on_put_one(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Change a bucket."""
        fields = json_body(req, BucketBody).fields()
        say(
            resp,
            {"message": "Successfully updated", **bucket_json(self._buckets.update(caller_of(req), bucket, fields))},
        )

    on_patch_one = on_put_one

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Remove an empty bucket."""
        self._buckets.delete(caller_of(req), bucket, cascade=req.get_param("cascade") == "true")
        say(resp, {"message": "Successfully deleted"})

    def on_post_empty(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Remove all objects of a bucket."""
        self._buckets.empty(caller_of(req), bucket)
        say(resp, {"message": "Successfully emptied"})


def _asked(req: falcon.Request) -> BucketQuery:
    known = ("limit", "offset", "search", "sortColumn", "sortOrder")
    given = {name: value for name in known if (value := req.get_param(name)) is not None}
    try:
        asked = msgspec.convert(given, BucketQuery, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidStorageRequest(f"the query cannot be used: {error}") from error
    if (asked.limit is not None and asked.limit < 1) or asked.offset < 0:
        raise InvalidStorageRequest("limit must be 1 or more, and offset 0 or more")
    return asked
