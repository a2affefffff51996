"""Taking the bytes of an upload, and making its object of them."""

from __future__ import annotations

import collections
import logging
from collections.abc import Mapping, Sequence

import msgspec

from reactor_kernel.api import Database, Statement
from reactor_storage import multipart_queries, queries, tus_queries
from reactor_storage.access import Caller
from reactor_storage.backends.contract import Backend, BackendFailed, BlobMissing, ContentTooLong, Staged
from reactor_storage.checksums import checked
from reactor_storage.errors import InvalidStorageRequest, ObjectTooLarge
from reactor_storage.grants import spent_once
from reactor_storage.model import Bucket, NewObject
from reactor_storage.remains import Remains
from reactor_storage.rows import texts_in
from reactor_storage.tus_admission import Admission
from reactor_storage.tus_body import SEGMENT, Incoming
from reactor_storage.tus_leases import Lease, Leases, expect, no_such_upload
from reactor_storage.tus_model import Facts, ResumableUpload, rule_of
from reactor_storage.writing import Writer


class Receiver:
    """Appends to uploads.

    What arrives is kept in parts, each committed with the offset that it leads to. The last part is acknowledged only with the
    object, in its transaction: a client that is told that all bytes are there finds the object there, and one whose last request
    failed sends that part again.
    """

    def __init__(
        self, db: Database, admission: Admission, writer: Writer, backend: Backend, remains: Remains, leases: Leases,
        log: logging.Logger, *, life: int, segment: int = SEGMENT,
    ) -> None:  # fmt: skip
        """Take the `life` of an upload after its last bytes in seconds, and the size of a part in bytes."""
        self._db = db
        self._admission = admission
        self._writer = writer
        self._backend = backend
        self._remains = remains
        self._leases = leases
        self._log = log
        self._life = life
        self._segment = segment

    def append(
        self, caller: Caller, upload: ResumableUpload, bucket: Bucket | None, offset: int, incoming: Incoming,
        *, length: int | None = None, digests: Mapping[str, bytes] | None = None, spending: Sequence[Statement] = (),
    ) -> ResumableUpload:  # fmt: skip
        """Append a body to an upload that is at `offset`; return it as it is then.

        `length` announces its whole length, where that was deferred. What came of a body that was cut is kept, unless it came with
        digests. With the last byte the object is made, and the statements `spending` run.

        Raises:
            OffsetMismatch, UploadLocked, UploadNotFound: nothing was taken.
            ChecksumMismatch: nothing was kept.
            ObjectTooLarge, PolicyDenied, ObjectExists: as for any write, with the last byte; the offset stays before that part.
        """
        self._total(upload, bucket, offset, incoming, length)
        if digests and not incoming.announced:
            collections.deque(checked((), digests), maxlen=0)
        if upload.facts.done:
            return upload
        with self._leases.taken(upload, offset) as lease:
            # Who wrote to it since it was looked at may have told its length, or made its object.
            total = self._total(lease.upload, bucket, offset, incoming, length)
            if lease.upload.facts.done:
                return lease.upload
            facts = msgspec.structs.replace(lease.upload.facts, length=total)
            facts, last = self._receive(lease, facts, incoming, digests)
            if incoming.cut is not None:
                raise incoming.cut
            if facts.offset + (last.size if last else 0) == total and not upload.partial:
                facts = self._finish(caller, lease, facts, last, spending)
            elif facts.length != lease.upload.facts.length and facts.offset == offset:
                self._run_held(lease, self._advance(lease, facts))
            return msgspec.structs.replace(lease.upload, facts=facts)

    def _total(
        self, upload: ResumableUpload, bucket: Bucket | None, offset: int, incoming: Incoming, length: int | None
    ) -> int | None:
        """Return the whole length of an upload that a body fits into; None where it is not announced. Raises as `append`."""
        expect(upload, offset)
        total = _announced(upload.facts, length)
        self._admission.demand_room(bucket, upload.key, total or offset + incoming.announced)
        if total is not None and offset + incoming.announced > total:
            raise ObjectTooLarge(
                f"{incoming.announced} more bytes do not fit into {total}, of which {offset} are there",
                details={"offset": offset, "length": total},
            )
        return total

    # -- bytes --------------------------------------------------------------------------------------------------------

    def _receive(
        self, lease: Lease, facts: Facts, incoming: Incoming, digests: Mapping[str, bytes] | None
    ) -> tuple[Facts, Staged | None]:
        """Keep a body in parts. That which completes an object is not kept but returned."""
        while not incoming.ended:
            chunks = (
                checked(incoming.whole(lease.tick), digests) if digests else incoming.segment(lease.tick, self._segment)
            )
            staged = self._backend.stage(chunks, limit=incoming.announced)
            if not staged.size:
                self._backend.discard(staged)
            elif facts.offset + staged.size == facts.length and not lease.upload.partial:
                return facts, staged
            else:
                facts = self._keep(lease, facts, staged)
        return facts, None

    def _keep(self, lease: Lease, facts: Facts, staged: Staged, *, acknowledged: bool = True) -> Facts:
        """Keep a part in place of one that was not acknowledged; return where the upload is then."""
        id, number = lease.upload.id, facts.parts + 1
        grown = msgspec.structs.replace(facts, offset=facts.offset + staged.size, parts=number)
        try:
            with self._db.begin() as tx:
                lease.hold(tx)
                _, was, *_ = tx.run(
                    [
                        queries.hold_blob(staged.locator, staged.size, staged.sha256),
                        multipart_queries.hold_part(id, number),
                        multipart_queries.upsert_part(id, number, staged.locator, f'"{staged.sha256}"', staged.size),
                        lease.kept_up(),
                        *([self._advance(lease, grown)] if acknowledged else []),
                    ]
                )
                self._backend.keep(staged)
        except BaseException:
            self._backend.discard(staged)
            raise
        self._remains.release(texts_in(was))
        return grown

    def _advance(self, lease: Lease, facts: Facts) -> Statement:
        return tus_queries.advance(lease.upload.id, facts.offset, facts.parts, facts.length, self._life)

    def _run_held(self, lease: Lease, statement: Statement) -> None:
        with self._db.begin() as tx:
            lease.hold(tx)
            tx.run([statement])

    # -- the object ---------------------------------------------------------------------------------------------------

    def _finish(
        self, caller: Caller, lease: Lease, facts: Facts, last: Staged | None, spending: Sequence[Statement]
    ) -> Facts:
        upload, length = lease.upload, facts.offset + (last.size if last else 0)
        try:
            # Asked once more: it may be long since the first time.
            bucket = self._admission.writable(caller, upload.bucket)
            self._admission.demand_room(bucket, upload.key, length)
        except BaseException:
            if last is not None:
                self._backend.discard(last)
            raise
        staged = self._whole(lease, facts, last, length)
        new = NewObject(upload.content_type, upload.cache_control, upload.metadata)
        completed = queries.audit(
            "multipart.complete", caller.identity, caller.request_id, bucket=upload.bucket, key=upload.key,
            org_id=upload.org_id, details={"upload_id": upload.id, "kind": "tus"},
        )  # fmt: skip
        ending = [multipart_queries.drop_parts(upload.id), tus_queries.finish(upload.id, length), completed, *spending]
        with spent_once():
            self._writer.adopt(
                caller, bucket, upload.key, staged, new, rule_of(facts), with_it=ending, guard=lease.hold
            )
        return msgspec.structs.replace(facts, offset=length, length=length, done=True)

    def _whole(self, lease: Lease, facts: Facts, last: Staged | None, length: int) -> Staged:
        """Stage what the parts are together, `length` bytes."""
        if not facts.parts:
            return last or self._backend.stage([], limit=0)
        count = facts.parts
        if last is not None:
            # It is composed from where it is kept. Not acknowledged, it is replaced should the object not come about.
            count = self._keep(lease, facts, last, acknowledged=False).parts
        (found,) = self._db.run(None, [tus_queries.locators([lease.upload.id])], readonly=True)
        with lease.beating(self._log):
            return composed(self._backend, texts_in(found, 1)[:count], length)


def composed(backend: Backend, locators: Sequence[str], length: int) -> Staged:
    """Stage contents of so many bytes in all, one after the other.

    Raises:
        UploadNotFound: one is gone, because its upload has ended.
        BackendFailed: they have not that many bytes, so one of them is not what was kept.
    """
    if not locators:
        staged = backend.stage([], limit=0)
    else:
        try:
            staged = backend.compose(locators, limit=length)
        except BlobMissing:
            raise no_such_upload() from None
        except ContentTooLong:
            raise BackendFailed(f"the parts of an upload have more than the {length} bytes that were kept") from None
    if staged.size != length:
        backend.discard(staged)
        raise BackendFailed(f"the parts of an upload have {staged.size} of the {length} bytes that were kept")
    return staged


def _announced(facts: Facts, length: int | None) -> int | None:
    """Return the whole length of an upload, where it is known now. Raises 400 for one that cannot be."""
    if length is None or length == facts.length:
        return facts.length
    if facts.length is not None:
        raise InvalidStorageRequest(f"Upload-Length is {facts.length} already and cannot become {length}")
    if length < facts.offset:
        raise InvalidStorageRequest(f"Upload-Length cannot be {length}: {facts.offset} bytes are there")
    return length
