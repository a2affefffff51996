"""Contents in a bucket of S3, each in an object of its own that is written once.

```
{prefix}blobs/<uuid>    what is staged and what is kept
```

A name says when its upload began and nothing else: a digest for a name would need a second object for what is being received and a
copy of it inside the transaction that keeps it. What a process leaves behind is either an upload in parts, which `sweep_staged`
aborts, or an object that no row refers to, which `kept` names.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from botocore.exceptions import ClientError

from reactor_kernel.api import uuid7
from reactor_storage.backends.contract import BackendFailed, BlobMissing, ContentTooLong, Staged
from reactor_storage.backends.s3_client import Speech, code_of, connect
from reactor_storage.backends.s3_reading import Pieces
from reactor_storage.backends.s3_upload import ObjectUpload

_LOCATOR = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class S3Backend:
    """The backend `s3`: one bucket of Amazon's or of another server, under a prefix that no other deployment uses."""

    name = "s3"

    def __init__(
        self,
        *,
        bucket: str,
        region: str | None,
        endpoint: str | None,
        prefix: str,
        timeout: int,
        log: logging.Logger,
    ) -> None:
        """Connect lazily. `prefix` ends with a slash or is empty; `timeout` in seconds without an answer."""
        self._client: Any = connect(region=region, endpoint=endpoint, timeout=timeout)
        self._bucket = bucket
        self._folder = f"{prefix}blobs/"
        self._speech = Speech(bucket, endpoint)
        self._log = log
        self._lock = threading.Lock()
        self._staged: set[str] = set()

    def stage(self, chunks: Iterable[bytes], *, limit: int) -> Staged:
        """Write a content into an object of its own; a long one in parts."""
        locator, digest, size = str(uuid7()), hashlib.sha256(), 0
        upload = ObjectUpload(self._client, self._bucket, self._key(locator), self._speech)
        try:
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise ContentTooLong
                digest.update(chunk)
                upload.write(chunk)
            upload.finish()
        except BaseException:
            self._drop(upload)
            raise
        with self._lock:
            self._staged.add(locator)
        return Staged(locator, size, digest.hexdigest(), locator)

    def compose(self, locators: Sequence[str], *, limit: int) -> Staged:
        """Copy contents behind each other, through this process, because the digest of the whole is needed."""
        return self.stage((chunk for locator in locators for chunk in self.read(locator)), limit=limit)

    def keep(self, staged: Staged) -> None:
        """See that the object is there, whole; from now on `discard` leaves it."""
        with self._speech.about("look for a content"):
            found = self._head(staged.locator)
        if found is None:
            raise BackendFailed("what was staged is gone")
        if found["ContentLength"] != staged.size:
            raise BackendFailed(f"{found['ContentLength']} of {staged.size} bytes of a content were stored")
        with self._lock:
            self._staged.discard(staged.place)

    def discard(self, staged: Staged) -> None:
        """Delete the object, unless it was kept or another process staged it: a sweep finds it then."""
        with self._lock:
            if staged.place not in self._staged:
                return
            self._staged.remove(staged.place)
        try:
            self.remove(staged.locator)
        except BackendFailed as error:
            # The caller has an answer of its own to give.
            self._log.warning("the content %s stays until it is swept: %s", staged.locator, error)

    def read(self, locator: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Open the object; what is removed while it is read is read to its end, unless the connection breaks."""
        if not _LOCATOR.match(locator):
            raise BlobMissing(locator)
        pieces = Pieces(self._client, self._bucket, self._key(locator), self._speech)
        with self._speech.about("read a content"):
            try:
                return pieces.opened(start, length)
            except ClientError as error:
                if code_of(error) in ("NoSuchKey", "404"):
                    raise BlobMissing(locator) from error
                if code_of(error) in ("InvalidRange", "416"):
                    return iter(())
                raise

    def remove(self, locator: str) -> None:
        """Delete the object."""
        if not _LOCATOR.match(locator):
            return
        with self._speech.about("remove a content"):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(locator))

    def kept(self, *, before: datetime) -> Iterator[str]:
        """List the objects that were written before an instant, staged ones among them."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._folder)
        for page in self._pages(pages, "list contents"):
            for found in page.get("Contents", ()):
                locator = found["Key"].removeprefix(self._folder)
                if _LOCATOR.match(locator) and found["LastModified"] < before:
                    yield locator

    def sweep_staged(self, *, before: datetime) -> int:
        """Abort uploads in parts that began before an instant: their process is gone."""
        swept = 0
        for key, upload_id in self._abandoned(before):
            with self._speech.about("abort an upload"):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            swept += 1
        return swept

    def count_staged(self, *, before: datetime) -> int:
        """Count them."""
        return sum(1 for _ in self._abandoned(before))

    def _abandoned(self, before: datetime) -> Iterator[tuple[str, str]]:
        """Yield key and upload id of uploads in parts that began before an instant."""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=self._folder)
        for page in self._pages(pages, "list uploads"):
            for found in page.get("Uploads", ()):
                locator = found["Key"].removeprefix(self._folder)
                if _LOCATOR.match(locator) and _begun(locator) < before:
                    yield found["Key"], found["UploadId"]

    def check(self) -> None:
        """Write, read and remove an object."""
        content = uuid7().bytes
        staged = self.stage([content], limit=len(content))
        try:
            found = b"".join(self.read(staged.locator))
        except BlobMissing:
            raise BackendFailed("what was written is not there") from None
        finally:
            with self._lock:
                self._staged.discard(staged.place)
            self.remove(staged.locator)
        if found != content:
            raise BackendFailed("what is read is not what was written")

    def _key(self, locator: str) -> str:
        return self._folder + locator

    def _head(self, locator: str) -> Any:
        try:
            return self._client.head_object(Bucket=self._bucket, Key=self._key(locator))
        except ClientError as error:
            if code_of(error) in ("NoSuchKey", "404"):
                return None
            raise

    def _pages(self, pages: Iterable[Any], doing: str) -> Iterator[Any]:
        """Yield pages; only asking for one speaks of S3, not what is done with it."""
        waiting = iter(pages)
        while True:
            with self._speech.about(doing):
                page = next(waiting, None)
            if page is None:
                return
            yield page

    def _drop(self, upload: ObjectUpload) -> None:
        try:
            upload.drop()
        except BackendFailed as error:
            # The sweep tries again; the caller has an error of its own to raise.
            self._log.warning("an upload to S3 stays until it is swept: %s", error)


def _begun(locator: str) -> datetime:
    """Return when a UUIDv7 was made (RFC 9562 §5.7)."""
    return datetime.fromtimestamp((UUID(locator).int >> 80) / 1000, UTC)
