"""The SQL of lifecycle rules. Each statement finds what is due in the order of an index, so that what is not due costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from reactor_kernel.api import Statement
from reactor_storage.history_queries import VERSION
from reactor_storage.model import Bucket
from reactor_storage.queries import BUCKET, after_all, array

_IN = "v.org_id = $1 and v.bucket = $2 and v.key >= $3 and ($4::text is null or v.key < $4)"
_EARLIER = "v.superseded_at < $5"
# A note of a deletion of which nothing is left that it could hide.
_LONE = """v.superseded_at is null and v.delete_marker and v.created_at < $5 and not exists (
  select from _reactor_storage.versions e where e.org_id = $1 and e.bucket = $2 and e.key = v.key and e.id <> v.id)"""


def buckets_with_rules() -> Statement:
    """Return the buckets of all organisations that have lifecycle rules."""
    return Statement(f"select {BUCKET} from storage.buckets b where b.lifecycle <> '[]' order by b.id", as_owner=True)


def expired(bucket: Bucket, prefix: str, before: datetime, most: int) -> Statement:
    """Return keys of objects whose current content is older than an instant, oldest first, each with its version's id."""
    # A subquery that is no join: else the planner may begin with all objects of the bucket.
    return Statement(
        f"""select v.key, v.id from _reactor_storage.versions v where {_IN}
            and v.superseded_at is null and not v.delete_marker and v.created_at < $5
            and (select o.version_id from storage.objects o where o.org_id = $1 and o.bucket = $2 and o.key = v.key) = v.id
          order by v.created_at limit $6""",
        _place(bucket, prefix, before, most),
        as_owner=True,
    )


def earlier(bucket: Bucket, prefix: str, before: datetime, most: int) -> Statement:
    """Return keys of versions that ceased to be the current one before an instant, each with the version's id."""
    return Statement(
        f"""select v.key, v.id from _reactor_storage.versions v where {_IN} and {_EARLIER}
          order by v.superseded_at limit $6""",
        _place(bucket, prefix, before, most),
        as_owner=True,
    )


def lone_notes(bucket: Bucket, prefix: str, before: datetime, most: int) -> Statement:
    """Return keys of deletions before an instant of which no version is left, each with the id of the note."""
    return Statement(
        f"""select v.key, v.id from _reactor_storage.versions v where {_IN} and {_LONE}
          order by v.created_at limit $6""",
        _place(bucket, prefix, before, most),
        as_owner=True,
    )


def forget_due(bucket: Bucket, prefix: str, before: datetime, ids: Sequence[str]) -> Statement:
    """Remove those of the versions that are still due now that their keys are held; returns them."""
    return Statement(
        f"""with v as (delete from _reactor_storage.versions v
            where {_IN} and v.id = any($6) and (({_EARLIER}) or ({_LONE})) returning *)
          select {VERSION} from v""",
        (*_place(bucket, prefix, before, 0)[:5], array(ids)),
        as_owner=True,
    )


def _place(bucket: Bucket, prefix: str, before: datetime, most: int) -> tuple[str | None, ...]:
    return bucket.org_id, bucket.name, prefix, after_all(prefix), before.isoformat(), str(most)
