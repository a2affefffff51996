"""ListObjects and ListObjectsV2."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from reactor_storage.model import Page, StoredObject
from reactor_storage.reading import MAX_LISTED, Reader
from reactor_storage.s3 import xml
from reactor_storage.s3.buckets import say
from reactor_storage.s3.faults import S3Error
from reactor_storage.s3.request import S3Request

if TYPE_CHECKING:
    import falcon


class ListingOperations:
    """Lists objects."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def first(self, asked: S3Request, resp: falcon.Response) -> None:
        """ListObjects, the first version of it."""
        shown, query = encoder(asked), asked.query
        most = asked.number("max-keys", MAX_LISTED, least=0, most=MAX_LISTED)
        page = self._page(asked, query.get("marker") or None, most)
        members: dict[str, xml.Node] = {
            "Name": asked.bucket_name,
            "Prefix": shown(query.get("prefix", "")),
            "Marker": shown(query.get("marker", "")),
            "MaxKeys": most,
            **_listed(asked, page, shown, owner=True),
            "NextMarker": None if page.cursor is None else shown(page.cursor),
        }
        say(resp, xml.document("ListBucketResult", members))

    def second(self, asked: S3Request, resp: falcon.Response) -> None:
        """ListObjectsV2."""
        shown, query = encoder(asked), asked.query
        most = asked.number("max-keys", MAX_LISTED, least=0, most=MAX_LISTED)
        token = query.get("continuation-token")
        after = query.get("start-after") or None
        page = self._page(asked, after if token is None else _cursor(token), most)
        members: dict[str, xml.Node] = {
            "Name": asked.bucket_name,
            "Prefix": shown(query.get("prefix", "")),
            "StartAfter": None if after is None else shown(after),
            "ContinuationToken": token,
            "NextContinuationToken": None if page.cursor is None else _token(page.cursor),
            "KeyCount": len(page.objects) + len(page.prefixes),
            "MaxKeys": most,
            **_listed(asked, page, shown, owner=query.get("fetch-owner") == "true"),
        }
        say(resp, xml.document("ListBucketResult", members))

    def _page(self, asked: S3Request, cursor: str | None, most: int) -> Page:
        query = asked.query
        page = self._reader.listed(
            asked.caller, asked.bucket_name, prefix=query.get("prefix", ""), delimiter=query.get("delimiter", ""),
            cursor=cursor, limit=max(most, 1),
        )  # fmt: skip
        return page if most else Page(page.bucket, ())


def _listed(asked: S3Request, page: Page, shown: Callable[[str], str], *, owner: bool) -> dict[str, xml.Node]:
    delimiter = asked.query.get("delimiter")
    return {
        "Delimiter": shown(delimiter) if delimiter else None,
        "EncodingType": asked.query.get("encoding-type"),
        "IsTruncated": page.cursor is not None,
        "Contents": [_entry(one, shown, owner) for one in page.objects],
        "CommonPrefixes": [{"Prefix": shown(prefix)} for prefix in page.prefixes],
    }


def _entry(found: StoredObject, shown: Callable[[str], str], owner: bool) -> dict[str, xml.Node]:
    return {
        "Key": shown(found.key),
        "LastModified": found.updated_at,
        "ETag": found.etag,
        "Size": found.size,
        "StorageClass": "STANDARD",
        "Owner": {"ID": found.owner_id or found.org_id} if owner else None,
    }


def encoder(asked: S3Request) -> Callable[[str], str]:
    """Return how keys are shown: as they are, or escaped as in URLs. Raises S3Error for another encoding."""
    kind = asked.query.get("encoding-type")
    if kind is None:
        return str
    if kind != "url":
        raise S3Error("InvalidArgument", f"encoding-type must be url, not {kind[:40]!r}")
    return quote


def _token(cursor: str) -> str:
    return base64.urlsafe_b64encode(cursor.encode()).decode()


def _cursor(token: str) -> str:
    try:
        return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise S3Error("InvalidArgument", "the continuation token is none of this server's") from None
