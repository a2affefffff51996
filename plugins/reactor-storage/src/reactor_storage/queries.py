"""The SQL of buckets and objects. What a caller does runs as the caller; what the platform keeps beside it, as the owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from reactor_kernel.api import Identity, Statement, uuid7
from reactor_storage.keys import is_uuid
from reactor_storage.model import NewObject

_encode = msgspec.json.encode

BUCKET = """json_build_object('id', b.id, 'name', b.name, 'org_id', b.org_id, 'owner_id', b.owner_id, 'public', b.public,
  'file_size_limit', b.file_size_limit, 'allowed_mime_types', b.allowed_mime_types, 'versioning', b.versioning,
  'lifecycle', b.lifecycle, 'created_at', b.created_at, 'updated_at', b.updated_at)"""
OBJECT = """json_build_object('id', o.id, 'bucket', o.bucket, 'key', o.key, 'owner_id', o.owner_id, 'org_id', o.org_id,
  'content_type', o.content_type, 'size', o.size, 'etag', o.etag, 'metadata', o.metadata, 'cache_control', o.cache_control,
  'version_id', o.version_id, 'created_at', o.created_at, 'updated_at', o.updated_at)"""
# The truth about the bytes is the version's, which no caller can write.
_CONTENT = """json_build_object('id', o.id, 'bucket', o.bucket, 'key', o.key, 'owner_id', o.owner_id, 'org_id', o.org_id,
  'content_type', o.content_type, 'size', v.size, 'etag', v.etag, 'metadata', o.metadata, 'cache_control', o.cache_control,
  'version_id', o.version_id, 'created_at', o.created_at, 'updated_at', o.updated_at, 'locator', v.locator)"""
_THIS = "org_id = $1 and bucket = $2 and key = $3"
# A picture that is its own rendition keeps nothing: that row goes with its source.
_UNREFERENCED = """not exists (select from _reactor_storage.versions v where v.locator = b.locator)
  and not exists (select from _reactor_storage.multipart_parts p where p.locator = b.locator)
  and not exists (select from _reactor_storage.renditions r where r.locator = b.locator and r.source <> b.locator)"""


# -- buckets ----------------------------------------------------------------------------------------------------------


def bucket(org_id: str, ref: str) -> Statement:
    """Return a bucket by id or name; where one is called as another's id, that other one first."""
    if not is_uuid(ref):
        return Statement(
            f"select {BUCKET} from storage.buckets b where b.org_id = $1 and b.name = $2", (org_id, ref), as_owner=True
        )
    return Statement(
        f"""select {BUCKET} from storage.buckets b where b.org_id = $1 and (b.id = $2 or b.name = $3)
          order by b.id = $2 desc""",
        (org_id, ref, ref),
        as_owner=True,
    )


def bucket_now(bucket_id: str) -> Statement:
    """Return a bucket that was found before, as it is now."""
    return Statement(f"select {BUCKET} from storage.buckets b where b.id = $1", (bucket_id,), as_owner=True)


def hold_bucket(bucket_id: str) -> Statement:
    """Return a bucket, which nobody else changes until the transaction ends."""
    return Statement(
        f"select {BUCKET} from storage.buckets b where b.id = $1 for no key update", (bucket_id,), as_owner=True
    )


def public_buckets(name: str) -> Statement:
    """Return the public buckets of that name, of whatever organisation; two are enough to know that there are several."""
    return Statement(
        f"select {BUCKET} from storage.buckets b where b.name = $1 and b.public limit 2", (name,), as_owner=True
    )


def buckets(org_id: str) -> Statement:
    """Return the organisation's buckets that the caller sees."""
    return Statement(f"select {BUCKET} from storage.buckets b where b.org_id = (select auth.org_id()) order by b.name")


def insert_bucket(org_id: str, owner_id: str | None, name: str, fields: Mapping[str, Any]) -> Statement:
    """Make a bucket."""
    return Statement(
        f"""with b as (insert into storage.buckets
          (id, name, org_id, owner_id, public, file_size_limit, allowed_mime_types, versioning, lifecycle)
          values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning *) select {BUCKET} from b""",
        (str(uuid7()), name, org_id, owner_id, *_bucket_values(fields)),
    )


def update_bucket(bucket_id: str, fields: Mapping[str, Any]) -> Statement:
    """Set a bucket's fields; `updated_at` moves only if one differs."""
    return Statement(
        f"""with changed as (update storage.buckets set public = $2, file_size_limit = $3, allowed_mime_types = $4,
            versioning = $5, lifecycle = $6, updated_at = now()
          where id = $1 and (public, file_size_limit, allowed_mime_types, versioning, lifecycle)
            is distinct from ($2::boolean, $3::bigint, $4::text[], $5::boolean, $6::jsonb) returning *),
        b as (select * from changed union all
              select * from storage.buckets where id = $1 and not exists (select from changed))
        select {BUCKET}, exists (select from changed) from b""",
        (bucket_id, *_bucket_values(fields)),
    )


