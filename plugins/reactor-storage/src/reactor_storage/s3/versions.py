"""ListObjectVersions, and how requests name a version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_storage.history import History, is_version_id
from reactor_storage.model import Version
from reactor_storage.reading import MAX_LISTED
from reactor_storage.s3 import xml
from reactor_storage.s3.buckets import say
from reactor_storage.s3.faults import S3Error
from reactor_storage.s3.listing import encoder
from reactor_storage.s3.request import S3Request

if TYPE_CHECKING:
    import falcon

# What stands for the version of an object that was stored while its bucket kept none.
NULL = "null"


class VersionOperations:
    """Lists versions."""

    def __init__(self, history: History) -> None:
        self._history = history

    def list(self, asked: S3Request, resp: falcon.Response) -> None:
        """ListObjectVersions."""
        shown, query = encoder(asked), asked.query
        most = asked.number("max-keys", MAX_LISTED, least=0, most=MAX_LISTED)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        key_marker, id_marker = query.get("key-marker") or None, query.get("version-id-marker") or None
        if id_marker is not None and (key_marker is None or not is_version_id(id_marker)):
            raise S3Error("InvalidArgument", "version-id-marker must be a version's id, and goes with a key-marker")
        page = self._history.of_bucket(
            asked.caller, asked.bucket_name, prefix=prefix, delimiter=delimiter, key_marker=key_marker,
            id_marker=id_marker, limit=max(most, 1),
        )  # fmt: skip
        found = page.versions if most else ()
        members: dict[str, xml.Node] = {
            "Name": asked.bucket_name,
            "Prefix": shown(prefix),
            "KeyMarker": shown(key_marker or ""),
            "VersionIdMarker": id_marker or "",
            "NextKeyMarker": shown(page.key_marker) if most and page.key_marker is not None else None,
            "NextVersionIdMarker": page.id_marker if most else None,
            "MaxKeys": most,
            "Delimiter": shown(delimiter) if delimiter else None,
            "EncodingType": query.get("encoding-type"),
            "IsTruncated": bool(most) and page.key_marker is not None,
            "Version": [_content(one, shown(one.key)) for one in found if not one.delete_marker],
            "DeleteMarker": [_named(one, shown(one.key)) for one in found if one.delete_marker],
            "CommonPrefixes": [{"Prefix": shown(one)} for one in page.prefixes] if most else None,
        }
        say(resp, xml.document("ListVersionsResult", members))


def version_id_of(text: str) -> str:
    """Return the id that a request names. Raises S3Error for what can be none."""
    if not is_version_id(text):
        raise S3Error("InvalidArgument", f"{text[:80]!r} is no version's id")
    return text


def _named(one: Version, key: str) -> dict[str, xml.Node]:
    return {
        "Key": key,
        "VersionId": one.version_id,
        "IsLatest": one.is_latest,
        "LastModified": one.created_at,
        "Owner": {"ID": one.owner_id or one.org_id},
    }


def _content(one: Version, key: str) -> dict[str, xml.Node]:
    said = _named(one, key)
    said.update(ETag=one.etag, Size=one.size, StorageClass="STANDARD")
    return said
