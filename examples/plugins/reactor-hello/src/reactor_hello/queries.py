"""Every statement of the plugin; nothing here runs one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from reactor_hello.tables import greetings, tallies


def insert_greeting(greeting_id: UUID, org_id: UUID | None, name: str, text: str, now: datetime) -> sa.Executable:
    """Store one greeting."""
    return sa.insert(greetings).values(id=greeting_id, org_id=org_id, name=name, text=text, created_at=now)


def newest_greetings(org_id: UUID | None, limit: int) -> sa.Executable:
    """Read an organisation's greetings, newest first; ids are UUIDv7, so they settle ties in time order."""
    return (
        sa.select(greetings)
        .where(greetings.c.org_id.is_not_distinct_from(org_id))
        .order_by(greetings.c.created_at.desc(), greetings.c.id.desc())
        .limit(limit)
    )


def recount(name: str) -> sa.Executable:
    """Set a name's tally to the greetings there are; running it twice changes nothing."""
    times = sa.select(sa.func.count()).select_from(greetings).where(greetings.c.name == name).scalar_subquery()
    statement = insert(tallies).values(name=name, times=times)
    return statement.on_conflict_do_update(index_elements=[tallies.c.name], set_={"times": statement.excluded.times})


def tally_of(name: str) -> sa.Executable:
    """Read how often a name was greeted."""
    return sa.select(tallies.c.times).where(tallies.c.name == name)


def delete_before(instant: datetime) -> sa.Executable:
    """Delete the greetings made before an instant."""
    return sa.delete(greetings).where(greetings.c.created_at < instant)


def count_greetings() -> sa.Executable:
    """Count what is stored."""
    return sa.select(sa.func.count()).select_from(greetings)


def any_greeting() -> sa.Executable:
    """Touch the table as cheaply as possible."""
    return sa.select(greetings.c.id).limit(1)
