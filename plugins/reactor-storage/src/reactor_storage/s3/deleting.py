"""DeleteObject and DeleteObjects, of objects and of single versions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from reactor_kernel.api import Database, ReactorError, status_of
from reactor_storage.buckets import Buckets
from reactor_storage.errors import ObjectNotFound, VersionNotFound
from reactor_storage.history import History
from reactor_storage.http.conditions import writing_rule
from reactor_storage.model import Bucket
from reactor_storage.reading import MAX_LISTED
from reactor_storage.rows import texts_in
from reactor_storage.s3 import queries, xml
from reactor_storage.s3.buckets import say
from reactor_storage.s3.faults import S3Error, in_s3_words
from reactor_storage.s3.headers import conditions
from reactor_storage.s3.request import S3Request
from reactor_storage.s3.versions import NULL, version_id_of
from reactor_storage.writing import Writer

if TYPE_CHECKING:
    import falcon


class _Named(msgspec.Struct, frozen=True):
    """What DeleteObjects is to delete: an object, or one of its versions. `conditional` = only if it is as the entry says."""

    key: str
    version_id: str | None
    conditional: bool


class DeletionOperations:
    """Deletes objects, and versions for good. What is not there counts as deleted."""

    def __init__(self, db: Database, buckets: Buckets, writer: Writer, history: History) -> None:
        self._db = db
        self._buckets = buckets
        self._writer = writer
        self._history = history

    def one(self, asked: S3Request, resp: falcon.Response) -> None:
        """DeleteObject."""
        rule = writing_rule(conditions(asked.headers))
        place = (asked.caller, asked.bucket_name, asked.key_name)
        resp.status = 204
        if (text := asked.query.get("versionId", NULL)) != NULL:
            version_id = version_id_of(text)
            resp.set_header("x-amz-version-id", version_id)
            with suppress(VersionNotFound):
                if self._history.drop(*place, version_id, rule).delete_marker:
                    resp.set_header("x-amz-delete-marker", "true")
            return
        with suppress(ObjectNotFound):
            marker_id = self._writer.delete(*place, rule).marker_id
            if marker_id is not None:
                resp.set_header("x-amz-delete-marker", "true")
                resp.set_header("x-amz-version-id", marker_id)

    def many(self, asked: S3Request, resp: falcon.Response) -> None:
        """DeleteObjects: up to 1000 at once, each with an answer of its own."""
        wanted = xml.parsed(asked.payload.document(), "Delete")
        named = [
            _Named(
                entry.findtext("Key") or "",
                None if (id := entry.findtext("VersionId") or NULL) == NULL else id,
                any(entry.find(name) is not None for name in ("ETag", "LastModifiedTime", "Size")),
            )
            for entry in wanted.findall("Object")
        ]
        if not 0 < len(named) <= MAX_LISTED or not all(one.key for one in named):
            raise S3Error("MalformedXML", f"<Delete> must name 1 to {MAX_LISTED} objects by their keys")
        bucket = self._buckets.find(asked.caller, asked.bucket_name)
        deleted, errors = list[xml.Node](), list[xml.Node]()
        plain = list[str]()
        for one in dict.fromkeys(named):
            if one.conditional:
                errors.append(_error(one.key, "NotImplemented", "conditions on single objects are not supported here"))
            elif one.version_id is None:
                plain.append(one.key)
            else:
                self._version(asked, one.key, one.version_id, deleted, errors)
        if plain:
            self._objects(asked, bucket, plain, deleted, errors)
        quiet = (wanted.findtext("Quiet") or "").strip().lower() == "true"
        say(resp, xml.document("DeleteResult", {"Deleted": [] if quiet else deleted, "Error": errors}))

    def _objects(
        self, asked: S3Request, bucket: Bucket, keys: Sequence[str], deleted: list[xml.Node], errors: list[xml.Node]
    ) -> None:
        """Delete objects in one transaction; what the caller sees and may not delete is an error."""
        gone = {one.found.key: one for one in self._writer.delete_many(asked.caller, bucket, keys)}
        refused: set[str] = set()
        if others := [key for key in keys if key not in gone]:
            statement = queries.visible_keys(bucket.org_id, bucket.name, others)
            (seen,) = self._db.run(asked.caller.acting, [statement], readonly=True)
            refused = set(texts_in(seen))
        for key in keys:
            if key in refused:
                errors.append(_error(key, "AccessDenied", "a policy refuses to remove it"))
                continue
            marker_id = gone[key].marker_id if key in gone else None
            deleted.append(_deleted(key, None, marker_id))

    def _version(
        self, asked: S3Request, key: str, version_id: str, deleted: list[xml.Node], errors: list[xml.Node]
    ) -> None:
        """Remove one version for good."""
        marker_id = None
        try:
            with suppress(VersionNotFound):
                if self._history.drop(asked.caller, asked.bucket_name, key, version_id_of(version_id)).delete_marker:
                    marker_id = version_id
        except S3Error as error:
            errors.append(_error(key, error.code, error.message, version_id))
        except ReactorError as error:
            code, status, message = in_s3_words(error, status_of(error))
            if status >= 500:
                raise
            errors.append(_error(key, code, message, version_id))
        else:
            deleted.append(_deleted(key, version_id, marker_id))


def _deleted(key: str, version_id: str | None, marker_id: str | None) -> xml.Node:
    """Say what was deleted; `marker_id` is of the note of a deletion that was made, or was what was deleted."""
    marked = True if marker_id is not None else None
    return {"Key": key, "VersionId": version_id, "DeleteMarker": marked, "DeleteMarkerVersionId": marker_id}


def _error(key: str, code: str, message: str, version_id: str | None = None) -> xml.Node:
    return {"Key": key, "VersionId": version_id, "Code": code, "Message": message}