def delete_bucket(bucket_id: str) -> Statement:
    """Remove an empty bucket."""
    return Statement("delete from storage.buckets where id = $1 returning id", (bucket_id,))


def _bucket_values(fields: Mapping[str, Any]) -> tuple[str | bytes | None, ...]:
    limit, types = fields.get("file_size_limit"), fields.get("allowed_mime_types")
    return (
        _boolean(fields.get("public", False)),
        None if limit is None else str(limit),
        None if types is None else array(types),
        _boolean(fields.get("versioning", False)),
        _encode(fields.get("lifecycle", ())),
    )


def policies() -> Statement:
    """Return the project's policies on objects as JSON, each with the statement that makes it."""
    return Statement(
        """select json_build_object('name', policyname, 'definition', format(
            'create policy %I on storage.objects as %s for %s to %s', policyname, lower(permissive), lower(cmd),
            (select string_agg(quote_ident(r), ', ' order by r) from unnest(roles) r))
            || coalesce(' using (' || qual || ')', '') || coalesce(' with check (' || with_check || ')', '') || ';')
          from pg_policies where schemaname = 'storage' and tablename = 'objects'
          and policyname not like 'reactor\\_\\_shipped\\_%' order by policyname""",
        as_owner=True,
    )


# -- objects, as the caller -------------------------------------------------------------------------------------------


def visible(org_id: str, bucket: str, key: str) -> Statement:
    """Return the current version's id, if the caller sees the object."""
    return Statement(f"select version_id from storage.objects where {_THIS}", (org_id, bucket, key))


Command = Literal["r", "a", "w", "d"]


def unpoliced_on(*commands: Command) -> str:
    """Return the condition that permissions alone decide on commands, given as in pg_policy.polcmd: there is no policy for them."""
    return " and ".join(f"storage.unpoliced('storage.objects', '{command}')" for command in commands)


def unpoliced(*commands: Command) -> Statement:
    """Tell whether permissions alone decide on commands."""
    return Statement(f"select {unpoliced_on(*commands)}", as_owner=True)


def there_or_policed(org_id: str, bucket: str, key: str) -> Statement:
    """Tell whether there is an object, or policies decide who sees which."""
    return Statement(
        f"""select exists (select from storage.objects where {_THIS}) or not storage.unpoliced('storage.objects', 'r')""",
        (org_id, bucket, key),
        as_owner=True,
    )


def upsert(
    org_id: str, bucket: str, key: str, owner_id: str | None, version_id: str, size: int, etag: str, new: NewObject,
    object_id: str,
) -> Statement:  # fmt: skip
    """Make an object of this id and owner, or give the one that is there a new content."""
    return Statement(
        f"""{_INSERT} on conflict (org_id, bucket, key) do update set content_type = excluded.content_type,
          size = excluded.size, etag = excluded.etag, metadata = excluded.metadata, cache_control = excluded.cache_control,
          version_id = excluded.version_id, updated_at = now() returning *) select {OBJECT} from o""",
        (
            object_id, org_id, bucket, key, owner_id, version_id, str(size), etag,
            new.content_type, new.cache_control, _encode(new.metadata),
        ),
    )  # fmt: skip


_INSERT = """with o as (insert into storage.objects
  (id, org_id, bucket, key, owner_id, version_id, size, etag, content_type, cache_control, metadata)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"""


def delete(org_id: str, bucket: str, keys: Sequence[str], only: Sequence[str] | None = None) -> Statement:
    """Remove objects, where `only` is given those whose current version it names; one row for each that was."""
    return Statement(
        f"""with o as (delete from storage.objects where org_id = $1 and bucket = $2 and key = any($3)
            and ($4::uuid[] is null or version_id = any($4)) returning *)
          select {OBJECT} from o order by o.key""",
        (org_id, bucket, array(keys), None if only is None else array(only)),
    )


def remove_behind(org_id: str, bucket: str, key: str, most: int, *, as_owner: bool) -> Statement:
    """Remove the next `most` objects behind a key; one row (key, version id) for each, without the id where it stays."""
    return Statement(
        """with page as materialized (
            select key from storage.objects where org_id = $1 and bucket = $2 and key > $3 order by key limit $4),
          gone as (delete from storage.objects o using page where o.org_id = $1 and o.bucket = $2 and o.key = page.key
            returning o.key, o.version_id)
          select page.key, gone.version_id from page left join gone on gone.key = page.key order by page.key""",
        (org_id, bucket, key, str(most)),
        as_owner=as_owner,
    )


