"""The audit log of an organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor_auth.assembly import Auth
from reactor_auth.http import bodies, render

if TYPE_CHECKING:
    import falcon

    from reactor_auth.service.audit_reading import AuditEvent


class AuditResource:
    """`GET /orgs/{ref}/audit`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """Return a page of the log, newest first."""
        limit = bodies.number_of(req, "limit", 50, 1, 1000)
        page = self._auth.audit_reader.page(
            render.actor_of(req), ref, limit, req.get_param("cursor"), req.get_param("type")
        )
        resp.media = {"events": [_event(event) for event in page.events], "next_cursor": page.next_cursor}


def _event(value: AuditEvent) -> dict[str, Any]:
    return {
        "id": str(value.id),
        "ts": render.instant(value.at),
        "type": value.event_type,
        "actor_user_id": None if value.actor_user_id is None else str(value.actor_user_id),
        "actor_apikey_id": None if value.actor_api_key_id is None else str(value.actor_api_key_id),
        "resource": value.resource,
        "ip": value.address,
        "user_agent": value.user_agent,
        "details": value.details,
    }
