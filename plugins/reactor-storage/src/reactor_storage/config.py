"""The section `[storage]` (contract storage.md §2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

MIB = 1024 * 1024
_ENDPOINT = re.compile(r"https?://[^/@?#\s]+(/[^@?#\s]*)?\Z")
_PREFIX = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*/?\Z")


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Where bytes are kept, how URLs are signed, and how large things may be."""

    signing_secret: str = field(repr=False, metadata={"doc": "HMAC key of signed URLs"})
    signing_secret_previous: str | None = field(
        default=None, repr=False, metadata={"doc": "the key before the last change; URLs signed with it still work"}
    )
    backend: str = field(
        default="fs", metadata={"doc": "where bytes are kept: fs, s3, or a backend that a plugin brings"}
    )
    fs_base_path: str = field(
        default=".reactor/storage", metadata={"doc": "directory of the backend fs, relative to the project root"}
    )
    s3_bucket: str | None = field(default=None, metadata={"doc": "the bucket of the backend s3"})
    s3_region: str | None = field(default=None, metadata={"doc": "its region; unset = as the AWS environment says"})
    s3_endpoint: str | None = field(default=None, metadata={"doc": "URL of another S3 than Amazon's; path style then"})
    s3_prefix: str | None = field(
        default=None, metadata={"doc": "folder of that bucket that is this project's alone; unset = the project's id"}
    )
    s3_timeout_secs: int = field(
        default=20, metadata={"doc": "how long one request of the backend s3 waits for an answer", "min": 1}
    )
    s3_api_region: str | None = field(
        default=None, metadata={"doc": "the region that clients of the S3 endpoint must name; unset = any"}
    )
    s3_api_host: str | None = field(
        default=None, metadata={"doc": "host below which {bucket}.{host} names a bucket of the S3 endpoint"}
    )
    signed_url_expiry_secs: int = field(
        default=3600, metadata={"doc": "life of a signed URL that names none", "min": 1, "max": 604800}
    )
    max_upload_size: int = field(
        default=100 * MIB, metadata={"doc": "bytes of one request body: an object, or one part of it", "min": 1}
    )
    max_object_size: int = field(default=5 * 1024 * 1024 * MIB, metadata={"doc": "bytes of one object", "min": 1})
    upload_expiry_secs: int = field(
        default=86400, metadata={"doc": "life of an upload in parts or by TUS that is not finished", "min": 60}
    )
    sweep_every_secs: int = field(
        default=3600, metadata={"doc": "how often what nothing refers to is removed", "min": 1}
    )
    image_max_bytes: int = field(default=25 * MIB, metadata={"doc": "bytes of a picture that is rendered", "min": 1})
    image_max_pixels: int = field(
        default=50_000_000, metadata={"doc": "pixels of a picture that is rendered", "min": 1, "max": 500_000_000}
    )
    image_timeout_secs: int = field(default=10, metadata={"doc": "time that one rendering may take", "min": 1})
    image_workers: int = field(default=2, metadata={"doc": "rendering processes of each server process", "min": 1})
    image_requests: int = field(
        default=6,
        metadata={"doc": "requests that render or wait for it at a time; fewer than [server] threads", "min": 1},
    )
    image_cache_bytes: int = field(default=1024 * MIB, metadata={"doc": "bytes of renderings that are kept", "min": 0})
    image_cache_days: int = field(
        default=30, metadata={"doc": "how long one is kept that nobody asks for", "min": 1, "max": 36500}
    )

    metrics: bool = field(default=False, metadata={"doc": "serve /storage/v1/metrics, to anyone"})
    bucket_files_org: str | None = field(
        default=None, metadata={"doc": "organisation, by id or slug, in which storage/*.toml are applied at each start"}
    )

    def problems(self) -> Iterable[tuple[str, str]]:
        """Report values that are of the right type and still cannot work."""
        for key, secret in (
            ("signing_secret", self.signing_secret),
            ("signing_secret_previous", self.signing_secret_previous),
        ):
            if secret is not None and len(secret.encode()) < 16:
                yield key, "must be at least 16 bytes"
        if self.backend == "s3" and not self.s3_bucket:
            yield "s3_bucket", 'must be set with backend = "s3": the name of a bucket that exists'
        if self.s3_endpoint is not None and not _ENDPOINT.match(self.s3_endpoint):
            yield (
                "s3_endpoint",
                "must be http:// or https:// and a host, without a password: credentials come from the environment",
            )
        if self.s3_prefix is not None and not _PREFIX.match(self.s3_prefix):
            yield "s3_prefix", "must be folders of letters, digits and . _ - between single slashes, e.g. reactor/prod"
        if self.backend == "fs" and not self.fs_base_path.strip():
            yield "fs_base_path", 'must be set with backend = "fs"'