def any_object(org_id: str, bucket: str) -> Statement:
    """Return one row where a bucket holds an object."""
    return Statement(
        "select from storage.objects where org_id = $1 and bucket = $2 limit 1", (org_id, bucket), as_owner=True
    )


def listing(org_id: str, bucket: str, prefix: str, lowest: str, limit: int) -> Statement:
    """Return objects whose key begins with `prefix` and is not below `lowest`, in order: rows (key, false, object)."""
    return Statement(
        f"""select o.key, false, {OBJECT} from storage.objects o where org_id = $1 and bucket = $2 and {WITHIN}
          order by key limit $5""",
        (org_id, bucket, lowest, after_all(prefix), str(limit)),
    )


def delimited(org_id: str, bucket: str, prefix: str, delimiter: str, lowest: str, limit: int) -> Statement:
    """Return objects and common prefixes in order: rows (key or prefix, whether it is a prefix, object or null).

    Each step looks up the next key in the index, and jumps over all that share a common prefix, so that a folder of a
    million objects costs one step. The delimiter must not end with the last character of Unicode.
    """
    return Statement(
        f"""with recursive
        first as (
          select key from storage.objects where org_id = $1 and bucket = $2 and {WITHIN} order by key limit 1),
        walk (key, common, n) as (
          select key, {_common("key")}, 1 from first
          union all
          select next.key, {_common("next.key")}, walk.n + 1 from walk cross join lateral (
            select key from storage.objects where org_id = $1 and bucket = $2 and {WITHIN}
              and key >= case when walk.common is null then walk.key || ' ' else left(walk.common, -1) || $8 end
            order by key limit 1) next
          where walk.n < $5)
        select coalesce(walk.common, walk.key), walk.common is not null, case when walk.common is null then {OBJECT} end
        from walk left join storage.objects o on walk.common is null and o.org_id = $1 and o.bucket = $2 and o.key = walk.key
        order by walk.n""",
        (org_id, bucket, lowest, after_all(prefix), str(limit), prefix, delimiter, after_all(delimiter[-1])),
    )


# A range of the index, where starts_with() would be a filter over the rest of the bucket.
WITHIN = "key >= $3 and ($4::text is null or key < $4)"


def _common(key: str) -> str:
    """What a key has in common with others up to the first delimiter behind the prefix; null without one."""
    at = f"position($7 in substr({key}, length($6) + 1))"
    return f"case when {at} > 0 then left({key}, length($6) + {at} + length($7) - 1) end"


def after_all(prefix: str) -> str | None:
    """Return the least text above all that begin with `prefix`, in the order of UTF-8 bytes; None where there is none."""
    for end in range(len(prefix), 0, -1):
        point = ord(prefix[end - 1]) + 1
        if point <= 0x10FFFF:
            # Surrogates are no text.
            return prefix[: end - 1] + chr(0xE000 if 0xD800 <= point <= 0xDFFF else point)
    return None


# -- contents, as the owner -------------------------------------------------------------------------------------------


def content(org_id: str, bucket: str, key: str) -> Statement:
    """Return the object with where its bytes are."""
    return Statement(
        f"""select {_CONTENT} from storage.objects o join _reactor_storage.versions v on v.id = o.version_id and v.org_id = o.org_id
          where o.org_id = $1 and o.bucket = $2 and o.key = $3""",
        (org_id, bucket, key),
        as_owner=True,
    )


def one_at_a_time(org_id: str, bucket_keys: Sequence[tuple[str, str]]) -> list[Statement]:
    """Make writers of the same keys wait for each other until the end of the transaction, also where no row is there yet."""
    return [
        Statement(
            "select pg_advisory_xact_lock(hashtextextended($1, 7153))",
            (f"storage/{org_id}/{bucket}/{key}",),
            as_owner=True,
        )
        for bucket, key in sorted(set(bucket_keys))
    ]


def lock(org_id: str, bucket: str, key: str) -> Statement:
    """Hold an object's row until the end of the transaction; returns what is there as a `Current`."""
    return Statement(
        f"""select json_build_object('version_id', version_id, 'etag', etag, 'updated_at', updated_at)
          from storage.objects where {_THIS} for update""",
        (org_id, bucket, key),
        as_owner=True,
    )


def hold_blob(locator: str, size: int, sha256: str) -> Statement:
    """Note a content and hold it: nobody removes it before this transaction ends."""
    return Statement(
        """insert into _reactor_storage.blobs as b (locator, size, sha256) values ($1, $2, $3)
          on conflict (locator) do update set touched_at = now()""",
        (locator, str(size), sha256),
        as_owner=True,
    )


