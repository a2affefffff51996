"""The statements of the relay: claim, extend, finish, retry, sweep; and what an operator asks of dead deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from reactor_kernel.contracts.db import RawResult, Statement
from reactor_kernel.errors import NotFound
from reactor_kernel.ids import uuid7

if TYPE_CHECKING:
    from reactor_kernel.contracts.db import Database

# Lateral: every idle subscription gets its own share, however long the backlog of another one is.
_CLAIM = """
WITH due AS (
    SELECT picked.event_id, picked.subscription
    FROM json_array_elements_text($1::json) AS wanted(name),
    LATERAL (
        SELECT event_id, subscription FROM _reactor_kernel.outbox_deliveries
        WHERE state = 'pending' AND subscription = wanted.name AND due_at <= clock_timestamp() AND attempts < $5::int
        ORDER BY due_at, event_id LIMIT $2 FOR UPDATE SKIP LOCKED
    ) AS picked
), taken AS (
    UPDATE _reactor_kernel.outbox_deliveries d
    SET attempts = d.attempts + 1, lease = $3, due_at = clock_timestamp() + $4::interval
    FROM due WHERE d.event_id = due.event_id AND d.subscription = due.subscription
    RETURNING d.event_id, d.subscription, d.attempts
)
SELECT taken.event_id, taken.subscription, taken.attempts, e.topic, e.version, e.payload
FROM taken JOIN _reactor_kernel.outbox_events e ON e.id = taken.event_id
ORDER BY taken.event_id
"""
# Attempts are counted when they begin. An event that ends every process which handles it must come to rest too.
_FATAL = """
UPDATE _reactor_kernel.outbox_deliveries
SET state = 'dead', finished_at = clock_timestamp(), lease = NULL,
    last_error = coalesce(last_error || '; then ', '') || 'the process ended during the last attempt'
WHERE state = 'pending' AND attempts >= $2::int AND due_at <= clock_timestamp()
  AND subscription IN (SELECT json_array_elements_text($1::json))
"""
_EXTEND = """
UPDATE _reactor_kernel.outbox_deliveries d SET due_at = clock_timestamp() + $2::interval
FROM json_array_elements($3::json) AS held
WHERE d.event_id = (held ->> 0)::uuid AND d.subscription = held ->> 1 AND d.state = 'pending' AND d.lease = $1
"""
_DONE = """
UPDATE _reactor_kernel.outbox_deliveries
SET state = 'done', finished_at = clock_timestamp(), lease = NULL, last_error = NULL
WHERE event_id = $1 AND subscription = $2 AND lease = $3 AND state = 'pending'
"""
_FAILED = """
UPDATE _reactor_kernel.outbox_deliveries
SET state = CASE WHEN attempts >= $4::int THEN 'dead' ELSE 'pending' END,
    finished_at = CASE WHEN attempts >= $4::int THEN clock_timestamp() END,
    due_at = clock_timestamp() + $5::interval, lease = NULL, last_error = $6
