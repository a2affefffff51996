"""Listings of one folder, as Supabase's clients show them: its objects and its folders, sorted and searched."""

from __future__ import annotations

from typing import Literal

import msgspec

from reactor_kernel.api import Database, Statement
from reactor_storage import queries
from reactor_storage.access import Caller
from reactor_storage.buckets import Buckets
from reactor_storage.errors import InvalidStorageRequest
from reactor_storage.keys import looked_for
from reactor_storage.model import Bucket, StoredObject
from reactor_storage.reading import MAX_LISTED
from reactor_storage.rows import objects_in

Column = Literal["name", "id", "created_at", "updated_at", "last_accessed_at"]


class SortBy(msgspec.Struct, frozen=True):
    """By what a listing is sorted."""

    column: Column = "name"
    order: Literal["asc", "desc", ""] = "asc"


class Entry(msgspec.Struct, frozen=True):
    """An object of a folder, or a folder in it: then `found` is None and `key` ends with a slash."""

    name: str
    key: str
    found: StoredObject | None


class Listings:
    """Lists folders."""

    def __init__(self, db: Database, buckets: Buckets) -> None:
        self._db = db
        self._buckets = buckets

    def folder(
        self, caller: Caller, bucket_ref: str, *, folder: str, search: str, sort: SortBy, limit: int, offset: int
    ) -> tuple[Bucket, list[Entry]]:
        """Return the entries of a folder whose names begin with `search`, whatever their case; "" is the whole bucket."""
        if not 1 <= limit <= MAX_LISTED:
            raise InvalidStorageRequest(f"limit must be from 1 to {MAX_LISTED}, not {limit}")
        if not 0 <= offset < 2**31:
            raise InvalidStorageRequest(f"offset must be 0 or more, not {offset}")
        looked_for(prefix=folder, search=search)
        bucket = self._buckets.find(caller, bucket_ref)
        caller.demand(bucket.name, "read")
        prefix = folder.strip("/") + "/" if folder.strip("/") else ""
        (result,) = self._db.run(caller.acting, [_folder(bucket, prefix, search, sort, limit, offset)], readonly=True)
        found = iter(objects_in(result, 2))
        entries = []
        for row in result.rows:
            name = (row[0] or b"").decode()
            one = None if row[1] == b"t" else next(found)
            entries.append(Entry(name, prefix + name + ("/" if one is None else ""), one))
        return bucket, entries


_ORDERS = {"name": "name", "id": "min(id::text)", "created_at": "min(created_at)", "updated_at": "min(updated_at)"}


def _folder(bucket: Bucket, prefix: str, search: str, sort: SortBy, limit: int, offset: int) -> Statement:
    order = _ORDERS["updated_at" if sort.column == "last_accessed_at" else sort.column]
    direction = "desc" if sort.order == "desc" else "asc"
    pattern = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    return Statement(
        f"""select name, folder, case when not folder then (array_agg(document))[1] end from (
            select split_part(substr(key, length($3) + 1), '/', 1) as name,
              position('/' in substr(key, length($3) + 1)) > 0 as folder,
              id, created_at, updated_at, {queries.OBJECT} as document
            from storage.objects o where org_id = $1 and bucket = $2 and {queries.WITHIN} and key <> $3) listed
          where name ilike $5 group by name, folder
          order by {order} {direction} nulls last, name collate "C", folder limit $6 offset $7""",
        (bucket.org_id, bucket.name, prefix, queries.after_all(prefix), pattern, str(limit), str(offset)),
    )
