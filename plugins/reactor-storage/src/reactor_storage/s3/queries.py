"""The SQL of the S3 endpoint's own tables, and of what only its operations ask."""

from __future__ import annotations

from collections.abc import Sequence

from reactor_kernel.api import Statement
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
