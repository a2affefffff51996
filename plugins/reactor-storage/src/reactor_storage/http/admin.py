"""`/storage/v1/_admin`: buckets for administrators, policies to look at, and the sweep (contract storage.md §3.8, decision 29)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import msgspec

from reactor_storage.bucket_files import BucketSettings, DeclaredBucket, apply_bucket_files
from reactor_storage.buckets import Buckets
from reactor_storage.collecting import Collector
from reactor_storage.errors import PoliciesAreMigrations
from reactor_storage.http.bodies import json_body
from reactor_storage.http.buckets import BucketBody
from reactor_storage.http.callers import known_caller_of
from reactor_storage.http.shapes import say
from reactor_storage.keys import bucket_name
from reactor_storage.model import Bucket

if TYPE_CHECKING:
    import falcon

# Postgres gives a policy no id that lasts; its name is one.
_POLICIES = UUID("6c0f3a52-8a0b-5f6e-9d3c-2f1e4b7a9c10")


class AdminBucketsResource:
    """Buckets of the caller's organisation, or for the admin token of the one that the request names.

    Who holds `storage:{bucket}:admin` administers a bucket. Bodies are never empty: the client takes that for an error.
    """

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer the buckets that the caller administers as a bare array."""
        say(resp, [_bucket(bucket) for bucket in self._buckets.administered(known_caller_of(req))])

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make a bucket."""
        caller, body = known_caller_of(req), json_body(req, BucketBody)
        say(resp, _bucket(self._buckets.create(caller, body.named, body.fields())))
        resp.status = 201

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Answer one."""
        found, _ = self._buckets.policies(known_caller_of(req), bucket)
        say(resp, _bucket(found))

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Remove an empty one, or with `cascade=true` one with what is in it."""
        self._buckets.delete(known_caller_of(req), bucket, cascade=req.get_param("cascade") == "true")
        say(resp, {})


class PoliciesResource:
    """The policies on objects, as the database has them."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Answer all of them: which buckets a policy concerns its clauses say. When it was made is not known."""
        found, policies = self._buckets.policies(known_caller_of(req), bucket)
        say(
            resp,
            [
                {
                    "id": uuid5(_POLICIES, policy.name),
                    "bucket_id": found.id,
                    "name": policy.name,
                    "definition": policy.definition,
                    "created_at": None,
                }
                for policy in policies
            ],
        )

    def on_post(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Say how a policy is made."""
        known_caller_of(req)
        raise PoliciesAreMigrations("policies are not made over HTTP", headers={"Allow": "GET"})

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, bucket: str, policy: str) -> None:
        """Say how a policy is dropped."""
        known_caller_of(req)
        raise PoliciesAreMigrations("policies are not dropped over HTTP", headers={"Allow": ""})


class DeclaredBody(BucketSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a file says of its bucket, and the bucket's name."""

    name: str


class FilesBody(msgspec.Struct, frozen=True):
    """The files of a project."""

    buckets: list[DeclaredBody]


class BucketFilesResource:
    """Buckets as the files of a project declare them."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make and change buckets in the caller's organisation, or with `dry_run=true` tell what would be."""
        caller, body = known_caller_of(req), json_body(req, FilesBody)
        declared = [DeclaredBucket(bucket_name(one.name), one.fields()) for one in body.buckets]
        say(resp, apply_bucket_files(self._buckets, caller, declared, dry_run=req.get_param("dry_run") == "true"))


class CollectResource:
    """The sweep, now."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Remove what nothing refers to, or with `dry_run=true` count it."""
        rehearsing = req.get_param("dry_run") == "true"
        say(resp, self._collector.rehearse() if rehearsing else self._collector.collect())


def _bucket(bucket: Bucket) -> dict[str, Any]:
    return {"id": bucket.id, "name": bucket.name, "public": bucket.public, "created_at": bucket.created_at}
