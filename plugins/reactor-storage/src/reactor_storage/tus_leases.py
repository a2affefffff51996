"""Who writes to an upload: one request at a time, on whatever node. A lease lapses when its request stops receiving.

A lease is a name and a deadline in the upload's row. Whatever changes an upload does so in a transaction that holds the row under
that name, so a request whose connection hangs and that lost its lease to another can do no harm when it wakes up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from reactor_kernel.api import Database, ReactorError, Statement, Tx, uuid7
from reactor_storage import tus_queries
from reactor_storage.errors import OffsetMismatch, UploadLocked, UploadNotFound
from reactor_storage.tus_model import ResumableUpload

# Prolonged while bytes come, so the rest of what is waited for after a connection that died without a word.
_LEASE_SECS = 5.0
_RENEW_SECS = 1.5
# How long a request waits for one whose connection was just lost, before it is refused.
_PATIENCE_SECS = 3.0
_LOOK_SECS = 0.1
_UPLOAD = msgspec.json.Decoder(ResumableUpload)


class Lease:
    """The right to write to one upload. `upload` is as it was when the lease was taken."""

    def __init__(self, db: Database, upload: ResumableUpload, writer: str) -> None:
        self._db = db
        self.upload = upload
        self._writer = writer
        self._renewed = time.monotonic()

    def tick(self) -> None:
        """Prolong the lease, if it is time to. Raises UploadLocked where it is another's, UploadNotFound."""
        if time.monotonic() - self._renewed < _RENEW_SECS:
            return
        (renewed,) = self._db.run(None, [tus_queries.renew(self.upload.id, self._writer, _LEASE_SECS)])
        if not renewed.rows:
            raise _lost(self.upload)
        self._renewed = time.monotonic()

    def hold(self, tx: Tx) -> None:
        """Keep the upload from ending, and the lease from being lost, before a transaction does. Raises as `tick`."""
        (held,) = tx.run([tus_queries.hold(self.upload.id, self._writer)])
        if not held.rows:
            raise _lost(self.upload)

    def kept_up(self) -> Statement:
        """Return what prolongs the lease with other statements."""
        self._renewed = time.monotonic()
        return tus_queries.renew(self.upload.id, self._writer, _LEASE_SECS)

    @contextmanager
    def beating(self, log: logging.Logger) -> Iterator[None]:
        """Prolong the lease from a thread of its own, while something takes long that cannot be interrupted."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(_RENEW_SECS):
                try:
                    self._db.run(None, [tus_queries.renew(self.upload.id, self._writer, _LEASE_SECS)])
                except ReactorError as error:
                    # The transaction at the end finds out whether the lease was lost.
                    log.warning("the lease of the upload %s could not be prolonged: %s", self.upload.id, error)

        thread = threading.Thread(target=beat, name="reactor-tus-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def end(self) -> None:
        """Give the lease back, if it is still held."""
        self._db.run(None, [tus_queries.give_back(self.upload.id, self._writer)])


class Leases:
    """Finds uploads, and lets one request at a time write to each."""

    def __init__(self, db: Database, log: logging.Logger, *, life: int) -> None:
        """Take the `life` of an upload after it was last written to, in seconds."""
        self._db = db
        self._log = log
        self._life = life

    def look(self, id: str, org_id: str, user_id: str | None) -> ResumableUpload:
        """Return an open upload of a user. Raises UploadNotFound."""
        (found,) = self._db.run(None, [tus_queries.upload(id, org_id, user_id)], readonly=True)
        if not found.rows:
            raise no_such_upload()
        return _UPLOAD.decode(found.rows[0][0] or b"")

    def settled(self, upload: ResumableUpload, patience: float = 1.0) -> ResumableUpload:
        """Return an upload once nobody writes to it, or as it is when the patience (in seconds) is over."""
        ends = time.monotonic() + patience
        while upload.busy and time.monotonic() < ends:
            time.sleep(_LOOK_SECS)
            upload = self.look(upload.id, upload.org_id, upload.created_by)
        return upload

    @contextmanager
    def taken(self, upload: ResumableUpload, offset: int | None = None) -> Iterator[Lease]:
        """Hold the lease of an upload for the block; its last holder is waited for a moment.

        Raises:
            OffsetMismatch: the upload is not at `offset` (any more).
            UploadLocked: another request writes to it.
            UploadNotFound: it has ended.
        """
        writer, ends = str(uuid7()), time.monotonic() + _PATIENCE_SECS
        while True:
            (claimed,) = self._db.run(None, [tus_queries.claim(upload.id, writer, _LEASE_SECS, offset, self._life)])
            if claimed.rows:
                break
            now = self.look(upload.id, upload.org_id, upload.created_by)
            if offset is not None:
                expect(now, offset)
            if time.monotonic() > ends:
                raise UploadLocked("another request writes to this upload at the moment")
            time.sleep(_LOOK_SECS)
        lease = Lease(self._db, _UPLOAD.decode(claimed.rows[0][0] or b""), writer)
        try:
            yield lease
        finally:
            try:
                lease.end()
            except ReactorError as error:
                # It lapses by itself; the caller has an answer of its own to give.
                self._log.warning("the lease of the upload %s stays until it lapses: %s", upload.id, error)


def expect(upload: ResumableUpload, offset: int) -> None:
    """Raise OffsetMismatch unless an upload is at an offset."""
    if upload.facts.offset != offset:
        raise OffsetMismatch(
            f"the upload is at {upload.facts.offset}, not at {offset}", details={"offset": upload.facts.offset}
        )


def no_such_upload() -> UploadNotFound:
    """Return the error for an upload that is not there, ended, or another's."""
    return UploadNotFound("there is no such upload; it was terminated, has become part of another, or has expired")


def _lost(upload: ResumableUpload) -> UploadLocked:
    return UploadLocked(
        "another request writes to this upload now, or has ended it", details={"offset": upload.facts.offset}
    )
