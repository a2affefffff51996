"""How the plugin is looked at while it runs."""

from __future__ import annotations

from reactor_hello import queries
from reactor_kernel.api import Database, ProbeResult, ReactorError, Readiness


def probe_tables(db: Database) -> ProbeResult:
    """Read the table; an exception is a failure and is reported by the caller."""
    count = stored_greetings(db)
    return ProbeResult(Readiness.OK, f"{count} greetings stored", {"greetings": count})


def reason_unhealthy(db: Database) -> str | None:
    """Return why greetings cannot be served, None when they can."""
    try:
        with db.begin(readonly=True) as tx:
            tx.execute(queries.any_greeting())
    except ReactorError as exc:
        return exc.message
    return None


def stored_greetings(db: Database) -> int:
    """Count what is stored."""
    with db.begin(readonly=True) as tx:
        return int(tx.execute(queries.count_greetings()).scalar_one())
