"""The SQL of the versions of objects. The table is the platform's own: what a caller may see of it is asked of `storage.objects`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from reactor_kernel.api import Statement
from reactor_storage.model import NewObject, StoredObject
from reactor_storage.queries import after_all, array

VERSION = """json_build_object('version_id', v.id, 'org_id', v.org_id, 'bucket', v.bucket, 'key', v.key,
  'object_id', v.object_id, 'owner_id', v.owner_id, 'size', v.size, 'etag', v.etag, 'content_type', v.content_type,
  'cache_control', v.cache_control, 'metadata', v.metadata, 'delete_marker', v.delete_marker,
  'is_latest', v.superseded_at is null, 'created_by', v.created_by, 'created_at', v.created_at, 'locator', v.locator)"""


# -- looking ----------------------------------------------------------------------------------------------------------


def version(org_id: str, bucket: str, key: str, version_id: str, *, hold: bool = False) -> Statement:
    """Return a version of a key; `hold` keeps it from being removed until the transaction ends."""
    return Statement(
        f"""select {VERSION} from _reactor_storage.versions v
          where v.org_id = $1 and v.bucket = $2 and v.key = $3 and v.id = $4 {"for update" if hold else ""}""",
        (org_id, bucket, key, version_id),
        as_owner=True,
    )


def of_key(org_id: str, bucket: str, key: str, below: str | None, most: int) -> Statement:
    """Return a key's versions, newest first, below an id."""
    return Statement(
        f"""select {VERSION} from _reactor_storage.versions v
          where v.org_id = $1 and v.bucket = $2 and v.key = $3 and ($4::uuid is null or v.id < $4) order by v.id desc limit $5""",
        (org_id, bucket, key, below, str(most)),
        as_owner=True,
    )


def of_bucket(org_id: str, bucket: str, prefix: str, lowest: str, below: str | None, most: int) -> Statement:
    """Return versions of the keys that begin with `prefix` and are not below `lowest`, each key's newest first.

    Of the key `lowest` itself only those below an id, where one is given.
    """
    return Statement(
        f"""select {VERSION} from _reactor_storage.versions v
          where v.org_id = $1 and v.bucket = $2 and v.key >= $3 and ($4::text is null or v.key < $4)
            and ($5::uuid is null or v.key > $3 or v.id < $5)
          order by v.key, v.id desc limit $6""",
        (org_id, bucket, lowest, after_all(prefix), below, str(most)),
        as_owner=True,
    )


def newest(org_id: str, bucket: str, key: str) -> Statement:
    """Return the id of a key's newest version."""
    return Statement(
        """select id from _reactor_storage.versions where org_id = $1 and bucket = $2 and key = $3
          order by id desc limit 1""",
        (org_id, bucket, key),
        as_owner=True,
    )


# -- who sees what ----------------------------------------------------------------------------------------------------


def seen(org_id: str, bucket: str, keys: Sequence[str]) -> Statement:
    """Return the ids of the objects that the caller sees under keys."""
    return Statement(
        "select id from storage.objects where org_id = $1 and bucket = $2 and key = any($3)",
        (org_id, bucket, array(keys)),
    )


def row_id(org_id: str, bucket: str, key: str) -> Statement:
    """Return the id of the object that is under a key."""
    return Statement(
        "select id from storage.objects where org_id = $1 and bucket = $2 and key = $3",
        (org_id, bucket, key),
        as_owner=True,
    )


def put_back(org_id: str, bucket: str, incarnations: Mapping[str, str]) -> list[Statement]:
    """Put objects that were, by their keys, in the place of those that are. Only to be rolled back."""
    keys = array(list(incarnations))
    return [
        Statement(
            "delete from storage.objects where org_id = $1 and bucket = $2 and key = any($3)",
            (org_id, bucket, keys),
            as_owner=True,
        ),
        Statement(
            """insert into storage.objects (id, org_id, bucket, key, owner_id, version_id, size, etag, content_type,
                cache_control, metadata, created_at, updated_at)
              select distinct on (v.key) coalesce(v.object_id, v.id), v.org_id, v.bucket, v.key, v.owner_id, v.id, v.size,
                v.etag, v.content_type, v.cache_control, v.metadata, v.created_at, v.created_at
              from _reactor_storage.versions v where v.org_id = $1 and v.bucket = $2 and v.key = any($3)
                and coalesce(v.object_id, v.id) = any($4) order by v.key, v.delete_marker, v.id desc""",
            (org_id, bucket, keys, array(list(incarnations.values()))),
            as_owner=True,
        ),
    ]


def delete_seen(org_id: str, bucket: str, key: str) -> Statement:
    """Remove an object as the caller; returns its id."""
    return Statement(
        "delete from storage.objects where org_id = $1 and bucket = $2 and key = $3 returning id", (org_id, bucket, key)
    )


