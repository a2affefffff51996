"""What is in the outbox, for the service that sends it and for operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from reactor_auth.config import AuthConfig
from reactor_auth.mail.templates import Rendered, Templates
from reactor_auth.pages.colours import readable_on
from reactor_auth.sealing import Sealer
from reactor_kernel.api import Database


def purpose(mail_id: UUID) -> str:
    """What the variables of a mail are sealed for."""
    return f"mail:{mail_id}"


@dataclass(frozen=True, slots=True)
class ListedMail:
    """A mail as an operator sees it; `contents` only where it stays here to be read."""

    id: UUID
    template: str
    to: str
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime | None
    finished_at: datetime | None
    last_error: str | None
    contents: Rendered | None


class Outbox:
    """Renders and lists mails."""

    def __init__(self, config: AuthConfig, db: Database, sealer: Sealer, *, readable: bool) -> None:
        self._config = config
        self._db = db
        self._sealer = sealer
        self._readable = readable
        self.templates = Templates(config.mail.templates_dir)

    def render(self, mail_id: UUID, template: str, to: str, sealed: str) -> Rendered:
        """Render a queued mail. Raises TemplateBroken, SealBroken, msgspec.DecodeError."""
        own = msgspec.json.decode(self._sealer.open(sealed, purpose(mail_id)), type=dict[str, Any])
        return self.templates.render(template, {**self._common(to), **own})

    def recent(self, limit: int, to: str | None = None) -> list[ListedMail]:
        """List mails, newest first."""
        from reactor_auth.queries import mail as sql

        with self._db.begin(readonly=True) as tx:
            rows = tx.execute(sql.listed(limit, to)).all()
        return [self._listed(row) for row in rows]

    def _listed(self, row: Any) -> ListedMail:
        contents = None
        # Where a relay is configured, only the addressee reads the mail.
        if self._readable and row.variables_sealed is not None:
            contents = self.render(row.id, row.template, row.recipient, row.variables_sealed)
        return ListedMail(
            id=row.id,
            template=row.template,
            to=row.recipient,
            state=row.state,
            attempts=row.attempts,
            created_at=row.created_at,
            due_at=row.due_at if row.state == "queued" else None,
            finished_at=row.finished_at,
            last_error=row.last_error,
            contents=contents,
        )

    def _common(self, to: str) -> Mapping[str, object]:
        pages = self._config.pages
        return {
            "app_name": pages.name,
            "accent": pages.accent,
            "on_accent": readable_on(pages.accent),
            "logo_url": pages.logo_url,
            "site_url": self._config.front_url,
            "to": to,
        }