def touch_blob(locator: str) -> Statement:
    """Hold a content that is there already; no row where it is gone."""
    return Statement(
        "update _reactor_storage.blobs set touched_at = now() where locator = $1 returning locator",
        (locator,),
        as_owner=True,
    )


def forget(version_ids: Sequence[str]) -> Statement:
    """Remove versions; returns their locators."""
    return Statement(
        "delete from _reactor_storage.versions where id = any($1::uuid[]) returning locator",
        (array(version_ids),),
        as_owner=True,
    )


def history(org_id: str, bucket: str) -> Statement:
    """Return one version of a bucket, if it has any."""
    return Statement(
        "select id from _reactor_storage.versions where org_id = $1 and bucket = $2 limit 1",
        (org_id, bucket),
        as_owner=True,
    )


def forget_bucket_history(org_id: str, bucket: str, most: int) -> Statement:
    """Remove up to `most` versions of a bucket of which no object is left; returns their locators."""
    return Statement(
        """delete from _reactor_storage.versions where id in (
            select v.id from _reactor_storage.versions v where v.org_id = $1 and v.bucket = $2 and not exists (
              select from storage.objects o where o.org_id = $1 and o.bucket = $2 and o.key = v.key) limit $3)
          returning locator""",
        (org_id, bucket, str(most)),
        as_owner=True,
    )


def lock_blob(locator: str) -> Statement:
    """Hold a content's row; no row where there is none or somebody else holds it."""
    return Statement(
        "select locator from _reactor_storage.blobs where locator = $1 for update skip locked",
        (locator,),
        as_owner=True,
    )


def drop_blob(locator: str) -> Statement:
    """Remove a content's row if nothing refers to it; returns it then. Hold it first."""
    return Statement(
        f"delete from _reactor_storage.blobs b where locator = $1 and {_UNREFERENCED} returning locator",
        (locator,),
        as_owner=True,
    )


def unreferenced(most: int, behind: str = "") -> Statement:
    """Return contents that nothing refers to, in the order of their locators, behind one of them."""
    return Statement(
        f"""select locator from _reactor_storage.blobs b
          where locator > $2 and {_UNREFERENCED} order by locator limit $1""",
        (str(most), behind),
        as_owner=True,
    )


def count_unreferenced() -> Statement:
    """Count the contents that nothing refers to."""
    return Statement(f"select count(*) from _reactor_storage.blobs b where {_UNREFERENCED}", as_owner=True)


def unknown_blobs(locators: Sequence[str]) -> Statement:
    """Return those of the locators that no row knows."""
    return Statement(
        """select l from unnest($1::text[]) l
          where not exists (select from _reactor_storage.blobs b where b.locator = l)""",
        (array(locators),),
        as_owner=True,
    )


def claim_blob(locator: str) -> Statement:
    """Note a content that no row knows, and hold it; no row where somebody else noted it meanwhile."""
    return Statement(
        """insert into _reactor_storage.blobs (locator, size, sha256) values ($1, 0, '')
          on conflict (locator) do nothing returning locator""",
        (locator,),
        as_owner=True,
    )


def spend(signature: str, expires: int) -> Statement:
    """Note that a single-use URL was used; a violation of signed_uses_pkey when it was before."""
    return Statement(
        "insert into _reactor_storage.signed_uses (signature, expires_at) values ($1, to_timestamp($2::bigint))",
        (signature, str(expires)),
        as_owner=True,
    )


def forget_uses() -> Statement:
    """Drop the notes of URLs that no longer work anyway."""
    return Statement(
        "delete from _reactor_storage.signed_uses where expires_at < now() - interval '1 minute'", as_owner=True
    )


def audit(
    event: str, identity: Identity, request_id: str, *, bucket: str | None = None, key: str | None = None,
    org_id: str | None = None, details: Mapping[str, Any] | None = None,
) -> Statement:  # fmt: skip
    """Record a change in its own transaction."""
    return Statement(
        """insert into _reactor_storage.audit_events
            (id, event_type, bucket, object_key, actor_user_id, actor_apikey_id, org_id, request_id, details)
          values ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        (
            str(uuid7()), event, bucket, key, identity.user_id, identity.api_key_id, org_id or identity.org_id,
            request_id, _encode(details or {}),
        ),
        as_owner=True,
    )  # fmt: skip


def array(items: Sequence[str]) -> str:
    """Write a Postgres array literal."""
    return "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items) + "}"


def _boolean(value: object) -> str:
    return "true" if value else "false"