WHERE event_id = $1 AND subscription = $2 AND lease = $3 AND state = 'pending'
"""
_RETURN = """
UPDATE _reactor_kernel.outbox_deliveries SET due_at = clock_timestamp(), lease = NULL, attempts = attempts - 1
WHERE event_id = $1 AND subscription = $2 AND lease = $3 AND state = 'pending'
"""
_NEXT = """
SELECT extract(epoch FROM min(due_at) - clock_timestamp()) FROM _reactor_kernel.outbox_deliveries
WHERE state = 'pending' AND subscription IN (SELECT json_array_elements_text($1::json))
"""
_SWEEP = (
    "DELETE FROM _reactor_kernel.outbox_deliveries WHERE state = 'done' AND finished_at < now() - $1::interval",
    """
    DELETE FROM _reactor_kernel.outbox_events e WHERE created_at < now() - $1::interval
    AND NOT EXISTS (SELECT FROM _reactor_kernel.outbox_deliveries d WHERE d.event_id = e.id)
    """,
)
_DEAD = """
SELECT d.event_id, d.subscription, e.topic, d.attempts, d.last_error, d.finished_at
FROM _reactor_kernel.outbox_deliveries d JOIN _reactor_kernel.outbox_events e ON e.id = d.event_id
WHERE d.state = 'dead' ORDER BY d.finished_at DESC, d.event_id, d.subscription LIMIT $1
"""
_REVIVE = """
UPDATE _reactor_kernel.outbox_deliveries
SET state = 'pending', attempts = 0, due_at = now(), finished_at = NULL, lease = NULL
WHERE event_id = $1 AND subscription = $2 AND state = 'dead'
"""
_BACKLOG = "SELECT state, count(*) FROM _reactor_kernel.outbox_deliveries WHERE state <> 'done' GROUP BY state"


@dataclass(frozen=True, slots=True)
class Claim:
    """One delivery this node works on."""

    event: str
    subscription: str
    attempt: int
    topic: str
    version: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class DeadDelivery:
    """A delivery that was given up; the event is kept."""

    event: str
    subscription: str
    topic: str
    attempts: int
    error: str
    died_at: str


class Outbox:
    """The outbox tables as the relay and operators use them; `lease` identifies one relay's claims."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.lease = str(uuid7())

    def claim(self, subscriptions: Sequence[str], *, each: int, lease_secs: float, most: int) -> list[Claim]:
        """Take up to `each` due deliveries of every subscription; nobody else gets them until the lease ends.

        Those whose `most` attempts are used up, because the process died in each, become dead instead.
        """
        names = _names(subscriptions)
        _, result = self._database.run(
            None,
            [
                Statement(_FATAL, (names, str(most))),
                Statement(_CLAIM, (names, str(each), self.lease, _seconds(lease_secs), str(most))),
            ],
        )
        return [
            Claim(_text(event), _text(name), int(attempt or 0), _text(topic), int(version or 0), payload or b"")
            for event, name, attempt, topic, version, payload in result.rows
        ]

    def extend(self, claims: Iterable[Claim], lease_secs: float) -> None:
        """Prolong the lease of deliveries that are still in hand."""
        held = msgspec.json.encode([(claim.event, claim.subscription) for claim in claims])
        self._run(_EXTEND, self.lease, _seconds(lease_secs), held)

    def done(self, claim: Claim) -> bool:
        """Record a delivery; False when the lease was lost meanwhile."""
        return self._run(_DONE, claim.event, claim.subscription, self.lease).affected == 1

    def failed(self, claim: Claim, error: str, *, most: int, delay_secs: float) -> None:
        """Record a failure: tried again after the delay, or dead after the last attempt."""
        shown = error.replace("\0", "")[:2000].encode("utf-8", "replace")
        self._run(_FAILED, claim.event, claim.subscription, self.lease, str(most), _seconds(delay_secs), shown)

    def give_back(self, claim: Claim) -> None:
        """Return a delivery that was not begun."""
        self._run(_RETURN, claim.event, claim.subscription, self.lease)

    def next_due(self, subscriptions: Sequence[str]) -> float | None:
        """Return in how many seconds the next delivery is due; None when nothing is pending."""
        [[value]] = self._run(_NEXT, _names(subscriptions)).rows
        return float(value) if value is not None else None

    def sweep(self, keep_secs: float) -> None:
        """Remove what was delivered longer ago than that. Dead deliveries and their events stay."""
        self._database.run(None, [Statement(sql, (_seconds(keep_secs),)) for sql in _SWEEP])

    def dead(self, limit: int = 100) -> list[DeadDelivery]:
        """Return the latest deliveries that were given up."""
        return [
            DeadDelivery(_text(event), _text(name), _text(topic), int(tries or 0), _text(error), _text(at))
            for event, name, topic, tries, error, at in self._run(_DEAD, str(limit)).rows
        ]

    def revive(self, event: str, subscription: str) -> None:
        """Try a dead delivery again from the first attempt. Raises NotFound."""
        if self._run(_REVIVE, event, subscription).affected == 0:
            raise NotFound(f"there is no dead delivery of event {event} to {subscription}", code="delivery_not_found")

    def backlog(self) -> dict[str, int]:
        """Count deliveries that are pending and dead."""
        return {"pending": 0, "dead": 0} | {_text(state): int(count or 0) for state, count in self._run(_BACKLOG).rows}

    def _run(self, sql: str, *params: str | bytes) -> RawResult:
        return self._database.run(None, [Statement(sql, params)])[0]


def _names(subscriptions: Sequence[str]) -> bytes:
    return msgspec.json.encode(list(subscriptions))


def _seconds(value: float) -> str:
    return f"{value:.3f} seconds"


def _text(value: bytes | None) -> str:
    return value.decode() if value is not None else ""
