"""Finding objects (contract storage.md §3.3, §3.6 and §4.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reactor_kernel.api import Database, DatabaseFault
from reactor_storage import queries
from reactor_storage.access import Caller
from reactor_storage.backends.contract import Backend
from reactor_storage.buckets import Buckets
from reactor_storage.errors import InvalidStorageRequest, ObjectNotFound, VersionNotFound
from reactor_storage.keys import looked_for, object_key
from reactor_storage.model import Bucket, Page, StoredObject
from reactor_storage.rows import buckets_in, objects_in, texts_in

MAX_LISTED = 1000
# A content may be replaced between two looks at it.
_LOOKS = 3


class Reader:
    """Finds objects, lists them and opens their contents."""

    def __init__(self, db: Database, buckets: Buckets, backend: Backend) -> None:
        self._db = db
        self._buckets = buckets
        self._backend = backend

    def find(self, caller: Caller, bucket_ref: str, key: str) -> StoredObject:
        """Return an object that the caller may read.

        Raises:
            ObjectNotFound: there is none, or policies hide it.
        """
        return self.locate(caller, bucket_ref, key)[1]

    def locate(self, caller: Caller, bucket_ref: str, key: str) -> tuple[Bucket, StoredObject]:
        """Return an object that the caller may read, and its bucket; raises as `find`."""
        # Without a credential the bucket decides in which organisation the object is looked for.
        known = caller.vouched or not caller.anonymous
        if known and (found := self._at_once(caller, bucket_ref, key)) is not None:
            return found
        bucket = self._buckets.find(caller, bucket_ref)
        caller.demand_reading(bucket)
        return bucket, self.content_of(caller, bucket, object_key(key))

    def _at_once(self, caller: Caller, name: str, key: str) -> tuple[Bucket, StoredObject] | None:
        """Look a bucket of that name and its object up in one round trip; None where that does not tell what `locate` must say."""
        place = (caller.org_id, name, key)
        statements = [queries.bucket(caller.org_id, name), queries.content(*place)]
        if not caller.vouched:
            statements.insert(0, queries.visible(*place))
        try:
            *seen, there, content = self._db.run(caller.acting, statements, readonly=True)
        except DatabaseFault:
            # A policy that fails: whether it was to be asked depends on the bucket.
            return None
        bucket = next(iter(buckets_in(there)), None)
        if bucket is None or bucket.name != name:
            return None
        caller.demand_reading(bucket)
        objects = objects_in(content)
        if seen and not bucket.public and texts_in(seen[0]) != [one.version_id for one in objects]:
            return None
        return bucket, _one(objects, bucket, object_key(key))

    def content_of(self, caller: Caller, bucket: Bucket, key: str) -> StoredObject:
        """Return an object of a bucket in which the caller may read."""
        content = queries.content(bucket.org_id, bucket.name, key)
        if bucket.public or caller.vouched:
            (found,) = self._db.run(None, [content], readonly=True)
            return _one(objects_in(found), bucket, key)
        for _ in range(_LOOKS):
            statements = [queries.visible(bucket.org_id, bucket.name, key), content]
            seen, found = self._db.run(caller.identity, statements, readonly=True)
            if not seen.rows:
                raise not_found(bucket.name, key)
            objects = objects_in(found)
            # Two statements see two moments; only what is the same in both was there while it was visible.
            if objects and texts_in(seen) == [objects[0].version_id]:
                return objects[0]
        raise not_found(bucket.name, key)

    def open(self, caller: Caller, found: StoredObject, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Return the bytes of an object just found.

        Raises:
            BlobMissing: it was replaced meanwhile; find it again.
        """
        return self._backend.read(found.locator, start, length)

    def listed(
        self,
        caller: Caller,
        bucket_ref: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        """Return a page of the objects that the caller sees, in the order of their keys' bytes.

        With a delimiter, keys that go on behind it are given by their common prefix. `cursor` is the last key or prefix of the
        page before. `limit` is 1 to 1000, objects and prefixes together.
        """
        if not 1 <= limit <= MAX_LISTED:
            raise InvalidStorageRequest(f"limit must be from 1 to {MAX_LISTED}, not {limit}")
        looked_for(prefix=prefix, delimiter=delimiter, cursor=cursor)
        if delimiter.endswith("\U0010ffff"):
            raise InvalidStorageRequest("delimiter ends with U+10FFFF, which is no character")
        bucket = self._buckets.find(caller, bucket_ref)
        caller.demand(bucket.name, "read")
        lowest = lowest_key(prefix, delimiter, cursor)
        if lowest is None:
            return Page(bucket, ())
        place = (bucket.org_id, bucket.name, prefix)
        if delimiter:
            statement = queries.delimited(*place, delimiter, lowest, limit + 1)
        else:
            statement = queries.listing(*place, lowest, limit + 1)
        (result,) = self._db.run(caller.acting, [statement], readonly=True)
        entries = [(row[0] or b"").decode() for row in result.rows]
        prefixes = [name for name, row in zip(entries, result.rows, strict=True) if row[1] == b"t"]
        objects = objects_in(result, 2)
        if len(entries) <= limit:
            return Page(bucket, tuple(objects), tuple(prefixes))
        # One more was asked for, to know whether the page is the last.
        (prefixes if result.rows[-1][1] == b"t" else objects).pop()
        return Page(bucket, tuple(objects), tuple(prefixes), entries[limit - 1])


def lowest_key(prefix: str, delimiter: str, cursor: str | None) -> str | None:
    """Return the least key that a page behind a cursor may show; None where there is none."""
    if cursor is None:
        return prefix
    if delimiter and cursor.endswith(delimiter) and len(cursor) > len(prefix):
        behind = queries.after_all(cursor)
        return None if behind is None else max(prefix, behind)
    # No key holds a character below the space, so this is the least one above the cursor.
    return max(prefix, cursor + " ")


def _one(found: Sequence[StoredObject], bucket: Bucket, key: str) -> StoredObject:
    if not found:
        raise not_found(bucket.name, key)
    return found[0]


def not_found(bucket: str, key: str) -> ObjectNotFound:
    """Return the error that says so; the same whether it is hidden or not there."""
    return ObjectNotFound(
        f"there is no object {key!r} in the bucket {bucket!r}", details={"bucket": bucket, "key": key}
    )


def no_such_version(bucket: str, key: str, version_id: str) -> VersionNotFound:
    """Return the error that says so; the same whether it is hidden, removed or was never there."""
    return VersionNotFound(
        f"there is no version {version_id[:80]!r} of {key!r} in the bucket {bucket!r}",
        details={"bucket": bucket, "key": key, "version_id": version_id[:80]},
    )
