"""The SQL of resumable uploads.

They are rows of `multipart_uploads` of the kind `tus`; what the protocol keeps beside stands in `facts`, the lease of the request
that writes included: `writer` names it, `until` is when it lapses, in seconds of Unix time.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reactor_kernel.api import Statement
from reactor_storage.model import NewObject
from reactor_storage.queries import array

_NOW = "extract(epoch from now())"
_BUSY = f"coalesce((u.facts->>'until')::float8, 0) > {_NOW}"
_UPLOAD = f"""json_build_object('id', u.id, 'org_id', u.org_id, 'bucket', u.bucket, 'key', u.key, 'content_type', u.content_type,
  'cache_control', u.cache_control, 'metadata', u.metadata, 'created_by', u.created_by, 'expires_at', u.expires_at,
  'facts', u.facts, 'busy', {_BUSY})"""
_TABLE = "_reactor_storage.multipart_uploads"
_OPEN = "u.kind = 'tus' and u.expires_at > now()"
_HELD = "u.id = $1 and u.facts->>'writer' = $2"


def insert(
    id: str, org_id: str, bucket: str, key: str, new: NewObject, user_id: str | None, facts: msgspec.Struct, secs: int
) -> Statement:
    """Begin an upload."""
    return Statement(
        f"""insert into {_TABLE} (id, kind, org_id, bucket, key, content_type, cache_control, metadata, created_by, facts, expires_at)
          values ($1, 'tus', $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(secs => $10))""",
        (
            id, org_id, bucket, key, new.content_type, new.cache_control, msgspec.json.encode(new.metadata), user_id,
            msgspec.json.encode(facts), str(secs),
        ),
        as_owner=True,
    )  # fmt: skip


def upload(id: str, org_id: str, user_id: str | None) -> Statement:
    """Return an open upload of one user."""
    return Statement(
        f"""select {_UPLOAD} from {_TABLE} u
          where u.id = $1 and u.org_id = $2 and u.created_by is not distinct from $3::uuid and {_OPEN}""",
        (id, org_id, user_id),
        as_owner=True,
    )


def place(id: str) -> Statement:
    """Return bucket and key of an open upload that was begun with a signed URL."""
    return Statement(
        f"select u.bucket, u.key from {_TABLE} u where u.id = $1 and (u.facts->>'signed')::boolean and {_OPEN}",
        (id,),
        as_owner=True,
    )


def claim(id: str, writer: str, secs: float, offset: int | None, life: int) -> Statement:
    """Take the lease of an upload that is at an offset (None = wherever) and that nobody writes to; returns the upload then.

    Its life begins anew, so that it does not expire while it is written to.
    """
    return Statement(
        f"""update {_TABLE} u set expires_at = now() + make_interval(secs => $5),
            facts = u.facts || jsonb_build_object('writer', $2::text, 'until', {_NOW} + $3::float8)
          where u.id = $1 and {_OPEN} and not {_BUSY} and ($4::bigint is null or (u.facts->>'offset')::bigint = $4::bigint)
          returning {_UPLOAD}""",
        (id, writer, str(secs), None if offset is None else str(offset), str(life)),
        as_owner=True,
    )


def renew(id: str, writer: str, secs: float) -> Statement:
    """Prolong a lease; returns the id where it is still the writer's."""
    return Statement(
        f"""update {_TABLE} u set facts = u.facts || jsonb_build_object('until', {_NOW} + $3::float8)
          where {_HELD} returning u.id""",
        (id, writer, str(secs)),
        as_owner=True,
    )


def give_back(id: str, writer: str) -> Statement:
    """End a lease, if it is still the writer's."""
    return Statement(
        f"update {_TABLE} u set facts = u.facts - 'writer' - 'until' where {_HELD}", (id, writer), as_owner=True
    )


def hold(id: str, writer: str) -> Statement:
    """Hold the row of an upload until the transaction ends; no row where the lease is another's or the upload has ended."""
    return Statement(f"select u.id from {_TABLE} u where {_HELD} for update", (id, writer), as_owner=True)


def advance(id: str, offset: int, parts: int, length: int | None, life: int) -> Statement:
    """Say where a held upload is now; its life begins anew."""
    return Statement(
        f"""update {_TABLE} u set expires_at = now() + make_interval(secs => $5),
            facts = u.facts || jsonb_build_object('offset', $2::bigint, 'parts', $3::int, 'length', $4::bigint) where u.id = $1""",
        (id, str(offset), str(parts), None if length is None else str(length), str(life)),
        as_owner=True,
    )


def finish(id: str, length: int) -> Statement:
    """Note that the object is there. The row stays, so that a client which lost the answer finds out."""
    return Statement(
        f"""update {_TABLE} u set facts = u.facts - 'writer' - 'until'
            || jsonb_build_object('done', true, 'offset', $2::bigint, 'length', $2::bigint) where u.id = $1""",
        (id, str(length)),
        as_owner=True,
    )


def locators(ids: Sequence[str]) -> Statement:
    """Return where the parts of uploads are: one row (upload, locator) for each, in their order within an upload."""
    return Statement(
        """select upload_id, locator from _reactor_storage.multipart_parts where upload_id = any($1::uuid[])
          order by upload_id, part_number""",
        (array(ids),),
        as_owner=True,
    )


def hold_all(ids: Sequence[str]) -> Statement:
    """Hold uploads until the transaction ends, always in the same order; returns those that are there."""
    return Statement(
        f"select u.id from {_TABLE} u where u.id = any($1::uuid[]) and {_OPEN} order by u.id for update",
        (array(ids),),
        as_owner=True,
    )
