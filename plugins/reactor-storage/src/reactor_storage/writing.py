"""Storing, copying and removing objects (contract storage.md §4.3 and §4.6).

A row says what there is, a version where its bytes are. A new content is staged first; then one transaction writes the row as the
caller, under row-level security, keeps the content and notes the version. So a reader finds the old content or the new one, whole,
and a crash leaves at most bytes that no row refers to, which `Remains` sweeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import msgspec

from reactor_kernel.api import Database, RawResult, Statement, Tx
from reactor_storage import history_queries, queries
from reactor_storage.access import Caller
from reactor_storage.backends.contract import Backend, ContentTooLong, Staged
from reactor_storage.buckets import Buckets
from reactor_storage.changes import Removed, note_stored, remove, write_row
from reactor_storage.errors import MimeTypeNotAllowed, ObjectTooLarge, PolicyDenied, SourceChanged
from reactor_storage.keys import is_folder_marker, object_key
from reactor_storage.model import Bucket, NewObject, StoredObject, Version
from reactor_storage.reading import no_such_version, not_found
from reactor_storage.remains import Remains
from reactor_storage.rows import current_in, policies_speak, texts_in
from reactor_storage.rules import ANY, Rule

# Keys that one transaction removes.
_AT_ONCE = 100


class _Rehearsed(Exception):
    """Rolls a rehearsal back."""


class Writer:
    """Stores, copies and removes objects."""

    def __init__(
        self, db: Database, buckets: Buckets, backend: Backend, remains: Remains, *, max_object_size: int
    ) -> None:
        self._db = db
        self._buckets = buckets
        self._backend = backend
        self._remains = remains
        self._max_object_size = max_object_size

    def put(
        self, caller: Caller, bucket_ref: str, key: str, chunks: Iterable[bytes], new: NewObject, rule: Rule = ANY,
        *, with_it: Sequence[Statement] = (),
    ) -> tuple[StoredObject, bool]:  # fmt: skip
        """Store a content and return the object, and whether it is new.

        Raises:
            ObjectTooLarge, MimeTypeNotAllowed: the bucket or the server does not accept it.
            ObjectExists, Unsatisfied: `rule` does not hold.
            PolicyDenied: a policy refuses it.
        Nothing is changed then.
        """
        bucket, staged = self.stage(caller, bucket_ref, key, chunks, new.content_type)
        return self.adopt(caller, bucket, key, staged, new, rule, with_it=with_it)

    def stage(
        self, caller: Caller, bucket_ref: str, key: str, chunks: Iterable[bytes], content_type: str | None
    ) -> tuple[Bucket, Staged]:
        """Take a content for `adopt`, within the limits of the bucket; `discard` it otherwise."""
        bucket = self._buckets.find(caller, bucket_ref)
        caller.demand(bucket.name, "write")
        object_key(key)
        self.admit(bucket, content_type)
        limit = self.limit_of(bucket, key)
        try:
            return bucket, self._backend.stage(chunks, limit=limit)
        except ContentTooLong:
            raise too_long(bucket, key, limit) from None

    def discard(self, staged: Staged) -> None:
        """Drop a content that was staged and not adopted."""
        self._backend.discard(staged)

    def rehearse(self, caller: Caller, bucket: Bucket, key: str, rule: Rule = ANY) -> bool:
        """Raise PolicyDenied unless policies let the caller store something under a key; nothing is changed.

        Return whether it would replace what is there. Raises ObjectExists or Unsatisfied where `rule` does not hold now.
        """
        created = False
        with policies_speak(f"store {key!r}"), suppress(_Rehearsed), self._db.begin(caller.acting) as tx:
            first = queries.one_at_a_time(bucket.org_id, [(bucket.name, key)])
            created = write_row(tx, caller, bucket, key, 0, "", NewObject(), rule, first=first).created
            raise _Rehearsed
        return not created

    def limit_of(self, bucket: Bucket, key: str = "") -> int:
        """Return the most bytes an object may have under a key of a bucket; a folder's name has none."""
        if is_folder_marker(key):
            return 0
        return min(bucket.file_size_limit or self._max_object_size, self._max_object_size)

    def check(self, bucket: Bucket, key: str, size: int, content_type: str | None) -> None:
        """Raise MimeTypeNotAllowed or ObjectTooLarge unless the bucket accepts such an object."""
        self.admit(bucket, content_type)
        if size > (limit := self.limit_of(bucket, key)):
            raise too_long(bucket, key, limit)

    @staticmethod
    def admit(bucket: Bucket, content_type: str | None) -> None:
        """Raise MimeTypeNotAllowed unless the bucket accepts objects of a type."""
        allowed = bucket.allowed_mime_types
        if allowed is None:
            return
        media = (content_type or "application/octet-stream").partition(";")[0].strip().lower()
        if not any(
            media == one or (one.endswith("/*") and media.startswith(one[:-1])) for one in map(str.lower, allowed)
        ):
            raise MimeTypeNotAllowed(
                f"the bucket {bucket.name!r} does not accept {media}",
                details={"bucket": bucket.name, "allowed": list(allowed)},
            )

    def adopt(
        self, caller: Caller, bucket: Bucket, key: str, staged: Staged, new: NewObject, rule: Rule = ANY,
        *, with_it: Sequence[Statement] = (), guard: Callable[[Tx], None] | None = None,
    ) -> tuple[StoredObject, bool]:  # fmt: skip
        """Make a staged content an object's, in one transaction with the statements `with_it`; it is dropped where that fails.

        `guard` begins the transaction; what it raises ends it. What the statements return in their first columns are locators that
        they no longer refer to.
        """
        try:
            with policies_speak(f"store {key!r}"), self._db.begin(caller.acting) as tx:
                if guard is not None:
                    guard(tx)
                written = write_row(
                    tx, caller, bucket, key, staged.size, f'"{staged.sha256}"', new, rule,
                    first=queries.one_at_a_time(bucket.org_id, [(bucket.name, key)]),
                    beside=[queries.hold_blob(staged.locator, staged.size, staged.sha256)],
                )  # fmt: skip
                self.check(written.bucket, key, staged.size, new.content_type)
                self._backend.keep(staged)
                left = note_stored(tx, caller, written, staged.locator, new)
                for result in tx.run(with_it) if with_it else ():
                    left += texts_in(result) if result.columns else []
        except BaseException:
            self._backend.discard(staged)
            raise
        self._remains.release(left)
        return msgspec.structs.replace(written.stored, locator=staged.locator), written.created

    def copy(
        self, caller: Caller, source: StoredObject, bucket: Bucket, key: str, new: NewObject, rule: Rule = ANY,
        *, move: bool = False,
    ) -> StoredObject:  # fmt: skip
        """Give another key the content of a source that the caller may read, without moving a byte; `move` takes it from there.

        Raises:
            SourceChanged: the source is not what was found any more. Nothing is changed; find it again.
        """
        caller.demand(bucket.name, "write")
        object_key(key)
        origin = self._buckets.find(caller, source.bucket) if move else bucket
        if move:
            caller.demand(origin.name, "delete", "write")
        with policies_speak(f"store {key!r}"), self._db.begin(caller.acting) as tx:
            places = [(bucket.name, key), (source.bucket, source.key)]
            tx.run(queries.one_at_a_time(bucket.org_id, places))
            held, current = tx.run(
                [queries.touch_blob(source.locator), queries.lock(bucket.org_id, source.bucket, source.key)]
            )
            # A copy may be of what was there a moment ago; a move would remove what it never copied.
            if not held.rows or (move and _version_in(current) != source.version_id):
                raise SourceChanged
            written = write_row(tx, caller, bucket, key, source.size, source.etag, new, rule)
            self.check(written.bucket, key, source.size, new.content_type)
            left = note_stored(tx, caller, written, source.locator, new)
            if move and places[0] != places[1]:
                removed, freed = remove(tx, caller, origin, [source.key])
                if not removed:
                    raise PolicyDenied(f"a policy refuses to remove {source.key!r}")
                left += freed
        self._remains.release(left)
        return msgspec.structs.replace(written.stored, locator=source.locator)

    def restore(self, caller: Caller, bucket: Bucket, version: Version, rule: Rule = ANY) -> StoredObject:
        """Give a key the content of a version that the caller may read once more, without moving a byte.

        An object that was deleted is the same one again, of the same owner.

        Raises:
            VersionNotFound: it was removed meanwhile.
            PolicyDenied, MimeTypeNotAllowed, ObjectTooLarge, Unsatisfied: as for any write.
        """
        caller.demand(bucket.name, "write")
        key, new = version.key, NewObject(version.content_type, version.cache_control, version.metadata)
        locator = version.locator or ""
        with policies_speak(f"store {key!r}"), self._db.begin(caller.acting) as tx:
            tx.run(queries.one_at_a_time(bucket.org_id, [(bucket.name, key)]))
            (there,) = tx.run([history_queries.version(bucket.org_id, bucket.name, key, version.version_id, hold=True)])
            # Only then the content: who just removed the version lets it go, unless somebody holds it.
            if not there.rows or not tx.run([queries.touch_blob(locator)])[0].rows:
                raise no_such_version(bucket.name, key, version.version_id)
            written = write_row(tx, caller, bucket, key, version.size, version.etag, new, rule, version)
            self.check(written.bucket, key, version.size, version.content_type)
            restored = {"restored": version.version_id}
            left = note_stored(tx, caller, written, locator, new, audit="object.restore", details=restored)
        self._remains.release(left)
        return msgspec.structs.replace(written.stored, locator=locator)

    # -- removing -----------------------------------------------------------------------------------------------------

    def delete(self, caller: Caller, bucket_ref: str, key: str, rule: Rule = ANY) -> Removed:
        """Remove an object. Its earlier versions stay.

        Raises:
            ObjectNotFound: there is none that the caller sees.
            PolicyDenied: it sees it, and a policy refuses.
        """
        bucket = self._buckets.find(caller, bucket_ref)
        object_key(key)
        for one in self.delete_many(caller, bucket, [key], rule):
            return one
        (seen,) = self._db.run(caller.acting, [queries.visible(bucket.org_id, bucket.name, key)], readonly=True)
        if seen.rows:
            raise PolicyDenied(f"a policy refuses to remove {key!r}")
        raise not_found(bucket.name, key)

    def delete_many(self, caller: Caller, bucket: Bucket, keys: Sequence[str], rule: Rule = ANY) -> list[Removed]:
        """Remove objects by their exact keys; return those that were there and could be.

        In steps of their own: each key is a lock, and Postgres has room for some thousands of them, whoever takes them.
        """
        caller.demand(bucket.name, "delete", "write")
        removed = list[Removed]()
        for at in range(0, len(keys), _AT_ONCE):
            removed += self._delete_at_once(caller, bucket, keys[at : at + _AT_ONCE], rule)
        return removed

    def _delete_at_once(self, caller: Caller, bucket: Bucket, keys: Sequence[str], rule: Rule) -> list[Removed]:
        with policies_speak("remove objects"), self._db.begin(caller.acting) as tx:
            tx.run(queries.one_at_a_time(bucket.org_id, [(bucket.name, key) for key in keys]))
            if rule != ANY:
                for key in keys:
                    place = (bucket.org_id, bucket.name, key)
                    locked, seen = tx.run([queries.lock(*place), queries.visible(*place)])
                    # What is hidden is as if it were not there: else the answer would tell of it.
                    rule.check(bucket.name, key, current_in(locked) if seen.rows else None)
            removed, left = remove(tx, caller, bucket, keys)
        self._remains.release(left)
        return removed


def _version_in(locked: RawResult) -> str | None:
    current = current_in(locked)
    return current.version_id if current else None


def too_long(bucket: Bucket, key: str, limit: int) -> ObjectTooLarge:
    """Return the error for a content that is longer than `limit`."""
    if is_folder_marker(key):
        return ObjectTooLarge(
            f"{key!r} names a folder, which holds no bytes", details={"bucket": bucket.name, "key": key}
        )
    return ObjectTooLarge(
        f"the bucket {bucket.name!r} accepts objects of up to {limit} bytes",
        details={"bucket": bucket.name, "limit": limit},
    )
