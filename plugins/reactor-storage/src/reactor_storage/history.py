"""Earlier versions of objects: listing, reading, restoring and removing them (decision 39).

Who sees an object sees its versions. An object that was deleted, or that another one of the same key followed, has no row that
policies could be asked about; it is put back for the moment of the question, in a transaction that is rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec

from reactor_kernel.api import Database, Tx
from reactor_storage import history_queries, queries
from reactor_storage.access import Caller
from reactor_storage.buckets import Buckets
from reactor_storage.changes import drop_version
from reactor_storage.errors import InvalidStorageRequest, ObjectNotFound, PolicyDenied
from reactor_storage.keys import object_key
from reactor_storage.model import Bucket, StoredObject, Version
from reactor_storage.reading import MAX_LISTED, Reader, lowest_key, no_such_version, not_found
from reactor_storage.remains import Remains
from reactor_storage.rows import policies_speak, texts_in, versions_in
from reactor_storage.rules import ANY, Current, Rule
from reactor_storage.writing import Writer

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
# Keys that are held at once while policies are asked.
_ASKED = 100
_FOLDER_STEP = 100
_QUESTION = "question"


class VersionPage(msgspec.Struct, frozen=True):
    """Part of the versions of a bucket. The markers continue it: behind a version of a key, or behind a key or common prefix."""

    bucket: Bucket
    versions: tuple[Version, ...]
    prefixes: tuple[str, ...] = ()
    key_marker: str | None = None
    id_marker: str | None = None


class _Asked(Exception):
    """Rolls a question back."""


class History:
    """Finds the versions of objects, and changes which there are."""

    def __init__(self, db: Database, buckets: Buckets, reader: Reader, writer: Writer, remains: Remains) -> None:
        self._db = db
        self._buckets = buckets
        self._reader = reader
        self._writer = writer
        self._remains = remains

    # -- looking ------------------------------------------------------------------------------------------------------

    def listed(
        self, caller: Caller, bucket_ref: str, key: str, *, cursor: str | None = None, limit: int = 100
    ) -> tuple[list[Version], str | None]:
        """Return a page of an object's versions, newest first, and what continues it; None at the end.

        Raises:
            ObjectNotFound: there is none that the caller may see.
        """
        if not 1 <= limit <= MAX_LISTED:
            raise InvalidStorageRequest(f"limit must be from 1 to {MAX_LISTED}, not {limit}")
        if cursor is not None and not is_version_id(cursor):
            raise InvalidStorageRequest("the cursor is none that a page gave")
        bucket = self._buckets.find(caller, bucket_ref)
        caller.demand(bucket.name, "read")
        object_key(key)
        found, below = list[Version](), cursor
        while True:
            statement = history_queries.of_key(bucket.org_id, bucket.name, key, below, limit + 1)
            page = versions_in(self._db.run(None, [statement], readonly=True)[0])
            visible = self._visible(caller, bucket, page)
            for one in page:
                if one.incarnation not in visible:
                    continue
                if len(found) == limit:
                    return found, found[-1].version_id
                found.append(one)
            if len(page) <= limit:
                break
            below = page[-1].version_id
        if not found and cursor is None:
            raise not_found(bucket.name, key)
        return found, None

    def of_bucket(
        self, caller: Caller, bucket_ref: str, *, prefix: str = "", delimiter: str = "", key_marker: str | None = None,
        id_marker: str | None = None, limit: int = MAX_LISTED,
    ) -> VersionPage:  # fmt: skip
        """Return a page of the versions of a bucket that the caller sees, by key, each key's newest first."""
        bucket = self._buckets.find(caller, bucket_ref)
        caller.demand(bucket.name, "read")
        lowest, below = lowest_key(prefix, delimiter, key_marker), None
        if id_marker is not None and key_marker is not None and key_marker >= prefix:
            lowest, below = key_marker, id_marker
        versions, prefixes = list[Version](), list[str]()
        last: tuple[str, str | None] = ("", None)
        step = _FOLDER_STEP if delimiter else limit + 1
        while lowest is not None:
            statement = history_queries.of_bucket(bucket.org_id, bucket.name, prefix, lowest, below, step)
            page = versions_in(self._db.run(None, [statement], readonly=True)[0])
            visible = self._visible(caller, bucket, page)
            common = None
            for one in page:
                if one.incarnation not in visible:
                    continue
                if len(versions) + len(prefixes) == limit:
                    return VersionPage(bucket, tuple(versions), tuple(prefixes), *last)
                if (common := _common(one.key, prefix, delimiter)) is not None:
                    prefixes.append(common)
                    last = (common, None)
                    break
                versions.append(one)
                last = (one.key, one.version_id)
            if common is not None:
                # All that is in the folder is said by its name.
                lowest, below = queries.after_all(common), None
            elif len(page) < step:
                break
            else:
                lowest, below = page[-1].key, page[-1].version_id
        return VersionPage(bucket, tuple(versions), tuple(prefixes))

    def find(self, caller: Caller, bucket_ref: str, key: str, version_id: str) -> StoredObject:
        """Return a version's content as an object. Raises VersionNotFound."""
        return self.content_of(caller, self._buckets.find(caller, bucket_ref), object_key(key), version_id)

    def content_of(self, caller: Caller, bucket: Bucket, key: str, version_id: str) -> StoredObject:
        """Return the same of a bucket that was found."""
        return self._readable(caller, bucket, key, version_id).as_object()

    def _readable(self, caller: Caller, bucket: Bucket, key: str, version_id: str) -> Version:
        """Return a version with a content that the caller may read.

        Objects of a public bucket are read by anyone, but what they were before is not meant by that.
        """
        caller.demand_reading(bucket)
        missing = no_such_version(bucket.name, key, version_id)
        if caller.vouched or not is_version_id(version_id):
            raise missing
        statement = history_queries.version(bucket.org_id, bucket.name, key, version_id)
        found = versions_in(self._db.run(None, [statement], readonly=True)[0])
        if found and found[0].is_latest:
            with suppress(ObjectNotFound):
                current = self._reader.content_of(caller, bucket, key)
                if current.version_id == version_id:
                    return found[0]
        caller.demand(bucket.name, "read")
        if not found or found[0].delete_marker or found[0].incarnation not in self._visible(caller, bucket, found):
            raise missing
        return found[0]

    # -- changing -----------------------------------------------------------------------------------------------------

    def restore(self, caller: Caller, bucket_ref: str, key: str, version_id: str, rule: Rule = ANY) -> StoredObject:
        """Make a new current version with the content of one that the caller may read; also of an object that was deleted.

        Raises:
            VersionNotFound: there is none with a content.
            PolicyDenied, Unsatisfied: as for any write.
        """
        bucket = self._buckets.find(caller, bucket_ref)
        caller.demand(bucket.name, "write")
        version = self._readable(caller, bucket, object_key(key), version_id)
        return self._writer.restore(caller, bucket, version, rule)

    def drop(self, caller: Caller, bucket_ref: str, key: str, version_id: str, rule: Rule = ANY) -> Version:
        """Remove one version for good and return it. After the latest one the one before it is current.

        Raises:
            VersionNotFound: there is none that the caller sees.
            PolicyDenied: a policy does not let it delete the object.
        """
        bucket = self._buckets.find(caller, bucket_ref)
        caller.demand(bucket.name, "delete")
        missing = no_such_version(bucket.name, object_key(key), version_id)
        if caller.vouched or not is_version_id(version_id):
            raise missing
        with policies_speak(f"remove a version of {key!r}"), self._db.begin(caller.acting) as tx:
            tx.run(queries.one_at_a_time(bucket.org_id, [(bucket.name, key)]))
            (held,) = tx.run([history_queries.version(bucket.org_id, bucket.name, key, version_id, hold=True)])
            if not (found := versions_in(held)):
                raise missing
            version = found[0]
            sees, deletes = _may_delete(tx, bucket, version)
            if not sees:
                raise missing
            if not deletes:
                raise PolicyDenied(f"a policy refuses to remove a version of {key!r}")
            rule.check(bucket.name, key, Current(version_id, version.etag, version.created_at))
            left = drop_version(tx, caller, bucket, version)
        self._remains.release(left)
        return version

    # -- who sees what ------------------------------------------------------------------------------------------------

    def _visible(self, caller: Caller, bucket: Bucket, versions: Sequence[Version]) -> set[str]:
        """Return the incarnations, among those of the versions, of objects that the caller sees or would see."""
        wanted = {(one.key, one.incarnation) for one in versions}
        if not wanted:
            return set()
        keys = sorted({key for key, _ in wanted})
        statements = [queries.unpoliced("r"), history_queries.seen(bucket.org_id, bucket.name, keys)]
        free, seen = self._db.run(caller.identity, statements, readonly=True)
        if free.rows[0][0] == b"t":
            # The permission to read decides, and it was asked.
            return {incarnation for _, incarnation in wanted}
        visible = set(texts_in(seen))
        gone: dict[str, list[str]] = {}
        for key, incarnation in sorted(wanted):
            if incarnation not in visible:
                gone.setdefault(key, []).append(incarnation)
        left = list(gone)
        for at in range(0, len(left), _ASKED):
            visible |= self._would_see(caller, bucket, {key: gone[key] for key in left[at : at + _ASKED]})
        return visible

    def _would_see(self, caller: Caller, bucket: Bucket, gone: Mapping[str, Sequence[str]]) -> set[str]:
        """Return the incarnations that the caller would see if they were there again; nothing is changed."""
        visible: set[str] = set()
        with suppress(_Asked), self._db.begin(caller.identity) as tx:
            tx.run(queries.one_at_a_time(bucket.org_id, [(bucket.name, key) for key in gone]))
            for incarnations in _rounds(gone):
                *_, seen = tx.run(
                    [
                        *history_queries.put_back(bucket.org_id, bucket.name, incarnations),
                        history_queries.seen(bucket.org_id, bucket.name, list(incarnations)),
                    ]
                )
                visible.update(texts_in(seen))
            raise _Asked
        return visible


