"""The SQL of renditions, all of it as the owner: who may see one was decided with its source."""

from __future__ import annotations

from reactor_kernel.api import Statement

# Written at most once in this time for each rendition, so that reading writes little.
_NOTED = "interval '1 hour'"
_LISTED = """listed as (
  select source, transform, used_at, sum(size) over (order by used_at desc, source, transform) as upto
  from _reactor_storage.renditions)"""
_OVER = "(upto > $1 or listed.used_at < now() - make_interval(days => $2))"


def rendition(source: str, transform: str) -> Statement:
    """Return a rendition: locator, size, etag, content type, and whether its last use is to be noted."""
    return Statement(
        f"""select locator, size, etag, content_type, used_at < now() - {_NOTED}
          from _reactor_storage.renditions where source = $1 and transform = $2""",
        (source, transform),
        as_owner=True,
    )


def note_use(source: str, transform: str) -> Statement:
    """Note that a rendition was used."""
    return Statement(
        "update _reactor_storage.renditions set used_at = now() where source = $1 and transform = $2",
        (source, transform),
        as_owner=True,
    )


def insert(source: str, transform: str, locator: str, size: int, etag: str, content_type: str) -> Statement:
    """Note a rendition; returns the one that is there now, which another process may have noted first.

    A violation of renditions_source_fkey where the source is gone.
    """
    return Statement(
        """insert into _reactor_storage.renditions (source, transform, locator, size, etag, content_type)
          values ($1, $2, $3, $4, $5, $6)
          on conflict (source, transform) do update set used_at = now() returning locator, size, etag, content_type, false""",
        (source, transform, locator, str(size), etag, content_type),
        as_owner=True,
    )


def forget(source: str, transform: str, locator: str) -> Statement:
    """Forget a rendition that is still the one under a locator."""
    return Statement(
        "delete from _reactor_storage.renditions where source = $1 and transform = $2 and locator = $3",
        (source, transform, locator),
        as_owner=True,
    )


def of_source(source: str) -> Statement:
    """Return the locators of what was rendered from a content."""
    return Statement(
        "select locator from _reactor_storage.renditions where source = $1 and locator <> source",
        (source,),
        as_owner=True,
    )


def evict(max_bytes: int, days: int, most: int) -> Statement:
    """Forget up to `most` renditions that were not used for long, or that the others leave no room for.

    Returns a row for each: its locator, or null where that is its source's, which the source keeps.
    """
    return Statement(
        f"""with {_LISTED},
          chosen as (
            select r.source, r.transform from _reactor_storage.renditions r join listed using (source, transform)
            where {_OVER}
            -- Whoever removes the source of one holds it, and removes it.
            order by listed.used_at limit $3 for update of r skip locked)
          delete from _reactor_storage.renditions r using chosen
          where r.source = chosen.source and r.transform = chosen.transform returning nullif(r.locator, r.source)""",
        (str(max_bytes), str(days), str(most)),
        as_owner=True,
    )


def count_evicted(max_bytes: int, days: int) -> Statement:
    """Count the renditions that `evict` would forget in the end."""
    return Statement(
        f"with {_LISTED} select count(*) from listed where {_OVER}", (str(max_bytes), str(days)), as_owner=True
    )
