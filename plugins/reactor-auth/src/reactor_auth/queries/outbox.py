"""What the mail service asks the outbox; raw, because an idle server asks it and need not load SQLAlchemy for it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from reactor_kernel.api import Statement

_CLAIM = """\
UPDATE _reactor_auth.mail_outbox m SET attempts = m.attempts + 1, due_at = $2::timestamptz
FROM (
    SELECT id FROM _reactor_auth.mail_outbox WHERE state = 'queued' AND due_at <= $1::timestamptz
    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
) AS due
WHERE m.id = due.id
RETURNING m.id, m.template, m.recipient, m.variables_sealed, m.attempts, m.expires_at <= $1::timestamptz"""

_FINISH = """\
UPDATE _reactor_auth.mail_outbox
SET state = $2::text, finished_at = $3::timestamptz, last_error = $4::text,
    variables_sealed = CASE WHEN $5::boolean THEN variables_sealed END
WHERE id = $1::uuid AND state = 'queued' AND attempts = $6::integer"""

_POSTPONE = """\
UPDATE _reactor_auth.mail_outbox SET due_at = $2::timestamptz, last_error = $3::text
WHERE id = $1::uuid AND state = 'queued' AND attempts = $4::integer"""

# When to look again; NULL for never. A claimed mail is due when its lease ends.
_NEXT = """\
SELECT extract(epoch FROM least(
    (SELECT min(due_at) FROM _reactor_auth.mail_outbox WHERE state = 'queued'),
    (SELECT min(due_at) FROM _reactor_auth.mail_requests)
) - $1::timestamptz)"""

WAITING = Statement(
    "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) "
    "FROM _reactor_auth.mail_outbox WHERE state = 'queued'",
    prepare=False,
)


def claim(now: datetime, lease_until: datetime) -> Statement:
    """Take the mail that is due longest, until the lease ends: id, template, recipient, variables, attempt, expired."""
    return Statement(_CLAIM, (now.isoformat(), lease_until.isoformat()))


def finish(mail_id: UUID, state: str, now: datetime, error: str | None, attempt: int, *, keep: bool) -> Statement:
    """Close a mail; its variables are erased unless `keep`."""
    return Statement(_FINISH, (str(mail_id), state, now.isoformat(), error, "true" if keep else "false", str(attempt)))


def postpone(mail_id: UUID, due_at: datetime, error: str, attempt: int) -> Statement:
    """Try a mail again later."""
    return Statement(_POSTPONE, (str(mail_id), due_at.isoformat(), error, str(attempt)))


def next_due(now: datetime) -> Statement:
    """Tell in how many seconds something is due."""
    return Statement(_NEXT, (now.isoformat(),))


def requests_due(now: datetime) -> Statement:
    """Tell whether a request waits."""
    return Statement(
        "SELECT EXISTS (SELECT FROM _reactor_auth.mail_requests WHERE due_at <= $1::timestamptz)", (now.isoformat(),)
    )
