"""`/storage/v1/buckets` (contract storage.md §3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from reactor_storage.buckets import Buckets
from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.http.bodies import json_body
from reactor_storage.http.callers import known_caller_of
from reactor_storage.http.shapes import bucket_json, say
from reactor_storage.lifecycle import WantedRule, checked_rules
from reactor_storage.sizes import bytes_of

if TYPE_CHECKING:
    import falcon


class BucketBody(msgspec.Struct, frozen=True):
    """What a client says of a bucket, in whichever spelling; what it does not say stays."""

    slug: str | None = None
    name: str | None = None
    id: str | None = None
    is_public: bool | UnsetType = UNSET
    public: bool | UnsetType = UNSET
    file_size_limit: int | str | UnsetType | None = UNSET
    allowed_mime_types: list[str] | UnsetType | None = UNSET
    versioning: bool | UnsetType = UNSET
    lifecycle: list[WantedRule] | UnsetType = UNSET

    @property
    def named(self) -> str:
        """The bucket's name. Raises 400 where it has none."""
        for name in (self.slug, self.name, self.id):
            if name is not None:
                return name
        raise InvalidStorageRequest("the bucket has no name", hint='Send {"name": "avatars"}.')

    def fields(self) -> dict[str, Any]:
        """Return what was said, under the names of `Bucket`."""
        said: dict[str, Any] = {}
        for name, values in (
            ("public", (self.public, self.is_public)),
            ("file_size_limit", (self.file_size_limit,)),
            ("allowed_mime_types", (self.allowed_mime_types,)),
            ("versioning", (self.versioning,)),
            ("lifecycle", (self.lifecycle,)),
        ):
            for value in values:
                if value is not UNSET:
                    said[name] = value
        if said.get("file_size_limit") is not None:
            said["file_size_limit"] = bytes_of(said["file_size_limit"])
        if "lifecycle" in said:
            said["lifecycle"] = checked_rules(said["lifecycle"])
        return said


class BucketsResource:
    """All buckets of the organisation, or one of them."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer the buckets by name."""
        say(resp, {"buckets": [bucket_json(bucket) for bucket in self._buckets.listed(known_caller_of(req))]})

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make a bucket."""
        caller, body = known_caller_of(req), json_body(req, BucketBody)
        say(resp, bucket_json(self._buckets.create(caller, body.named, body.fields())))
        resp.status = 201

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Answer one bucket."""
        say(resp, bucket_json(self._buckets.find(known_caller_of(req), bucket)))

    def on_patch_one(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Change a bucket."""
        caller, fields = known_caller_of(req), json_body(req, BucketBody).fields()
        say(resp, bucket_json(self._buckets.update(caller, bucket, fields)))

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Remove a bucket; with `cascade=true` and all that is in it."""
        self._buckets.delete(known_caller_of(req), bucket, cascade=req.get_param("cascade") == "true")
        resp.status = 204
