"""One content on its way from S3; a connection that breaks in the middle is taken up where it broke."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from reactor_storage.backends.contract import CHUNK, BackendFailed
from reactor_storage.backends.s3_client import BROKEN_STREAM, Speech, code_of

# How often one content may be taken up again.
_RESUMED = 3


class Pieces:
    """Reads an object."""

    def __init__(self, client: Any, bucket: str, key: str, speech: Speech) -> None:
        self._client = client
        self._place = {"Bucket": bucket, "Key": key}
        self._speech = speech

    def opened(self, start: int, length: int | None) -> Iterator[bytes]:
        """Return the bytes from `start`. Raises what boto3 raises where the object cannot be opened."""
        if length == 0:
            # No range is empty.
            self._client.head_object(**self._place)
            return iter(())
        answer = _of_range(self._client.get_object(**self._place, **_range(start, length)), start, length)
        return self._read(answer, start)

    def _read(self, answer: Any, position: int) -> Iterator[bytes]:
        """Yield the bytes. Raises BackendUnavailable where the connection breaks too often."""
        body, end, etag = answer["Body"], position + answer["ContentLength"], answer["ETag"]
        left = _RESUMED
        try:
            while position < end:
                with self._speech.about("read a content"):
                    try:
                        piece = body.read(min(CHUNK, end - position))
                    except BROKEN_STREAM:
                        if not left:
                            raise
                        left -= 1
                        body.close()
                        body = self._reopened(position, end, etag)
                        continue
                position += len(piece)
                yield piece
        finally:
            body.close()

    def _reopened(self, position: int, end: int, etag: str) -> Any:
        """Return the rest, if it is that of the same object. Raises BackendFailed where it is gone."""
        try:
            left = end - position
            answer = self._client.get_object(**self._place, IfMatch=etag, **_range(position, left))
        except ClientError as error:
            if code_of(error) in ("NoSuchKey", "PreconditionFailed"):
                raise BackendFailed("a content was removed while it was read") from error
            raise
        return _of_range(answer, position, left)["Body"]


def _of_range(answer: Any, start: int, length: int | None) -> Any:
    """Return an answer that has the bytes that were asked for: what stands between may know no ranges. Raises BackendFailed."""
    said = str(answer.get("ContentRange", ""))
    whole = not start and (length is None or answer["ContentLength"] <= length)
    if not whole and not said.startswith(f"bytes {start}-"):
        answer["Body"].close()
        raise BackendFailed("S3 answers with other bytes of a content than those that were asked for")
    return answer


def _range(start: int, length: int | None) -> dict[str, str]:
    if length is None:
        return {"Range": f"bytes={start}-"} if start else {}
    return {"Range": f"bytes={start}-{start + length - 1}"}
