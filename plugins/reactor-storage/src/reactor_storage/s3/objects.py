"""Operations on one object: put, get, head, copy."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from reactor_storage.backends.contract import Staged
from reactor_storage.buckets import Buckets
from reactor_storage.errors import Unsatisfied
from reactor_storage.history import History
from reactor_storage.http.answers import answer_object
from reactor_storage.http.conditions import unmodified, writing_rule
from reactor_storage.keys import object_key
from reactor_storage.model import Bucket, StoredObject
from reactor_storage.reading import Reader
from reactor_storage.s3 import xml
from reactor_storage.s3.buckets import say
from reactor_storage.s3.checks import PREFIX
from reactor_storage.s3.faults import S3Error
from reactor_storage.s3.headers import OVERRIDES, conditions, described, say_object
from reactor_storage.s3.request import Payload, S3Request
from reactor_storage.s3.versions import NULL, version_id_of
from reactor_storage.writing import Writer

if TYPE_CHECKING:
    import falcon


class ObjectOperations:
    """Puts, reads and copies objects."""

    def __init__(self, buckets: Buckets, reader: Reader, writer: Writer, history: History) -> None:
        self._buckets = buckets
        self._reader = reader
        self._writer = writer
        self._history = history

    def put(self, asked: S3Request, resp: falcon.Response) -> None:
        """PutObject."""
        new = described(asked)
        bucket, staged = self._writer.stage(
            asked.caller, asked.bucket_name, asked.key_name, asked.payload.stream(), new.content_type
        )
        check_signed(asked.payload, staged, self._writer)
        rule = writing_rule(conditions(asked.headers))
        stored, _ = self._writer.adopt(asked.caller, bucket, asked.key_name, staged, new, rule)
        resp.set_header("ETag", stored.etag)
        if bucket.versioning:
            resp.set_header("x-amz-version-id", stored.version_id)
        say_sums(resp, asked.payload)

    def read(self, asked: S3Request, resp: falcon.Response, req: falcon.Request) -> None:
        """GetObject and HeadObject."""
        if asked.query.get("partNumber", "1") != "1":
            raise S3Error("InvalidPart", "an object is kept as one part; leave partNumber out")
        if asked.caller.anonymous and not OVERRIDES.keys().isdisjoint(asked.query):
            # As S3: else anybody could make links that show a public object as something else.
            raise S3Error("InvalidRequest", "headers of the answer can be chosen by signed requests only")
        bucket = self._buckets.find(asked.caller, asked.bucket_name)
        looked: list[StoredObject] = []

        def find() -> StoredObject:
            looked.append(self._version(asked, bucket, asked.key_name, asked.query.get("versionId")))
            return looked[-1]

        answer_object(req, resp, self._reader, asked.caller, find)
        found = looked[-1]
        say_object(resp, found, asked.query)
        if bucket.versioning or "versionId" in asked.query:
            resp.set_header("x-amz-version-id", found.version_id)
        if resp.status_code == 200 and (asked.headers("x-amz-checksum-mode") or "").upper() == "ENABLED":
            resp.set_header(f"{PREFIX}sha256", sha256_in_base64(found))
            resp.set_header(f"{PREFIX}type", "FULL_OBJECT")

    def copy(self, asked: S3Request, resp: falcon.Response) -> None:
        """CopyObject."""
        source = self.source(asked)
        directive = (asked.headers("x-amz-metadata-directive") or "COPY").upper()
        if directive not in ("COPY", "REPLACE"):
            raise S3Error("InvalidArgument", "x-amz-metadata-directive must be COPY or REPLACE")
        new = described(asked)
        bucket = self._buckets.find(asked.caller, asked.bucket_name)
        if directive == "COPY":
            # One that names a version makes it current again.
            named = "?versionId=" in (asked.headers("x-amz-copy-source") or "")
            if (source.bucket, source.key) == (bucket.name, asked.key_name) and not named:
                raise S3Error("InvalidRequest", "a copy of an object onto itself must replace its metadata")
            new = msgspec.structs.replace(
                new, content_type=source.content_type, cache_control=source.cache_control, metadata=source.metadata
            )
        stored = self._writer.copy(
            asked.caller, source, bucket, asked.key_name, new, writing_rule(conditions(asked.headers))
        )
        if bucket.versioning:
            resp.set_header("x-amz-version-id", stored.version_id)
        say(resp, xml.document("CopyObjectResult", {"LastModified": stored.updated_at, "ETag": stored.etag}))

    def tags(self, asked: S3Request, resp: falcon.Response) -> None:
        """GetObjectTagging: objects have none, and aws-cli asks before it copies one in parts."""
        self.found(asked, asked.bucket_name, asked.key_name, asked.query.get("versionId"))
        say(resp, xml.document("Tagging", {"TagSet": ""}))

    def source(self, asked: S3Request) -> StoredObject:
        """Return the object that `x-amz-copy-source` names, if it satisfies the conditions. Raises S3Error, Unsatisfied."""
        place, _, query = (asked.headers("x-amz-copy-source") or "").partition("?")
        try:
            bucket, _, key = unquote(place, errors="strict").removeprefix("/").partition("/")
        except UnicodeDecodeError:
            bucket = key = ""
        if not bucket or not key:
            raise S3Error("InvalidArgument", "x-amz-copy-source must be <bucket>/<key>, escaped as in a URL")
        version = query.removeprefix("versionId=") if query.startswith("versionId=") else None
        found = self.found(asked, bucket, key, version)
        if unmodified(conditions(asked.headers, "x-amz-copy-source-"), found):
            raise Unsatisfied("a condition on the source of the copy does not hold")
        return found

    def found(self, asked: S3Request, bucket: str, key: str, version: str | None) -> StoredObject:
        """Return an object, or one version of it. Raises S3Error where there is no such version."""
        return self._version(asked, self._buckets.find(asked.caller, bucket), key, version)

    def _version(self, asked: S3Request, bucket: Bucket, key: str, version: str | None) -> StoredObject:
        if version not in (None, NULL):
            return self._history.content_of(asked.caller, bucket, object_key(key), version_id_of(version or ""))
        asked.caller.demand_reading(bucket)
        return self._reader.content_of(asked.caller, bucket, object_key(key))


def check_signed(payload: Payload, staged: Staged, writer: Writer) -> None:
    """Drop a staged content and raise S3Error unless it is the one that was signed."""
    try:
        payload.checks.check_sha256(staged.sha256)
    except S3Error:
        writer.discard(staged)
        raise


def say_sums(resp: falcon.Response, payload: Payload) -> None:
    """Say the checksums that were checked."""
    for name, value in payload.checks.sums.items():
        resp.set_header(PREFIX + name, value)


def sha256_in_base64(found: StoredObject) -> str:
    """Return an object's SHA-256 as S3 writes checksums."""
    return base64.b64encode(bytes.fromhex(found.etag.strip('"'))).decode()
