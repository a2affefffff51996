"""Buckets (contract storage.md §3.2 and §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from reactor_kernel.api import Database, DatabaseFault, PermissionDenied, Unauthenticated
from reactor_storage import multipart_queries, queries
from reactor_storage.access import Caller
from reactor_storage.changes import announce_removed
from reactor_storage.errors import (
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    InvalidStorageRequest,
    PolicyDenied,
    no_such_bucket,
)
from reactor_storage.keys import NIL_ORG, bucket_name, looked_for, system_bucket_name
from reactor_storage.model import Bucket, Policy
from reactor_storage.remains import Remains
from reactor_storage.rows import buckets_in, one_bucket, policies_in, policies_speak, texts_in

_EMPTYING = 1000


class Buckets:
    """Makes, finds, changes and removes buckets of an organisation."""

    def __init__(self, db: Database, remains: Remains) -> None:
        self._db = db
        self._remains = remains

    def find(self, caller: Caller, ref: str) -> Bucket:
        """Return a bucket of the caller's organisation by name or id.

        Without a credential: a public bucket, of the organisation named with the request, else the only one of that name.

        Raises:
            BucketNotFound: there is none, or it is another organisation's.
            Unauthenticated: without a credential, where there is no such public bucket.
        """
        looked_for(bucket=ref)
        if caller.anonymous and not caller.vouched:
            return self._find_public(caller, ref)
        (result,) = self._db.run(None, [queries.bucket(caller.org_id, ref)], readonly=True)
        return one_bucket(buckets_in(result), ref)

    def find_public(self, caller: Caller, ref: str) -> Bucket:
        """Return a public bucket, also for a caller with a credential: of its organisation first."""
        if caller.identity.org_id is not None and not caller.anonymous:
            (result,) = self._db.run(None, [queries.bucket(caller.identity.org_id, ref)], readonly=True)
            for bucket in buckets_in(result):
                if bucket.public:
                    return bucket
        return self._find_public(caller, ref)

    def _find_public(self, caller: Caller, ref: str) -> Bucket:
        if caller.named_org is None:
            (result,) = self._db.run(None, [queries.public_buckets(ref)], readonly=True)
            found = buckets_in(result)
            if len(found) > 1:
                raise BucketNotFound(
                    f"several organisations have a public bucket {ref!r}",
                    hint="Name the organisation with ?org= or X-Reactor-Org.",
                    details={"bucket": ref},
                )
        else:
            (result,) = self._db.run(None, [queries.bucket(caller.named_org, ref)], readonly=True)
            found = [bucket for bucket in buckets_in(result) if bucket.public]
        if not found:
            # Whether a private one exists is nobody's business.
            raise Unauthenticated(headers={"WWW-Authenticate": "Bearer"})
        return found[0]

    def listed(self, caller: Caller) -> list[Bucket]:
        """Return the organisation's buckets, by name."""
        (result,) = self._db.run(caller.acting, [queries.buckets(caller.org_id)], readonly=True)
        return buckets_in(result)

    def create(self, caller: Caller, name: str, fields: Mapping[str, Any]) -> Bucket:
        """Make a bucket. Raises InvalidBucketName, BucketExists."""
        org_id = caller.org_id
        caller.demand("bucket", "create")
        name = bucket_name(name) if org_id != NIL_ORG else system_bucket_name(name)
        _private_if_the_platforms(org_id, name, fields)
        statements = [
            queries.insert_bucket(org_id, caller.identity.user_id, name, fields),
            queries.audit("bucket.create", caller.identity, caller.request_id, bucket=name),
        ]
        try:
            with policies_speak(f"make the bucket {name}"):
                result = self._db.run(caller.acting, statements)[0]
        except DatabaseFault as fault:
            if fault.sqlstate != "23505":
                raise
            raise BucketExists(f"the organisation has a bucket {name!r}", details={"bucket": name}) from fault
        return buckets_in(result)[0]

    def update(self, caller: Caller, ref: str, fields: Mapping[str, Any]) -> Bucket:
        """Set fields; those not named stay."""
        bucket = self.find(caller, ref)
        caller.demand(bucket.name, "admin")
        _private_if_the_platforms(bucket.org_id, bucket.name, fields)
        with policies_speak(f"change the bucket {bucket.name}"), self._db.begin(caller.acting) as tx:
            # What is not named stays as it is now, not as it was when the bucket was found.
            (held,) = tx.run([queries.hold_bucket(bucket.id)])
            bucket = one_bucket(buckets_in(held), ref)
            wanted = {
                "public": bucket.public,
                "file_size_limit": bucket.file_size_limit,
                "allowed_mime_types": bucket.allowed_mime_types,
                "versioning": bucket.versioning,
                "lifecycle": bucket.lifecycle,
            } | dict(fields)
            (result,) = tx.run([queries.update_bucket(bucket.id, wanted)])
            changed = one_bucket(buckets_in(result), ref)
            if result.rows[0][1] == b"t":
                tx.run([queries.audit("bucket.update", caller.identity, caller.request_id, bucket=bucket.name)])
        return changed

    def delete(self, caller: Caller, ref: str, *, cascade: bool) -> None:
        """Remove a bucket; with `cascade` its objects, versions and bytes first. Raises BucketNotEmpty."""
        bucket = self.find(caller, ref)
        caller.demand(bucket.name, "admin")
        if cascade:
            self._empty(caller, bucket)
        try:
            with policies_speak(f"delete the bucket {bucket.name}"), self._db.begin(caller.acting) as tx:
                place = (bucket.org_id, bucket.name)
                # The uploads first, as who completes one.
                _, result, kept = tx.run(
                    [
                        multipart_queries.hold_uploads_of_bucket(*place), queries.delete_bucket(bucket.id),
                        queries.history(*place),
                    ]
                )  # fmt: skip
                if not result.rows:
                    raise no_such_bucket(ref)
                if kept.rows:
                    raise _not_empty(bucket, "earlier versions of objects")
                # A bucket that is made again under this name must not inherit them.
                parts, *_ = tx.run(multipart_queries.end_uploads_of_bucket(*place))
                tx.run([queries.audit("bucket.delete", caller.identity, caller.request_id, bucket=bucket.name)])
        except DatabaseFault as fault:
            if fault.sqlstate != "23503":
                raise
            raise _not_empty(bucket, "objects") from fault
        self._remains.release(texts_in(parts))

    def administered(self, caller: Caller) -> list[Bucket]:
        """Return the organisation's buckets that the caller administers, by name."""
        found = []
        for bucket in self.listed(caller):
            with suppress(PermissionDenied):
                caller.demand(bucket.name, "admin")
                found.append(bucket)
        return found

    def policies(self, caller: Caller, ref: str) -> tuple[Bucket, list[Policy]]:
        """Return a bucket that the caller administers, and the policies on objects; each concerns the buckets it says."""
        bucket = self.find(caller, ref)
        caller.demand(bucket.name, "admin")
        (result,) = self._db.run(None, [queries.policies()], readonly=True)
        return bucket, policies_in(result)

    def empty(self, caller: Caller, ref: str) -> None:
        """Remove all objects of a bucket, and what it kept of them."""
        bucket = self.find(caller, ref)
        caller.demand(bucket.name, "admin")
        self._empty(caller, bucket)

    def _empty(self, caller: Caller, bucket: Bucket) -> None:
        """Remove objects in steps of their own, so that a bucket of millions holds no lock for minutes.

        Raises:
            PolicyDenied: the project's policies keep some from it. The others are removed.
        """
        asking = caller.policed and not self._unpoliced()
        place, after = (bucket.org_id, bucket.name), ""
        while True:
            with policies_speak(f"empty the bucket {bucket.name}"), self._db.begin(caller.acting) as tx:
                (page,) = tx.run([queries.remove_behind(*place, after, _EMPTYING, as_owner=not asking)])
                if not page.rows:
                    break
                after = texts_in(page)[-1]
                gone = [(key.decode(), version.decode()) for key, version in page.rows if key and version is not None]
                forgotten, _ = tx.run(
                    [
                        queries.forget([version for _, version in gone]),
                        queries.audit(
                            "bucket.empty", caller.identity, caller.request_id, bucket=bucket.name,
                            org_id=bucket.org_id, details={"objects": len(gone)},
                        ),
                    ]
                )  # fmt: skip
                announce_removed(tx, bucket, gone)
            self._remains.release(texts_in(forgotten))
        while True:
            (forgotten,) = self._db.run(None, [queries.forget_bucket_history(*place, _EMPTYING)])
            if not forgotten.rows:
                break
            self._remains.release(texts_in(forgotten))
        if asking and self._db.run(None, [queries.any_object(*place)], readonly=True)[0].rows:
            raise PolicyDenied(f"a policy refuses to remove all objects of the bucket {bucket.name!r}; some are left")

    def _unpoliced(self) -> bool:
        """Tell whether permissions alone decide what is removed; for all of a bucket that is the one to administer it."""
        (found,) = self._db.run(None, [queries.unpoliced("r", "d")], readonly=True)
        return found.rows[0][0] == b"t"


def _private_if_the_platforms(org_id: str, name: str, fields: Mapping[str, Any]) -> None:
    if org_id == NIL_ORG and fields.get("public"):
        raise InvalidStorageRequest(f"the bucket {name!r} is the platform's own and cannot be public")


def _not_empty(bucket: Bucket, what: str) -> BucketNotEmpty:
    return BucketNotEmpty(f"the bucket {bucket.name!r} still holds {what}", details={"bucket": bucket.name})
