"""The outbox, for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor_auth.assembly import Auth
from reactor_auth.http import bodies, render
from reactor_auth.mail.outbox import ListedMail

if TYPE_CHECKING:
    import falcon


class OutboxResource:
    """`GET /_admin/outbox`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List mails, newest first; their contents only in development without a relay."""
        limit = bodies.number_of(req, "limit", 50, 1, 500)
        render.no_store(resp)
        resp.media = {
            "mails": [_mail(mail) for mail in self._auth.outbox.recent(limit, bodies.text_of(req, "to") or None)]
        }


def _mail(value: ListedMail) -> dict[str, Any]:
    shown = {
        "id": str(value.id),
        "template": value.template,
        "to": value.to,
        "state": value.state,
        "attempts": value.attempts,
        "created_at": render.instant(value.created_at),
        "due_at": None if value.due_at is None else render.instant(value.due_at),
        "finished_at": None if value.finished_at is None else render.instant(value.finished_at),
        "last_error": value.last_error,
    }
    if value.contents is not None:
        shown |= {"subject": value.contents.subject, "text": value.contents.text, "html": value.contents.html}
    return shown
