"""One content on its way to S3: a single request where it is short, parts where it is long."""

from __future__ import annotations

import base64
import hashlib
from tempfile import SpooledTemporaryFile
from typing import Any

from botocore.exceptions import ClientError

from reactor_storage.backends.contract import BackendUnavailable
from reactor_storage.backends.s3_client import Speech, code_of

# What one upload holds in memory; a longer part waits in a temporary file.
PART = 8 * 1024 * 1024
# How far the last piece may go beyond it.
_BEYOND = 1024 * 1024
# S3 takes 10,000 parts: after each thousand they double, which is enough for 8 TiB.
_DOUBLED_AFTER = 1000


class ObjectUpload:
    """Takes bytes and sends them whenever there are enough for a part. Not thread-safe; retries need each part whole."""

    def __init__(self, client: Any, bucket: str, key: str, speech: Speech) -> None:
        self._client = client
        self._place = {"Bucket": bucket, "Key": key}
        self._speech = speech
        self._id: str | None = None
        self._sent: list[dict[str, Any]] = []
        # Whether a request whose answer never came may have made the object.
        self._unsure = False
        self._part = _Part()

    def write(self, chunk: bytes) -> None:
        """Take a piece. Raises BackendFailed."""
        self._part.write(chunk)
        if self._part.size >= PART << len(self._sent) // _DOUBLED_AFTER:
            self._send()

    def finish(self) -> None:
        """Send what is left and make the object. Raises BackendFailed."""
        if self._id is not None and self._part.size:
            self._send()
        try:
            if self._id is None:
                with self._speech.about("write a content"):
                    self._client.put_object(**self._place, **self._part.body())
            else:
                with self._speech.about("put the parts of a content together"):
                    self._complete()
        except BackendUnavailable:
            self._unsure = True
            raise
        self._part.close()

    def drop(self) -> None:
        """Leave nothing behind of what is not finished. Raises BackendFailed where something may be left."""
        self._part.close()
        if self._id is not None:
            with self._speech.about("abort an upload"):
                self._client.abort_multipart_upload(**self._place, UploadId=self._id)
        if self._unsure:
            with self._speech.about("remove a content"):
                self._client.delete_object(**self._place)

    def _complete(self) -> None:
        parts = {"Parts": self._sent}
        try:
            self._client.complete_multipart_upload(**self._place, UploadId=self._id, MultipartUpload=parts)
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":
                raise
            # An attempt whose answer was lost has ended the upload; then the object is there.
            self._client.head_object(**self._place)

    def _send(self) -> None:
        with self._speech.about("write a part of a content"):
            if self._id is None:
                begun = self._client.create_multipart_upload(**self._place)
                self._id = begun["UploadId"]
            number = len(self._sent) + 1
            answer = self._client.upload_part(**self._place, UploadId=self._id, PartNumber=number, **self._part.body())
        self._sent.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._part.close()
        self._part = _Part()


class _Part:
    """Bytes that can be sent again, with their MD5, by which S3 notices a broken transfer."""

    def __init__(self) -> None:
        self.size = 0
        self._file = SpooledTemporaryFile(max_size=PART + _BEYOND)  # noqa: SIM115 - `close` ends it
        self._md5 = hashlib.md5(usedforsecurity=False)

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._file.write(chunk)
        self._md5.update(chunk)

    def body(self) -> dict[str, Any]:
        """Return the parameters that send it."""
        self._file.seek(0)
        md5 = base64.b64encode(self._md5.digest()).decode()
        return {"Body": self._file, "ContentLength": self.size, "ContentMD5": md5}

    def close(self) -> None:
        self._file.close()
