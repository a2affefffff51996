"""Resumable uploads (TUS 1.0.0, decisions 32 and 40), across requests and nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from reactor_kernel.api import Database, Statement, Tx, uuid7
from reactor_storage import multipart_queries, queries, tus_queries
from reactor_storage.access import Caller
from reactor_storage.backends.contract import Backend
from reactor_storage.errors import InvalidConcatenation, UploadIsFinal
from reactor_storage.grants import spent_once
from reactor_storage.model import Bucket
from reactor_storage.remains import Remains
from reactor_storage.rows import texts_in
from reactor_storage.tus_admission import Admission
from reactor_storage.tus_body import Incoming, nothing
from reactor_storage.tus_leases import Leases, no_such_upload
from reactor_storage.tus_model import Asked, ResumableUpload
from reactor_storage.tus_receiving import Receiver, composed
from reactor_storage.writing import Writer


class ResumableUploads:
    """Begins, feeds and terminates uploads. Each is its user's own; who may write to the bucket may make its object."""

    def __init__(
        self, db: Database, admission: Admission, receiver: Receiver, writer: Writer, backend: Backend, remains: Remains,
        leases: Leases, *, life: int,
    ) -> None:  # fmt: skip
        """Take the `life` of an upload after its last bytes, in seconds."""
        self._db = db
        self._admission = admission
        self._receiver = receiver
        self._writer = writer
        self._backend = backend
        self._remains = remains
        self._leases = leases
        self._life = life

    def create(
        self, caller: Caller, asked: Asked, incoming: Incoming | None = None, digests: Mapping[str, bytes] | None = None,
        spending: Sequence[Statement] = (),
    ) -> ResumableUpload:  # fmt: skip
        """Begin an upload, with its first bytes where they came along; an empty one is complete at once.

        Raises:
            PermissionDenied, PolicyDenied, ObjectExists, MimeTypeNotAllowed, ObjectTooLarge: it cannot become the object.
            ChecksumMismatch: of the bytes. Nothing is left of the upload then, nor where the connection dropped.
        """
        bucket = self._admission.admit(caller, asked)
        id = str(uuid7())
        self._db.run(None, self._begun(caller, bucket, asked, id))
        upload = self._leases.look(id, caller.org_id, caller.identity.user_id)
        if incoming is None and not upload.complete:
            return upload
        try:
            return self._receiver.append(
                caller, upload, bucket, 0, incoming or nothing(), digests=digests, spending=spending
            )
        except BaseException:
            # Nobody was told where it is.
            self._end(upload)
            raise

    def find(self, caller: Caller, id: str) -> ResumableUpload:
        """Return an open upload of the caller, as it is once nobody writes to it (or a second later).

        Raises:
            UploadNotFound: there is none, or it is another's.
        """
        upload = self._leases.settled(self._look(caller, id))
        self._admission.reaches(caller, upload)
        return upload

    def append(
        self, caller: Caller, id: str, offset: int, incoming: Incoming,
        *, length: int | None = None, digests: Mapping[str, bytes] | None = None, spending: Sequence[Statement] = (),
    ) -> ResumableUpload:  # fmt: skip
        """Append a body to an upload; see `Receiver.append`. Raises UploadIsFinal for one that was made of others."""
        upload = self._look(caller, id)
        bucket = self._admission.reaches(caller, upload)
        if upload.final:
            raise UploadIsFinal("this upload was made of others, so nothing can be appended to it")
        return self._receiver.append(
            caller, upload, bucket, offset, incoming, length=length, digests=digests, spending=spending
        )

    def concatenate(
        self, caller: Caller, asked: Asked, ids: Sequence[str], spending: Sequence[Statement] = ()
    ) -> ResumableUpload:
        """Make an object of partial uploads, in the order of their ids; they end with it.

        Raises:
            UploadNotFound: one of them is not there, or was begun with a signed URL for another object.
            InvalidConcatenation: one of them is not partial, or not complete.
            PolicyDenied, ObjectExists, ObjectTooLarge, …: as for any write. The partial uploads stay.
        """
        found = {id: self._look(caller, id) for id in dict.fromkeys(ids)}
        for one in found.values():
            if caller.vouched and (one.bucket, one.key) != (asked.bucket, asked.key):
                # Of one signer, and yet another's: a signed URL is for one object.
                raise no_such_upload()
            if not one.partial or not one.complete:
                problem = "has not all of its bytes yet" if one.partial else "is not partial"
                raise InvalidConcatenation(f"the upload {one.id} {problem}", details={"upload_id": one.id})
        size = sum(found[id].facts.offset for id in ids)
        facts = msgspec.structs.replace(asked.facts, length=size, offset=size, done=True)
        asked = msgspec.structs.replace(asked, facts=facts)
        bucket = self._admission.admit(caller, asked)
        if bucket is None or asked.key is None:
            raise InvalidConcatenation("a final upload names bucket and key of its object")
        id = str(uuid7())
        statements = self._begun(caller, bucket, asked, id)
        for one in found.values():
            statements += multipart_queries.end_upload(one.id)

        def guard(tx: Tx) -> None:
            (held,) = tx.run([tus_queries.hold_all(list(found))])
            if len(held.rows) != len(found):
                raise no_such_upload()

        staged = composed(self._backend, self._locators(ids), size)
        with spent_once():
            self._writer.adopt(
                caller, bucket, asked.key, staged, asked.new, asked.rule, with_it=[*statements, *spending], guard=guard
            )
        return self._leases.look(id, caller.org_id, caller.identity.user_id)

    def terminate(self, caller: Caller, id: str) -> None:
        """End an upload and drop its bytes. An object that was made of it stays.

        Raises:
            UploadNotFound, UploadLocked.
        """
        upload = self._look(caller, id)
        self._admission.reaches(caller, upload)
        with self._leases.taken(upload) as lease:
            with self._db.begin() as tx:
                lease.hold(tx)
                statements = multipart_queries.end_upload(id)
                if not lease.upload.facts.done:
                    statements.append(self._audit("multipart.abort", caller, upload.bucket, upload.key, id))
                dropped, *_ = tx.run(statements)
        self._remains.release(texts_in(dropped))

    def place(self, id: str) -> tuple[str, str]:
        """Return bucket and key of an upload that was begun with a signed URL. Raises UploadNotFound."""
        (found,) = self._db.run(None, [tus_queries.place(id)], readonly=True)
        if not found.rows:
            raise no_such_upload()
        return texts_in(found)[0], texts_in(found, 1)[0]

    def _look(self, caller: Caller, id: str) -> ResumableUpload:
        """Return an open upload of the caller, who goes on with it the way it was begun: with a credential or a signed URL."""
        upload = self._leases.look(id, caller.org_id, caller.identity.user_id)
        if upload.facts.signed is not caller.vouched:
            raise no_such_upload()
        return upload

    def _locators(self, ids: Sequence[str]) -> list[str]:
        (found,) = self._db.run(None, [tus_queries.locators(ids)], readonly=True)
        of_upload: dict[str, list[str]] = {id: [] for id in ids}
        for id, locator in zip(texts_in(found), texts_in(found, 1), strict=True):
            of_upload[id].append(locator)
        return [locator for id in ids for locator in of_upload[id]]

    def _begun(self, caller: Caller, bucket: Bucket | None, asked: Asked, id: str) -> list[Statement]:
        """Return what writes the row of an upload that was admitted."""
        org_id, name, key = caller.org_id, "" if bucket is None else bucket.name, asked.key or ""
        return [
            tus_queries.insert(id, org_id, name, key, asked.new, caller.identity.user_id, asked.facts, self._life),
            self._audit("multipart.create", caller, name, key, id),
        ]

    def _end(self, upload: ResumableUpload) -> None:
        dropped, *_ = self._db.run(None, multipart_queries.end_upload(upload.id))
        self._remains.release(texts_in(dropped))

    @staticmethod
    def _audit(event: str, caller: Caller, bucket: str, key: str, id: str) -> Statement:
        return queries.audit(
            event, caller.identity, caller.request_id, bucket=bucket or None, key=key or None, org_id=caller.org_id,
            details={"upload_id": id, "kind": "tus"},
        )  # fmt: skip