def savepoint(name: str) -> Statement:
    """Begin what `roll_back_to` takes back."""
    return Statement(f"savepoint {name}", prepare=False)


def roll_back_to(name: str) -> Statement:
    """Take back what was done since a savepoint, and go on."""
    return Statement(f"rollback to savepoint {name}", prepare=False)


# -- changing ---------------------------------------------------------------------------------------------------------


def insert(stored: StoredObject, locator: str, new: NewObject, created_by: str | None, *, versioned: bool) -> Statement:
    """Note a content of an object. `end` what was the newest version first."""
    return Statement(
        """insert into _reactor_storage.versions (id, org_id, bucket, key, locator, size, etag, content_type, cache_control,
            metadata, created_by, object_id, owner_id, versioned)
          values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)""",
        (
            stored.version_id, stored.org_id, stored.bucket, stored.key, locator, str(stored.size), stored.etag,
            new.content_type, new.cache_control, msgspec.json.encode(new.metadata), created_by, stored.id, stored.owner_id,
            "true" if versioned else "false",
        ),
        as_owner=True,
    )  # fmt: skip


def end(org_id: str, bucket: str, keys: Sequence[str], *, versioning: bool) -> Statement:
    """Make the newest versions of keys earlier ones, or remove those that need not be kept; returns the locators of these."""
    return Statement(
        """with newest as (
            select v.id, v.locator, v.versioned or $4 as kept from unnest($3::text[]) k cross join lateral (
              select id, locator, versioned, superseded_at from _reactor_storage.versions
              where org_id = $1 and bucket = $2 and key = k order by id desc limit 1) v
            where v.superseded_at is null),
          ended as (update _reactor_storage.versions v set superseded_at = now() from newest n where v.id = n.id and n.kept),
          gone as (delete from _reactor_storage.versions v using newest n where v.id = n.id and not n.kept)
          select locator from newest where not kept""",
        (org_id, bucket, array(keys), "true" if versioning else "false"),
        as_owner=True,
    )


def note_deletions(
    org_id: str, bucket: str, removed: Sequence[tuple[str, StoredObject]], created_by: str | None
) -> Statement:
    """Note that objects were deleted, each under an id, where there are versions of them left; returns the ids that are used."""
    notes = [{"id": id, "key": one.key, "object_id": one.id, "owner_id": one.owner_id} for id, one in removed]
    return Statement(
        """insert into _reactor_storage.versions
            (id, org_id, bucket, key, object_id, owner_id, size, etag, delete_marker, versioned, created_by)
          select n.id, $1, $2, n.key, n.object_id, n.owner_id, 0, '', true, true, $4
          from jsonb_to_recordset($3) as n (id uuid, key text, object_id uuid, owner_id uuid)
          where exists (select from _reactor_storage.versions v where v.org_id = $1 and v.bucket = $2 and v.key = n.key)
          returning id""",
        (org_id, bucket, msgspec.json.encode(notes), created_by),
        as_owner=True,
    )


def remove_row(org_id: str, bucket: str, key: str) -> Statement:
    """Take an object away whose current version was dropped."""
    return Statement(
        "delete from storage.objects where org_id = $1 and bucket = $2 and key = $3",
        (org_id, bucket, key),
        as_owner=True,
    )


def promote(org_id: str, bucket: str, key: str) -> Statement:
    """Make the newest version that is left the latest one; returns it."""
    return Statement(
        f"""with v as (update _reactor_storage.versions set superseded_at = null where id = (
            select id from _reactor_storage.versions where org_id = $1 and bucket = $2 and key = $3 order by id desc limit 1)
            returning *)
          select {VERSION} from v""",
        (org_id, bucket, key),
        as_owner=True,
    )


def place(version_id: str) -> Statement:
    """Make a version's content an object's current one, under the key that is free or its own."""
    return Statement(
        """insert into storage.objects as o (id, org_id, bucket, key, owner_id, version_id, size, etag, content_type,
            cache_control, metadata, created_at)
          select coalesce(object_id, id), org_id, bucket, key, owner_id, id, size, etag, content_type, cache_control, metadata,
            created_at
          from _reactor_storage.versions where id = $1
          on conflict (org_id, bucket, key) do update set id = excluded.id, owner_id = excluded.owner_id,
            version_id = excluded.version_id, size = excluded.size, etag = excluded.etag, content_type = excluded.content_type,
            cache_control = excluded.cache_control, metadata = excluded.metadata, updated_at = now(),
            created_at = case when o.id = excluded.id then o.created_at else excluded.created_at end""",
        (version_id,),
        as_owner=True,
    )
