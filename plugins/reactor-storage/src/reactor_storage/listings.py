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
_NAME = "substr(key, length($3) + 1)"


def _folder(bucket: Bucket, prefix: str, search: str, sort: SortBy, limit: int, offset: int) -> Statement:
    order = _ORDERS["updated_at" if sort.column == "last_accessed_at" else sort.column]
    direction = "desc" if sort.order == "desc" else "asc"
    pattern = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    # Documents are made of what is shown only: below a folder may be millions.
    return Statement(
        f"""with entries as (
            select name, folder, {order} as place from (
              select split_part({_NAME}, '/', 1) as name, position('/' in {_NAME}) > 0 as folder, id, created_at, updated_at
              from storage.objects where org_id = $1 and bucket = $2 and {queries.WITHIN} and key <> $3) found
            where name ilike $5 group by name, folder
            order by place {direction} nulls last, name collate "C", folder limit $6 offset $7)
          select name, folder, case when not folder then {queries.OBJECT} end
          from entries left join storage.objects o on not folder and o.org_id = $1 and o.bucket = $2 and o.key = $3 || name
          order by place {direction} nulls last, name collate "C", folder""",
        (bucket.org_id, bucket.name, prefix, queries.after_all(prefix), pattern, str(limit), str(offset)),
    )
