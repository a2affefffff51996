"""The SQL of the S3 endpoint's own tables, and of what only its operations ask."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reactor_kernel.api import Statement
from reactor_storage.model import NewObject
from reactor_storage.queries import array

_CREDENTIAL = """json_build_object('id', id, 'access_key_id', access_key_id, 'name', name, 'org_id', org_id, 'user_id', user_id,
  'scopes', scopes, 'created_at', created_at, 'expires_at', expires_at, 'last_used_at', last_used_at)"""


def insert_credential(
    id: str, access_key_id: str, sealed: str, name: str, org_id: str, user_id: str, scopes: Sequence[str],
    expires_at: str | None,
) -> Statement:  # fmt: skip
    """Make a credential; returns it."""
    return Statement(
        f"""insert into _reactor_storage.s3_credentials
            (id, access_key_id, secret, name, org_id, user_id, scopes, expires_at)
          values ($1, $2, $3, $4, $5, $6, $7, $8) returning {_CREDENTIAL}""",
        (id, access_key_id, sealed, name, org_id, user_id, array(scopes), expires_at),
        as_owner=True,
    )


def credentials(org_id: str, user_id: str) -> Statement:
    """Return a user's credentials in an organisation, oldest first."""
    return Statement(
        f"""select {_CREDENTIAL} from _reactor_storage.s3_credentials where org_id = $1 and user_id = $2
          order by created_at, id""",
        (org_id, user_id),
        as_owner=True,
    )


def delete_credential(id: str, org_id: str, user_id: str) -> Statement:
    """Remove a user's credential; returns its access key id."""
    return Statement(
        """delete from _reactor_storage.s3_credentials where id::text = $1 and org_id = $2 and user_id = $3
          returning access_key_id""",
        (id, org_id, user_id),
        as_owner=True,
    )


def credential(access_key_id: str) -> Statement:
    """Return a credential, its encrypted secret, and whether its last use was noted more than a minute ago."""
    return Statement(
        f"""select {_CREDENTIAL}, secret, coalesce(last_used_at < now() - interval '1 minute', true)
          from _reactor_storage.s3_credentials where access_key_id = $1""",
        (access_key_id,),
        as_owner=True,
    )


def note_use(id: str) -> Statement:
    """Note that a credential is used."""
    return Statement(
        "update _reactor_storage.s3_credentials set last_used_at = now() where id = $1", (id,), as_owner=True
    )


def visible_keys(org_id: str, bucket: str, keys: Sequence[str]) -> Statement:
    """Return those of the keys under which the caller sees an object."""
    return Statement(
        "select key from storage.objects where org_id = $1 and bucket = $2 and key = any($3)",
        (org_id, bucket, array(keys)),
    )


# -- uploads in parts -------------------------------------------------------------------------------------------------

_UPLOAD = """json_build_object('id', u.id, 'bucket', u.bucket, 'key', u.key, 'org_id', u.org_id, 'content_type', u.content_type,
  'cache_control', u.cache_control, 'metadata', u.metadata, 'created_by', u.created_by, 'created_at', u.created_at)"""
_PART = """json_build_object('number', p.part_number, 'locator', p.locator, 'etag', p.etag, 'size', p.size,
  'uploaded_at', p.uploaded_at)"""
_OPEN = "u.kind = 's3' and u.expires_at > now()"


def insert_upload(
    id: str, org_id: str, bucket: str, key: str, new: NewObject, user_id: str | None, seconds: int
) -> Statement:
    """Begin an upload."""
    return Statement(
        """insert into _reactor_storage.multipart_uploads
            (id, kind, org_id, bucket, key, content_type, cache_control, metadata, created_by, expires_at)
          values ($1, 's3', $2, $3, $4, $5, $6, $7, $8, now() + make_interval(secs => $9))""",
        (
            id, org_id, bucket, key, new.content_type, new.cache_control, msgspec.json.encode(new.metadata), user_id,
            str(seconds),
        ),
        as_owner=True,
    )  # fmt: skip


def upload(id: str, org_id: str, bucket: str, key: str, *, hold: bool = False) -> Statement:
    """Return an upload of an object that is still open; `hold` keeps it so until the transaction ends."""
    return Statement(
        f"""select {_UPLOAD} from _reactor_storage.multipart_uploads u
          where u.id::text = $1 and u.org_id = $2 and u.bucket = $3 and u.key = $4 and {_OPEN}{" for share" if hold else ""}""",
        (id, org_id, bucket, key),
        as_owner=True,
    )


def uploads(org_id: str, bucket: str, prefix: str, key_marker: str, id_marker: str | None, most: int) -> Statement:
    """Return open uploads of a bucket in the order of their keys, behind a key, or behind an upload of that key."""
    return Statement(
        f"""select {_UPLOAD} from _reactor_storage.multipart_uploads u
          where u.org_id = $1 and u.bucket = $2 and {_OPEN} and starts_with(u.key, $3)
            and (u.key > $4 or ($5::text is not null and u.key = $4 and u.id::text > $5))
          order by u.key, u.id limit $6""",
        (org_id, bucket, prefix, key_marker, id_marker, str(most)),
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


def end_upload(upload_id: str) -> list[Statement]:
    """Remove an upload and its parts; returns their locators."""
    return [
        Statement(
            "delete from _reactor_storage.multipart_parts where upload_id = $1 returning locator",
            (upload_id,),
            as_owner=True,
        ),
        Statement("delete from _reactor_storage.multipart_uploads where id = $1", (upload_id,), as_owner=True),
    ]
