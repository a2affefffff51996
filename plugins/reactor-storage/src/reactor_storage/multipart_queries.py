"""The SQL of uploads in parts."""

from __future__ import annotations

from typing import Literal

import msgspec

from reactor_kernel.api import Statement
from reactor_storage.model import NewObject
from reactor_storage.queries import unpoliced_on

_UPLOAD = """json_build_object('id', u.id, 'bucket', u.bucket, 'key', u.key, 'org_id', u.org_id, 'content_type', u.content_type,
  'cache_control', u.cache_control, 'metadata', u.metadata, 'created_by', u.created_by, 'created_at', u.created_at)"""
_PART = """json_build_object('number', p.part_number, 'locator', p.locator, 'etag', p.etag, 'size', p.size,
  'uploaded_at', p.uploaded_at)"""
_OPEN = "u.expires_at > now()"
_DONE = "coalesce((facts->>'done')::boolean, false)"
_UNPOLICED = unpoliced_on("r", "a", "w")
# Whom a request writes to lives on: it says so itself with what it receives.
_OVER = "expires_at <= now() and coalesce((facts->>'until')::float8, 0) <= extract(epoch from now())"


def insert_upload(
    kind: str, id: str, org_id: str, bucket: str, key: str, new: NewObject, user_id: str | None, seconds: int
) -> Statement:
    """Begin an upload."""
    return Statement(
        """insert into _reactor_storage.multipart_uploads
            (id, kind, org_id, bucket, key, content_type, cache_control, metadata, created_by, expires_at)
          values ($1, $10, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(secs => $9))""",
        (
            id, org_id, bucket, key, new.content_type, new.cache_control, msgspec.json.encode(new.metadata), user_id,
            str(seconds), kind,
        ),
        as_owner=True,
    )  # fmt: skip


def upload(
    kind: str, id: str, org_id: str, bucket: str, key: str, *, hold: Literal["share", "update"] | None = None
) -> Statement:
    """Return an upload of an object that is still open; `hold` keeps it so until the transaction ends."""
    return Statement(
        f"""select {_UPLOAD} from _reactor_storage.multipart_uploads u
          where u.id::text = $1 and u.org_id = $2 and u.bucket = $3 and u.key = $4 and u.kind = $5 and {_OPEN}
          {f"for {hold}" if hold else ""}""",
        (id, org_id, bucket, key, kind),
        as_owner=True,
    )


def uploads(
    kind: str, org_id: str, bucket: str, prefix: str, key_marker: str, id_marker: str | None, most: int,
    *, user_id: str | None, policed: bool,
) -> Statement:  # fmt: skip
    """Return open uploads of a bucket in the order of their keys, behind a key, or behind an upload of that key.

    `policed`: those of other users only where no policies decide.
    """
    return Statement(
        f"""select {_UPLOAD} from _reactor_storage.multipart_uploads u
          where u.org_id = $1 and u.bucket = $2 and u.kind = $7 and {_OPEN} and starts_with(u.key, $3)
            and (u.key > $4 or ($5::text is not null and u.key = $4 and u.id::text > $5))
            and (u.created_by = $8 or not $9::boolean or (select {_UNPOLICED}))
          order by u.key, u.id limit $6""",
        (org_id, bucket, prefix, key_marker, id_marker, str(most), kind, user_id, "true" if policed else "false"),
        as_owner=True,
    )


def hold_part(upload_id: str, number: int) -> Statement:
    """Hold a part until the end of the transaction; returns its locator."""
    return Statement(
        """select locator from _reactor_storage.multipart_parts where upload_id = $1 and part_number = $2 for update""",
        (upload_id, str(number)),
        as_owner=True,
    )


def upsert_part(upload_id: str, number: int, locator: str, etag: str, size: int) -> Statement:
    """Note a part in place of one of the same number; returns it."""
    return Statement(
        f"""with p as (insert into _reactor_storage.multipart_parts (upload_id, part_number, locator, etag, size)
            values ($1, $2, $3, $4, $5) on conflict (upload_id, part_number) do update
            set locator = excluded.locator, etag = excluded.etag, size = excluded.size, uploaded_at = now() returning *)
          select {_PART} from p""",
        (upload_id, str(number), locator, etag, str(size)),
        as_owner=True,
    )


def parts(upload_id: str, after: int, most: int) -> Statement:
    """Return an upload's parts in their order."""
    return Statement(
        f"""select {_PART} from _reactor_storage.multipart_parts p where p.upload_id = $1 and p.part_number > $2
          order by p.part_number limit $3""",
        (upload_id, str(after), str(most)),
        as_owner=True,
    )


def drop_parts(upload_id: str) -> Statement:
    """Remove an upload's parts; returns their locators."""
    # The upload first, as who feeds it: in the other order the two could wait for each other.
    return Statement(
        """with u as materialized (select id from _reactor_storage.multipart_uploads where id = $1 for update)
          delete from _reactor_storage.multipart_parts p using u where p.upload_id = u.id returning p.locator""",
        (upload_id,),
        as_owner=True,
    )


def end_upload(upload_id: str) -> list[Statement]:
    """Remove an upload and its parts; returns their locators."""
    return [
        drop_parts(upload_id),
        Statement("delete from _reactor_storage.multipart_uploads where id = $1", (upload_id,), as_owner=True),
    ]


def expired(most: int) -> Statement:
    """Return uploads, of whatever kind, whose time is over: id, and whether its object was made (`t`)."""
    return Statement(
        f"select id, {_DONE} from _reactor_storage.multipart_uploads where {_OVER} order by expires_at limit $1",
        (str(most),),
        as_owner=True,
    )


def count_given_up() -> Statement:
    """Count the uploads, of whatever kind, whose time is over and whose object was not made."""
    return Statement(
        f"select count(*) from _reactor_storage.multipart_uploads where {_OVER} and not {_DONE}", as_owner=True
    )


def hold_expired(upload_id: str) -> Statement:
    """Hold an upload whose time is over until the transaction ends; no row where it lives on or somebody else holds it."""
    return Statement(
        f"select id from _reactor_storage.multipart_uploads where id = $1 and {_OVER} for update skip locked",
        (upload_id,),
        as_owner=True,
    )


def hold_uploads_of_bucket(org_id: str, bucket: str) -> Statement:
    """Keep uploads to a bucket from being fed and completed until the transaction ends."""
    return Statement(
        "select from _reactor_storage.multipart_uploads where org_id = $1 and bucket = $2 order by id for update",
        (org_id, bucket),
        as_owner=True,
    )


def end_uploads_of_bucket(org_id: str, bucket: str) -> list[Statement]:
    """Remove all uploads to a bucket, of whatever kind, and their parts; returns the parts' locators."""
    return [
        Statement(
            """with u as materialized (
                select id from _reactor_storage.multipart_uploads where org_id = $1 and bucket = $2 order by id for update)
              delete from _reactor_storage.multipart_parts p using u where p.upload_id = u.id returning p.locator""",
            (org_id, bucket),
            as_owner=True,
        ),
        Statement(
            "delete from _reactor_storage.multipart_uploads where org_id = $1 and bucket = $2",
            (org_id, bucket),
            as_owner=True,
        ),
    ]
