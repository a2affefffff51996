"""`/storage/v1/bucket`, as Supabase's clients use it (contract storage.md §7, decision 35)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_storage.buckets import Buckets
from reactor_storage.http.bodies import json_body
from reactor_storage.http.buckets import BucketBody
from reactor_storage.http.callers import caller_of
from reactor_storage.http.shapes import bucket_json, say

if TYPE_CHECKING:
    import falcon


class SdkBucketResource:
    """Buckets, by name or id."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer the buckets as a bare array."""
        say(resp, [bucket_json(bucket) for bucket in self._buckets.listed(caller_of(req))])

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
