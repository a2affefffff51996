"""The steps of a change to objects, within a transaction that holds their keys (`queries.one_at_a_time`).

Rows are written as the caller, under row-level security; versions, audit and events beside them as the platform.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from reactor_kernel.api import DatabaseFault, Statement, Tx, uuid7
from reactor_storage import events, history_queries, queries
from reactor_storage.access import Caller
from reactor_storage.errors import no_such_bucket
from reactor_storage.model import Bucket, NewObject, StoredObject, Version
from reactor_storage.rows import buckets_in, current_in, objects_in, one_bucket, texts_in, versions_in
from reactor_storage.rules import Rule


class Written(msgspec.Struct, frozen=True):
    """A row that was written, whether it is new, and its bucket at that moment: an upload may take hours."""

    stored: StoredObject
    created: bool
    bucket: Bucket


class Removed(msgspec.Struct, frozen=True):
    """An object that was deleted, and the id of the version that notes it; None where the key has no earlier versions."""

    found: StoredObject
    marker_id: str | None


def later_than(version_id: str | None) -> str:
    """Return a new id of a version above another, also if the clock of who made that one was ahead."""
    made = uuid7()
    if version_id is not None and made <= (before := UUID(version_id)):
        made = uuid7((before.int >> 80) + 1)
    return str(made)


def write_row(
    tx: Tx, caller: Caller, bucket: Bucket, key: str, size: int, etag: str, new: NewObject, rule: Rule,
    again: Version | None = None, *, first: Sequence[Statement] = (), beside: Sequence[Statement] = (),
) -> Written:  # fmt: skip
    """Write the row as the caller.

    Where there is none it gets the id and the owner of the object of which `again` is a version. The statements `first` run before
    anything else does, those `beside` with the writing, each in the same round trip.

    Raises:
        BucketNotFound: it was removed meanwhile, or is another one of that name.
    """
    place = (bucket.org_id, bucket.name, key)
    looking = [queries.bucket_now(bucket.id), queries.lock(*place), history_queries.newest(*place)]
    # As the caller; only where it matters.
    seeing = [queries.visible(*place)] if rule.compares else []
    found, locked, newest, *seen = tx.run([*first, *looking, *seeing])[len(first) :]
    now = one_bucket(buckets_in(found), bucket.name)
    current = current_in(locked)
    rule.check(bucket.name, key, current, hidden=bool(seen) and not seen[0].rows)
    owner_id = (again.owner_id if again else None) or caller.identity.user_id
    object_id = again.incarnation if again else str(uuid7())
    version_id = later_than(next(iter(texts_in(newest)), None))
    try:
        written, *_ = tx.run([queries.upsert(*place, owner_id, version_id, size, etag, new, object_id), *beside])
    except DatabaseFault as fault:
        if fault.sqlstate != "23503":
            raise
        raise no_such_bucket(bucket.name) from fault
    return Written(objects_in(written)[0], current is None, now)


def note_stored(
    tx: Tx, caller: Caller, written: Written, locator: str, new: NewObject,
    *, audit: str = "object.put", details: Mapping[str, Any] | None = None,
) -> list[str]:  # fmt: skip
    """Note the version, the end of the one before, the audit and the event; return the locators that this leaves."""
    user_id, bucket, stored, created = caller.identity.user_id, written.bucket, written.stored, written.created
    told = {"size": stored.size, "etag": stored.etag, "created": created, **(details or {})}
    ended, *_ = tx.run(
        [
            history_queries.end(bucket.org_id, bucket.name, [stored.key], versioning=bucket.versioning),
            history_queries.insert(stored, locator, new, user_id, versioned=bucket.versioning),
            _audit(audit, caller, bucket, stored.key, told),
        ]
    )
    announce_stored(tx, stored, created=created)
    return texts_in(ended)


def remove(
    tx: Tx, caller: Caller, bucket: Bucket, keys: Sequence[str], *, only: Sequence[str] | None = None,
    details: Mapping[str, Any] | None = None,
) -> tuple[list[Removed], list[str]]:  # fmt: skip
    """Remove rows as the caller; return what went, and the locators that this leaves.

    Where `only` is given, no object goes that has another current version than those.

    Raises:
        BucketNotFound: it was removed meanwhile, or is another one of that name.
    """
    now, gone = tx.run([queries.bucket_now(bucket.id), queries.delete(bucket.org_id, bucket.name, keys, only)])
    bucket = one_bucket(buckets_in(now), bucket.name)
    found = objects_in(gone)
    if not found:
        return [], []
    markers = [(later_than(one.version_id), one) for one in found]
    ended, noted, *_ = tx.run(
        [
            history_queries.end(bucket.org_id, bucket.name, [one.key for one in found], versioning=bucket.versioning),
            history_queries.note_deletions(bucket.org_id, bucket.name, markers, caller.identity.user_id),
            *(_audit("object.delete", caller, bucket, one.key, details) for one in found),
        ]
    )
    announce_removed(tx, bucket, [(one.key, one.version_id) for one in found])
    kept = set(texts_in(noted))
    return [Removed(one, id if id in kept else None) for id, one in markers], texts_in(ended)


def drop_version(tx: Tx, caller: Caller, bucket: Bucket, version: Version) -> list[str]:
    """Remove one version for good; return its locator. Of the latest one, what was before it takes the place."""
    place = (bucket.org_id, bucket.name, version.key)
    told = {"version_id": version.version_id, "delete_marker": version.delete_marker}
    forgotten, _ = tx.run(
        [queries.forget([version.version_id]), _audit("version.delete", caller, bucket, version.key, told)]
    )
    if version.is_latest:
        (result,) = tx.run([history_queries.promote(*place)])
        before = versions_in(result)
        if before and not before[0].delete_marker:
            tx.run([history_queries.place(before[0].version_id)])
            announce_stored(tx, before[0].as_object(), created=version.delete_marker)
        elif not version.delete_marker:
            tx.run([history_queries.remove_row(*place)])
            announce_removed(tx, bucket, [(version.key, version.version_id)])
    return texts_in(forgotten)


def announce_stored(tx: Tx, stored: StoredObject, *, created: bool) -> None:
    """Tell that a key has a new content, once this commits."""
    tx.publish(
        events.STORED,
        events.ObjectStored(
            org_id=stored.org_id, bucket=stored.bucket, key=stored.key, version_id=stored.version_id, size=stored.size,
            etag=stored.etag, content_type=stored.content_type, created=created,
        ),
    )  # fmt: skip


def announce_removed(tx: Tx, bucket: Bucket, gone: Iterable[tuple[str, str]]) -> None:
    """Tell of each key that it has no object any more, and which version that had, once this commits."""
    told = (
        events.ObjectRemoved(org_id=bucket.org_id, bucket=bucket.name, key=key, version_id=version_id)
        for key, version_id in gone
    )
    tx.publish(events.REMOVED, *told)


def _audit(event: str, caller: Caller, bucket: Bucket, key: str, details: Mapping[str, Any] | None) -> Statement:
    return queries.audit(
        event, caller.identity, caller.request_id, bucket=bucket.name, key=key, org_id=bucket.org_id, details=details
    )
