"""What an upload may become, and who may make it so."""

from __future__ import annotations

from reactor_kernel.api import PermissionDenied
from reactor_storage.access import Caller
from reactor_storage.buckets import Buckets
from reactor_storage.errors import ObjectTooLarge
from reactor_storage.keys import is_folder_marker, object_key
from reactor_storage.model import Bucket
from reactor_storage.tus_model import Asked, ResumableUpload
from reactor_storage.writing import Writer


class Admission:
    """Asks for an upload what is asked for the object that it is to be."""

    def __init__(self, buckets: Buckets, writer: Writer, *, max_size: int) -> None:
        """Take the most bytes of an upload that names no bucket."""
        self._buckets = buckets
        self._writer = writer
        self._max_size = max_size

    def admit(self, caller: Caller, asked: Asked) -> Bucket | None:
        """Return the bucket that an upload is for, if it names one.

        Raises:
            PermissionDenied, PolicyDenied, ObjectExists, MimeTypeNotAllowed, ObjectTooLarge: it cannot become the object.
        """
        bucket = None
        if asked.bucket is None or asked.key is None:
            self._demand_some_writing(caller)
        else:
            bucket = self.writable(caller, asked.bucket)
            object_key(asked.key)
        self.demand_room(bucket, asked.key, asked.facts.length or 0)
        if bucket is not None and asked.key is not None:
            self._writer.admit(bucket, asked.new.content_type)
            self._writer.rehearse(caller, bucket, asked.key, asked.rule)
        return bucket

    def reaches(self, caller: Caller, upload: ResumableUpload) -> Bucket | None:
        """Return the bucket of a user's own upload; raise where the caller may not write to it (any more)."""
        if upload.bucket:
            return self.writable(caller, upload.bucket)
        self._demand_some_writing(caller)
        return None

    def writable(self, caller: Caller, bucket_ref: str) -> Bucket:
        """Return a bucket that the caller may write to."""
        bucket = self._buckets.find(caller, bucket_ref)
        caller.demand(bucket.name, "write")
        return bucket

    def limit(self, bucket: Bucket | None, key: str | None) -> int:
        """Return the most bytes of an upload."""
        if bucket is None:
            return self._max_size
        return 0 if key is not None and is_folder_marker(key) else self._writer.limit_of(bucket)

    def demand_room(self, bucket: Bucket | None, key: str | None, size: int) -> None:
        """Raise ObjectTooLarge where so many bytes are too many."""
        limit = self.limit(bucket, key)
        if size <= limit:
            return
        where = "this server" if bucket is None else f"the bucket {bucket.name!r}"
        what = "folders, which hold no bytes, under such a key" if not limit else f"objects of up to {limit} bytes"
        raise ObjectTooLarge(f"{where} accepts {what}", details={"limit": limit})

    def _demand_some_writing(self, caller: Caller) -> None:
        """Raise unless the caller may write to one bucket of its organisation: nobody else needs space."""
        for bucket in self._buckets.listed(caller):
            try:
                caller.demand(bucket.name, "write")
            except PermissionDenied:
                continue
            return
        raise PermissionDenied("this needs the permission to write to some bucket of the organisation")
