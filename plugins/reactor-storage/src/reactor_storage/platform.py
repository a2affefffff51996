"""The platform itself as a caller, and its own buckets (contract storage.md §1 and §3.9).

They belong to the nil organisation, which nobody is a member of, and their names begin with `_reactor_`, which no tenant's can.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from reactor_kernel.api import BlobFacts, DbRole, Identity, IdentityKind
from reactor_storage.access import Caller
from reactor_storage.backends.contract import BlobMissing
from reactor_storage.buckets import Buckets
from reactor_storage.errors import BucketExists, BucketNotFound
from reactor_storage.keys import NIL_ORG, system_bucket_name
from reactor_storage.model import NewObject, StoredObject
from reactor_storage.reading import Reader, not_found
from reactor_storage.writing import Writer

# A content may be replaced between two looks at it.
_LOOKS = 3


def platform_caller(request_id: str, org_id: str = NIL_ORG) -> Caller:
    """Return the platform as a caller that may do everything, in one organisation; row-level security does not concern it."""
    identity = Identity(
        kind=IdentityKind.ADMIN,
        subject="platform",
        db_role=DbRole.SERVICE,
        org_id=org_id,
        permissions=frozenset(("*",)),
    )
    return Caller(identity, request_id, lambda permission: None)


class PlatformBlobs:
    """Implements `BlobStore` over the same services as the routes."""

    def __init__(self, buckets: Buckets, reader: Reader, writer: Writer) -> None:
        self._buckets = buckets
        self._reader = reader
        self._writer = writer
        self._caller = platform_caller("")

    def put(self, bucket: str, key: str, chunks: Iterable[bytes], *, content_type: str | None = None) -> BlobFacts:
        """Keep a content; its bucket is made if need be."""
        try:
            self._buckets.find(self._caller, system_bucket_name(bucket))
        except BucketNotFound:
            with suppress(BucketExists):  # another process was first
                self._buckets.create(self._caller, bucket, {})
        stored, _ = self._writer.put(self._caller, bucket, key, chunks, NewObject(content_type))
        return _facts(stored)

    def open(
        self, bucket: str, key: str, start: int = 0, length: int | None = None
    ) -> tuple[BlobFacts, Iterator[bytes]]:
        """Return a content."""
        for _ in range(_LOOKS):
            found = self._reader.find(self._caller, bucket, key)
            with suppress(BlobMissing):
                return _facts(found), self._reader.open(self._caller, found, start, length)
        raise not_found(bucket, key)

    def delete(self, bucket: str, keys: Sequence[str]) -> int:
        """Remove contents."""
        found = self._buckets.find(self._caller, bucket)
        return len(self._writer.delete_many(self._caller, found, keys))

    def listed(
        self, bucket: str, prefix: str = "", *, cursor: str | None = None, limit: int = 1000
    ) -> tuple[Sequence[BlobFacts], str | None]:
        """Return a page of contents."""
        page = self._reader.listed(self._caller, bucket, prefix=prefix, cursor=cursor, limit=limit)
        return [_facts(one) for one in page.objects], page.cursor


def _facts(found: StoredObject) -> BlobFacts:
    return BlobFacts(found.key, found.size, found.etag, found.content_type, found.updated_at)
