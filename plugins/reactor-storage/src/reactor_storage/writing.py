"""Storing, copying and removing objects (contract storage.md §4.3 and §4.6).

A row says what there is, a version where its bytes are. A new content is staged first; then one transaction writes the row as the
caller, under row-level security, keeps the content and notes the version. So a reader finds the old content or the new one, whole,
and a crash leaves at most bytes that no row refers to, which `Remains` sweeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from reactor_kernel.api import Database, RawResult, Statement, Tx, uuid7
from reactor_storage import events, queries
from reactor_storage.access import Caller
from reactor_storage.backends.contract import Backend, ContentTooLong, Staged
from reactor_storage.buckets import Buckets
from reactor_storage.errors import MimeTypeNotAllowed, ObjectTooLarge, PolicyDenied, SourceChanged
from reactor_storage.keys import is_folder_marker, object_key
from reactor_storage.model import Bucket, NewObject, StoredObject
from reactor_storage.reading import not_found
from reactor_storage.remains import Remains
from reactor_storage.rows import current_in, objects_in, policies_speak, texts_in
from reactor_storage.rules import ANY, Rule


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
        limit = self.limit_of(bucket)
        try:
            return bucket, self._backend.stage(chunks, limit=0 if is_folder_marker(key) else limit)
        except ContentTooLong:
            raise _too_long(bucket, key, limit) from None

    def discard(self, staged: Staged) -> None:
        """Drop a content that was staged and not adopted."""
        self._backend.discard(staged)

    def rehearse(self, caller: Caller, bucket: Bucket, key: str) -> None:
        """Raise PolicyDenied unless policies let the caller store something under a key; nothing is changed."""
        with policies_speak(f"store {key!r}"), suppress(_Rehearsed), self._db.begin(caller.acting) as tx:
            tx.run(queries.one_at_a_time(bucket.org_id, [(bucket.name, key)]))
            _write(tx, caller, bucket, key, 0, "", NewObject(), ANY)
            raise _Rehearsed

    def limit_of(self, bucket: Bucket) -> int:
        """Return the most bytes an object of a bucket may have."""
        return min(bucket.file_size_limit or self._max_object_size, self._max_object_size)

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
        *, with_it: Sequence[Statement] = (),
    ) -> tuple[StoredObject, bool]:  # fmt: skip
        """Make a staged content an object's, in one transaction with the statements `with_it`; it is dropped where that fails.

        What the statements return in their first columns are locators that they no longer refer to.
        """
        try:
            with policies_speak(f"store {key!r}"), self._db.begin(caller.acting) as tx:
                tx.run(queries.one_at_a_time(bucket.org_id, [(bucket.name, key)]))
                stored, was = _write(tx, caller, bucket, key, staged.size, f'"{staged.sha256}"', new, rule)
                tx.run([queries.hold_blob(staged.locator, staged.size, staged.sha256)])
                self._backend.keep(staged)
                left = _note(tx, caller, bucket, stored, staged.locator, new, was)
                for result in tx.run(with_it) if with_it else ():
                    left += texts_in(result) if result.columns else []
        except BaseException:
            self._backend.discard(staged)
            raise
        self._remains.release(left)
        return msgspec.structs.replace(stored, locator=staged.locator), was is None

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
        self.admit(bucket, new.content_type)
        if source.size > self.limit_of(bucket):
            raise _too_long(bucket, key, self.limit_of(bucket))
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
            stored, was = _write(tx, caller, bucket, key, source.size, source.etag, new, rule)
            left = _note(tx, caller, bucket, stored, source.locator, new, was)
            if move and places[0] != places[1]:
                removed, freed = _remove(tx, caller, origin, [source.key])
                if not removed:
                    raise PolicyDenied(f"a policy refuses to remove {source.key!r}")
                left += freed
        self._remains.release(left)
        return msgspec.structs.replace(stored, locator=source.locator)

    # -- removing -----------------------------------------------------------------------------------------------------

    def delete(self, caller: Caller, bucket_ref: str, key: str, rule: Rule = ANY) -> None:
        """Remove an object.

        Raises:
            ObjectNotFound: there is none that the caller sees.
            PolicyDenied: it sees it, and a policy refuses.
        """
        bucket = self._buckets.find(caller, bucket_ref)
        object_key(key)
        if self.delete_many(caller, bucket, [key], rule):
            return
        (seen,) = self._db.run(caller.acting, [queries.visible(bucket.org_id, bucket.name, key)], readonly=True)
        if seen.rows:
            raise PolicyDenied(f"a policy refuses to remove {key!r}")
        raise not_found(bucket.name, key)

    def delete_many(self, caller: Caller, bucket: Bucket, keys: Sequence[str], rule: Rule = ANY) -> list[StoredObject]:
        """Remove objects by their exact keys in one transaction; return those that were there and could be."""
        caller.demand(bucket.name, "delete", "write")
        with policies_speak("remove objects"), self._db.begin(caller.acting) as tx:
            tx.run(queries.one_at_a_time(bucket.org_id, [(bucket.name, key) for key in keys]))
            if rule != ANY:
                for key in keys:
                    (locked,) = tx.run([queries.lock(bucket.org_id, bucket.name, key)])
                    rule.check(bucket.name, key, current_in(locked))
            removed, left = _remove(tx, caller, bucket, keys)
        self._remains.release(left)
        return removed


def _write(
    tx: Tx, caller: Caller, bucket: Bucket, key: str, size: int, etag: str, new: NewObject, rule: Rule
) -> tuple[StoredObject, str | None]:
    """Write the row as the caller; return it and the id of the version it had."""
    (locked,) = tx.run([queries.lock(bucket.org_id, bucket.name, key)])
    current = current_in(locked)
    rule.check(bucket.name, key, current)
    row = queries.upsert(bucket.org_id, bucket.name, key, caller.identity.user_id, str(uuid7()), size, etag, new)
    (written,) = tx.run([row])
    return objects_in(written)[0], current.version_id if current else None


def _version_in(locked: RawResult) -> str | None:
    current = current_in(locked)
    return current.version_id if current else None


def _note(
    tx: Tx, caller: Caller, bucket: Bucket, stored: StoredObject, locator: str, new: NewObject, was: str | None
) -> list[str]:
    """Note the version, the end of the one before, the audit and the event; return the locators that this leaves."""
    version = queries.insert_version(
        stored.version_id,
        bucket.org_id,
        bucket.name,
        stored.key,
        locator,
        stored.size,
        stored.etag,
        new,
        caller.identity.user_id,
    )
    audit = queries.audit(
        "object.put", caller.identity, caller.request_id, bucket=bucket.name, key=stored.key, org_id=bucket.org_id,
        details={"size": stored.size, "etag": stored.etag, "created": was is None},
    )  # fmt: skip
    tx.run([version, audit])
    tx.publish(
        events.STORED,
        events.ObjectStored(
            org_id=bucket.org_id, bucket=bucket.name, key=stored.key, version_id=stored.version_id, size=stored.size,
            etag=stored.etag, content_type=new.content_type, created=was is None,
        ),
    )  # fmt: skip
    return [] if was is None else _end_versions(tx, bucket, [was])


def _end_versions(tx: Tx, bucket: Bucket, version_ids: Sequence[str]) -> list[str]:
    """Keep versions as earlier ones where the bucket does, else drop them; return the locators that this leaves."""
    if bucket.versioning:
        tx.run([queries.supersede(version_ids)])
        return []
    (forgotten,) = tx.run([queries.forget(version_ids)])
    return texts_in(forgotten)


def _remove(tx: Tx, caller: Caller, bucket: Bucket, keys: Sequence[str]) -> tuple[list[StoredObject], list[str]]:
    """Remove rows as the caller; return the objects that went, and the locators that this leaves."""
    (gone,) = tx.run([queries.delete(bucket.org_id, bucket.name, keys)])
    if not gone.rows:
        return [], []
    removed = objects_in(gone, 1)
    left = _end_versions(tx, bucket, texts_in(gone))
    statements: list[Statement] = []
    for one in removed:
        if bucket.versioning:
            statements.append(
                queries.insert_version(
                    str(uuid7()), bucket.org_id, bucket.name, one.key, None, 0, "", NewObject(), caller.identity.user_id
                )
            )
        statements.append(
            queries.audit(
                "object.delete",
                caller.identity,
                caller.request_id,
                bucket=bucket.name,
                key=one.key,
                org_id=bucket.org_id,
            )
        )
        event = events.ObjectRemoved(org_id=bucket.org_id, bucket=bucket.name, key=one.key, version_id=one.version_id)
        tx.publish(events.REMOVED, event)
    tx.run(statements)
    return removed, left


def _too_long(bucket: Bucket, key: str, limit: int) -> ObjectTooLarge:
    if is_folder_marker(key):
        return ObjectTooLarge(
            f"{key!r} names a folder, which holds no bytes", details={"bucket": bucket.name, "key": key}
        )
    return ObjectTooLarge(
        f"the bucket {bucket.name!r} accepts objects of up to {limit} bytes",
        details={"bucket": bucket.name, "limit": limit},
    )
