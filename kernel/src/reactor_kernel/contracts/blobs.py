"""Contents that capabilities keep for themselves, such as bundles and assets, where no organisation reaches them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """What is known of a kept content. `size` in bytes; `etag` is its quoted SHA-256."""

    key: str
    size: int
    etag: str
    content_type: str | None
    updated_at: datetime


class BlobStore(Protocol):
    """Keeps contents in buckets of the platform, named `_reactor_NAME`; a bucket is made when something is first put in it.

    Keys are segments between single slashes, 1 to 1024 bytes. What is put is there whole or not at all.
    """

    def put(self, bucket: str, key: str, chunks: Iterable[bytes], *, content_type: str | None = None) -> BlobFacts:
        """Keep a content under a key, in place of what is there.

        Raises:
            BadRequest: `invalid_bucket_name`, `invalid_key`.
            PayloadTooLarge: the store does not keep contents of that size.
        """
        ...

    def open(
        self, bucket: str, key: str, start: int = 0, length: int | None = None
    ) -> tuple[BlobFacts, Iterator[bytes]]:
        """Return a content, or `length` bytes of it from `start`. Raises NotFound."""
        ...

    def delete(self, bucket: str, keys: Sequence[str]) -> int:
        """Remove contents in one transaction; return how many were there."""
        ...

    def listed(
        self, bucket: str, prefix: str = "", *, cursor: str | None = None, limit: int = 1000
    ) -> tuple[Sequence[BlobFacts], str | None]:
        """Return contents whose keys begin with `prefix`, in the order of the keys' bytes, and what continues the list."""
        ...
