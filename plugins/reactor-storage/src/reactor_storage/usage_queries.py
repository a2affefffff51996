"""The SQL of what buckets hold."""

from __future__ import annotations

from reactor_kernel.api import Statement

# The row of a resumable upload stays a while after its object is there.
_OPEN = "u.expires_at > now() and not coalesce((u.facts->>'done')::boolean, false)"


def usage(org_id: str) -> Statement:
    """Return what each bucket of an organisation holds, by name."""
    return Statement(
        f"""select json_build_object('id', b.id, 'name', b.name,
            'objects', coalesce(h.objects, 0), 'bytes', coalesce(h.bytes, 0),
            'versions', coalesce(h.versions, 0), 'noncurrent_bytes', coalesce(h.noncurrent_bytes, 0),
            'open_uploads', coalesce(u.uploads, 0), 'upload_bytes', coalesce(u.bytes, 0))
          from storage.buckets b
          left join (
            select bucket, sum(objects) as objects, sum(bytes) as bytes, sum(versions) as versions,
              sum(noncurrent_bytes) as noncurrent_bytes
            from _reactor_storage.usage_changes where org_id = $1 group by bucket) h on h.bucket = b.name
          left join (
            select u.bucket, count(distinct u.id) as uploads, sum(p.size) as bytes
            from _reactor_storage.multipart_uploads u left join _reactor_storage.multipart_parts p on p.upload_id = u.id
            where u.org_id = $1 and {_OPEN} group by u.bucket) u on u.bucket = b.name
          where b.org_id = $1 order by b.name""",
        (org_id,),
        as_owner=True,
    )


def nameless(org_id: str) -> Statement:
    """Return what an organisation's uploads hold that name no bucket: parts of others that are to come."""
    return Statement(
        f"""select json_build_object('open_uploads', count(distinct u.id), 'upload_bytes', coalesce(sum(p.size), 0))
          from _reactor_storage.multipart_uploads u left join _reactor_storage.multipart_parts p on p.upload_id = u.id
          where u.org_id = $1 and u.bucket = '' and {_OPEN}""",
        (org_id,),
        as_owner=True,
    )


def fold(most: int) -> Statement:
    """Replace up to `most` changes by their sums, one row a bucket."""
    return Statement(
        """with changes as (delete from _reactor_storage.usage_changes where ctid in (
            select ctid from _reactor_storage.usage_changes where (org_id, bucket) in (
              select org_id, bucket from _reactor_storage.usage_changes group by org_id, bucket having count(*) > 1)
            limit $1) returning *)
          insert into _reactor_storage.usage_changes
          select org_id, bucket, sum(objects), sum(bytes), sum(versions), sum(noncurrent_bytes) from changes
          group by org_id, bucket
          having sum(objects) <> 0 or sum(bytes) <> 0 or sum(versions) <> 0 or sum(noncurrent_bytes) <> 0""",
        (str(most),),
        as_owner=True,
    )
