"""Uploads in parts, across requests and nodes (contract storage.md §4.7). Parts are contents of their own until the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from reactor_kernel.api import Database, Statement, Tx, uuid7
from reactor_storage import multipart_queries, queries
from reactor_storage.access import Caller
from reactor_storage.backends.contract import Backend, BackendFailed, BlobMissing, ContentTooLong, Staged
from reactor_storage.buckets import Buckets
from reactor_storage.errors import InvalidPart, MultipartNotFound, ObjectTooLarge, PartsOutOfOrder, PartTooSmall
from reactor_storage.keys import looked_for, object_key
from reactor_storage.model import Bucket, NewObject, OpenUpload, StoredObject
from reactor_storage.remains import Remains
from reactor_storage.rows import texts_in
from reactor_storage.rules import Rule
from reactor_storage.writing import Writer, too_long

Kind = Literal["multipart", "s3"]
MAX_PART = 10000
_BATCH = 1000
# Of a part that is not the last.
LEAST_SIZE = 5 * 1024 * 1024


class Upload(OpenUpload, frozen=True):
    """An upload that is not complete."""

    created_at: datetime


class Part(msgspec.Struct, frozen=True):
    """A part. `etag` is its quoted SHA-256, `size` in bytes."""

    number: int
    locator: str
    etag: str
    size: int
    uploaded_at: datetime


_UPLOAD = msgspec.json.Decoder(Upload)
_PART = msgspec.json.Decoder(Part)


class MultipartUploads:
    """Begins, feeds, completes and aborts uploads. Who may write to the bucket may; where policies decide, only who began it."""

    def __init__(
        self, db: Database, buckets: Buckets, writer: Writer, backend: Backend, remains: Remains,
        *, kind: Kind, life: int, part_limit: int,
    ) -> None:  # fmt: skip
        """Take uploads of one kind: those of another protocol are not found. `life` in seconds, `part_limit` in bytes."""
        self._kind = kind
        self._db = db
        self._buckets = buckets
        self._writer = writer
        self._backend = backend
        self._remains = remains
        self._life = life
        self._part_limit = part_limit

    def create(self, caller: Caller, bucket_ref: str, key: str, new: NewObject) -> tuple[Bucket, str]:
        """Begin an upload; return its bucket and id.

        Raises:
            MimeTypeNotAllowed, PolicyDenied: as for the object that it would become.
        """
        bucket = self._writable(caller, bucket_ref)
        object_key(key)
        self._writer.admit(bucket, new.content_type)
        self._writer.rehearse(caller, bucket, key)
        id, identity = str(uuid7()), caller.identity
        self._db.run(
            None,
            [
                multipart_queries.insert_upload(self._kind, id, bucket.org_id, bucket.name, key, new, identity.user_id, self._life),
                queries.audit(
                    "multipart.create", identity, caller.request_id, bucket=bucket.name, key=key, org_id=bucket.org_id,
                    details={"upload_id": id, "kind": self._kind},
                ),
            ],
        )  # fmt: skip
        return bucket, id

    def find(self, caller: Caller, bucket_ref: str, key: str, id: str) -> Upload:
        """Return an open upload of an object. Raises MultipartNotFound."""
        bucket = self._writable(caller, bucket_ref)
        (result,) = self._db.run(
            None, [multipart_queries.upload(self._kind, id, bucket.org_id, bucket.name, key)], readonly=True
        )
        if not result.rows:
            raise no_such_upload()
        found = _UPLOAD.decode(result.rows[0][0] or b"")
        mine = found.created_by is not None and found.created_by == caller.identity.user_id
        if not mine and caller.policed:
            (free,) = self._db.run(None, [queries.unpoliced("r", "a", "w")], readonly=True)
            if free.rows[0][0] == b"f":
                raise no_such_upload()
        return found

    def put_part(
        self, upload: Upload, number: int, chunks: Iterable[bytes], check: Callable[[Staged], None] | None = None,
        *, limit: int | None = None,
    ) -> Part:  # fmt: skip
        """Take a part in place of one of the same number; `check` may refuse what was received.

        Raises:
            ObjectTooLarge: it is longer than `limit`, which is that of a request body where none is given.
            MultipartNotFound: the upload ended meanwhile.
        """
        limit = self._part_limit if limit is None else limit
        try:
            staged = self._backend.stage(chunks, limit=limit)
        except ContentTooLong:
            raise ObjectTooLarge(f"a part may have up to {limit} bytes") from None
        try:
            if check is not None:
                check(staged)
            with self._db.begin() as tx:
                self._hold(tx, upload)
                tx.run([queries.hold_blob(staged.locator, staged.size, staged.sha256)])
                part, left = self._note(tx, upload, number, staged.locator, f'"{staged.sha256}"', staged.size)
                self._backend.keep(staged)
        except BaseException:
            self._backend.discard(staged)
            raise
        self._remains.release(left)
        return part

    def copy_part(self, upload: Upload, number: int, source: StoredObject) -> Part:
        """Take the whole content of an object as a part, without moving a byte. Raises BlobMissing."""
        with self._db.begin() as tx:
            self._hold(tx, upload)
            (there,) = tx.run([queries.touch_blob(source.locator)])
            if not there.rows:
                raise BlobMissing(source.locator)
            part, left = self._note(tx, upload, number, source.locator, source.etag, source.size)
        self._remains.release(left)
        return part

    def _hold(self, tx: Tx, upload: Upload, *, alone: bool = False) -> None:
        """Keep an upload from ending before the transaction does; `alone` keeps it from being fed, too, which comes before ending it.

        Raises MultipartNotFound where it has ended.
        """
        place = (self._kind, upload.id, upload.org_id, upload.bucket, upload.key)
        (held,) = tx.run([multipart_queries.upload(*place, hold="update" if alone else "share")])
        if not held.rows:
            raise no_such_upload()

    @staticmethod
    def _note(tx: Tx, upload: Upload, number: int, locator: str, etag: str, size: int) -> tuple[Part, list[str]]:
        """Note a part; return it, and the locator of the one that it replaces."""
        # Two of the same number wait for each other, also where no row is there yet: else neither would release the other's content.
        *_, was, noted = tx.run(
            [
                *queries.one_at_a_time("part", [(upload.id, str(number))]),
                multipart_queries.hold_part(upload.id, number),
                multipart_queries.upsert_part(upload.id, number, locator, etag, size),
            ]
        )
        return _PART.decode(noted.rows[0][0] or b""), texts_in(was)

    def parts(self, upload: Upload, after: int = 0, most: int = MAX_PART) -> list[Part]:
        """Return its parts behind a number, in their order."""
        (result,) = self._db.run(None, [multipart_queries.parts(upload.id, after, most)], readonly=True)
        return [_PART.decode(row[0] or b"") for row in result.rows]

    def complete(
        self, caller: Caller, upload: Upload, wanted: Sequence[tuple[int, str]], rule: Rule
    ) -> tuple[Bucket, StoredObject]:
        """Make the object of the parts that are named by number and ETag, in ascending order; the others are dropped.

        Raises:
            InvalidPart, PartsOutOfOrder, PartTooSmall: the upload stays open.
            MultipartNotFound: it ended meanwhile.
            ObjectTooLarge, PolicyDenied, ObjectExists, Unsatisfied: as for any write. The upload stays open.
        """
        bucket = self._writable(caller, upload.bucket)
        chosen = _chosen(wanted, {part.number: part for part in self.parts(upload)})
        limit = self._writer.limit_of(bucket, upload.key)
        if sum(part.size for part in chosen) > limit:
            raise too_long(bucket, upload.key, limit)
        try:
            staged = self._backend.compose([part.locator for part in chosen], limit=limit)
        except ContentTooLong:
            raise too_long(bucket, upload.key, limit) from None
        except BlobMissing:
            raise no_such_upload() from None
        if staged.size != (kept := sum(part.size for part in chosen)):
            self._backend.discard(staged)
            raise BackendFailed(f"the parts of an upload have {staged.size} of the {kept} bytes that were kept")
        new = NewObject(upload.content_type, upload.cache_control, upload.metadata)
        stored, _ = self._writer.adopt(
            caller, bucket, upload.key, staged, new, rule,
            with_it=[*multipart_queries.end_upload(upload.id), self._audit("multipart.complete", caller, upload)],
            guard=lambda tx: self._hold(tx, upload, alone=True),
        )  # fmt: skip
        return bucket, stored

    def abort(self, caller: Caller, upload: Upload) -> None:
        """End an upload and drop its parts. Raises MultipartNotFound where it ended meanwhile."""
        statements = [*multipart_queries.end_upload(upload.id), self._audit("multipart.abort", caller, upload)]
        with self._db.begin() as tx:
            self._hold(tx, upload, alone=True)
            dropped, *_ = tx.run(statements)
        self._remains.release(texts_in(dropped))

    def listed(
        self, caller: Caller, bucket_ref: str, prefix: str, key_marker: str, id_marker: str | None, most: int
    ) -> list[Upload]:
        """Return open uploads of a bucket, by key; where policies decide, those that the caller began."""
        looked_for(prefix=prefix, key_marker=key_marker, id_marker=id_marker)
        bucket = self._writable(caller, bucket_ref)
        statement = multipart_queries.uploads(
            self._kind, bucket.org_id, bucket.name, prefix, key_marker, id_marker, most,
            user_id=caller.identity.user_id, policed=caller.policed,
        )  # fmt: skip
        (result,) = self._db.run(None, [statement], readonly=True)
        return [_UPLOAD.decode(row[0] or b"") for row in result.rows]

    def sweep(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """Forget uploads of every kind whose time is over; return how many had not become an object."""
        given_up, ended = 0, True
        while ended and not stopped():
            (found,) = self._db.run(None, [multipart_queries.expired(_BATCH)], readonly=True)
            ended = False
            for id, done in zip(texts_in(found), texts_in(found, 1), strict=True):
                if self._expire(id):
                    ended = True
                    given_up += done == "f"
        return given_up

    def _expire(self, id: str) -> bool:
        """Forget an upload that was over a moment ago; return whether it still was, and nobody held it."""
        with self._db.begin() as tx:
            (held,) = tx.run([multipart_queries.hold_expired(id)])
            if not held.rows:
                return False
            dropped, *_ = tx.run(multipart_queries.end_upload(id))
        self._remains.release(texts_in(dropped))
        return True

    def _audit(self, event: str, caller: Caller, upload: Upload) -> Statement:
        return queries.audit(
            event, caller.identity, caller.request_id, bucket=upload.bucket, key=upload.key, org_id=upload.org_id,
            details={"upload_id": upload.id, "kind": self._kind},
        )  # fmt: skip

    def _writable(self, caller: Caller, bucket_ref: str) -> Bucket:
        bucket = self._buckets.find(caller, bucket_ref)
        caller.demand(bucket.name, "write")
        return bucket


def no_such_upload() -> MultipartNotFound:
    """Return the error for an upload that is not there, ended, or of another object."""
    return MultipartNotFound("there is no such upload of this object; it was completed, aborted or has expired")


def _chosen(wanted: Sequence[tuple[int, str]], there: dict[int, Part]) -> list[Part]:
    numbers = [number for number, _ in wanted]
    if numbers != sorted(set(numbers)):
        raise PartsOutOfOrder("the parts must be named in ascending order, each once")
    chosen = []
    for number, etag in wanted:
        part = there.get(number)
        if part is None or part.etag.strip('"') != etag.strip().strip('"'):
            raise InvalidPart(f"there is no part {number} with the ETag {etag[:80]}")
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < LEAST_SIZE:
            raise PartTooSmall(f"part {part.number} has {part.size} bytes; all but the last need {LEAST_SIZE}")
    return chosen