def _may_delete(tx: Tx, bucket: Bucket, version: Version) -> tuple[bool, bool]:
    """Tell whether the caller sees, and may delete, the object of a version, as if it were there; nothing is changed."""
    place = (bucket.org_id, bucket.name)
    (locked,) = tx.run([history_queries.row_id(*place, version.key)])
    there = texts_in(locked) == [version.incarnation]
    put_back = () if there else history_queries.put_back(*place, {version.key: version.incarnation})
    _, *_, seen, deleted, _ = tx.run(
        [
            history_queries.savepoint(_QUESTION),
            *put_back,
            history_queries.seen(*place, [version.key]),
            history_queries.delete_seen(*place, version.key),
            history_queries.roll_back_to(_QUESTION),
        ]
    )
    return bool(seen.rows), bool(deleted.rows)


def is_version_id(text: str) -> bool:
    """Tell whether a text can be the id of a version."""
    return _UUID.match(text) is not None


def _rounds(gone: Mapping[str, Sequence[str]]) -> Iterable[dict[str, str]]:
    """Yield one incarnation of each key at a time, because a key has one row."""
    for turn in range(max(map(len, gone.values()))):
        yield {key: found[turn] for key, found in gone.items() if turn < len(found)}


def _common(key: str, prefix: str, delimiter: str) -> str | None:
    """Return what a key has in common with others up to the first delimiter behind the prefix."""
    end = key.find(delimiter, len(prefix)) if delimiter else -1
    return None if end < 0 else key[: end + len(delimiter)]
