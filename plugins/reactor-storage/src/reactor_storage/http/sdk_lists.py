"""Listings in the two forms of Supabase's clients (contract storage.md §7, decision 35)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Literal

import msgspec

from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.http.bodies import json_body
from reactor_storage.http.callers import caller_of
from reactor_storage.http.shapes import listed_folder, listed_object, say
from reactor_storage.listings import Listings, SortBy
from reactor_storage.reading import Reader

if TYPE_CHECKING:
    import falcon


class ListBody(msgspec.Struct, frozen=True, rename="camel"):
    """One folder."""

    prefix: str = ""
    limit: int = 100
    offset: int = 0
    search: str | None = None
    sort_by: SortBy | None = None


class SortByV2(msgspec.Struct, frozen=True):
    """The order of the pages: that of the keys' bytes is the only one."""

    column: Literal["name"] = "name"
    order: Literal["asc", ""] = "asc"


class ListV2Body(msgspec.Struct, frozen=True):
    """All keys that begin with a prefix, folder by folder where a delimiter is wanted."""

    prefix: str = ""
    limit: int = 1000
    cursor: str | None = None
    with_delimiter: bool = False
    sort_by: SortByV2 = msgspec.field(default=SortByV2(), name="sortBy")


class SdkListResource:
    """What is in a bucket."""

    def __init__(self, reader: Reader, listings: Listings) -> None:
        self._reader = reader
        self._listings = listings

    def on_post(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Answer the entries of one folder."""
        self._answer(req, resp, bucket, json_body(req, ListBody, empty=ListBody()))

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Answer the same for a client that asks by query."""
        asked = {name: req.get_param(name) for name in ("prefix", "limit", "offset", "search")}
        given = {name: value for name, value in asked.items() if value is not None}
        try:
            body = msgspec.convert(given, ListBody, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidStorageRequest(f"the query cannot be used: {error}") from error
        self._answer(req, resp, bucket, body)

    def _answer(self, req: falcon.Request, resp: falcon.Response, bucket: str, body: ListBody) -> None:
        found, entries = self._listings.folder(
            caller_of(req), bucket, folder=body.prefix, search=body.search or "", sort=body.sort_by or SortBy(),
            limit=body.limit, offset=body.offset,
        )  # fmt: skip
        say(
            resp,
            [
                listed_folder(one.name, one.key) if one.found is None else listed_object(one.found, found, one.name)
                for one in entries
            ],
        )

    def on_post_v2(self, req: falcon.Request, resp: falcon.Response, bucket: str) -> None:
        """Answer a page by cursor; names are whole keys."""
        body, caller = json_body(req, ListV2Body, empty=ListV2Body()), caller_of(req)
        page = self._reader.listed(
            caller, bucket, prefix=body.prefix, delimiter="/" if body.with_delimiter else "", cursor=_cursor(body.cursor),
            limit=body.limit,
        )  # fmt: skip
        following = None if page.cursor is None else base64.urlsafe_b64encode(page.cursor.encode()).decode()
        say(
            resp,
            {
                "hasNext": page.cursor is not None,
                "nextCursor": following,
                "folders": [{"name": prefix, "key": prefix} for prefix in page.prefixes],
                "objects": [listed_object(one, page.bucket, one.key) for one in page.objects],
            },
        )


def _cursor(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return base64.urlsafe_b64decode(text).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidStorageRequest("the cursor is none that a page gave") from error
