"""The caller's sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor_auth.assembly import Auth
from reactor_auth.errors import PermissionDenied, invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.model import Caller
from reactor_kernel.api import IdentityKind

if TYPE_CHECKING:
    import falcon

    from reactor_auth.service.session_list import LiveSession

SCOPES = ("others", "all")


class SessionsResource:
    """`/user/sessions`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the caller's live sessions."""
        limit = bodies.number_of(req, "limit", 100, 1, 1000)
        offset = bodies.number_of(req, "offset", 0, 0, 2**31 - 1)
        resp.media = [_render(session) for session in self._auth.session_list.of(_caller(req), limit, offset)]

    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        """End all sessions of the caller, or all others."""
        scope = req.get_param("scope")
        if scope not in SCOPES:
            raise invalid_field("scope", f"must be one of {', '.join(SCOPES)}")
        caller = _caller(req)
        self._auth.session_list.end_all(caller, keep=caller.session_id if scope == "others" else None)
        resp.status = "204 No Content"


class SessionResource:
    """`/user/sessions/{session_id}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_delete(self, req: falcon.Request, resp: falcon.Response, session_id: str) -> None:
        """End one session of the caller."""
        self._auth.session_list.end(_caller(req), bodies.uuid_of(session_id, "session_id"))
        resp.status = "204 No Content"


def _caller(req: falcon.Request) -> Caller:
    """Return the caller. Raises PermissionDenied unless it signed in: machines must not manage people's sessions."""
    caller = render.caller_of(req)
    if req.context.identity.kind is not IdentityKind.USER or caller.session_id is None:
        raise PermissionDenied("sessions are managed by their user only")
    return caller


def _render(session: LiveSession) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": str(session.id),
        "created_at": render.instant(session.created_at),
        "last_seen_at": render.instant(session.last_seen_at),
        "ip": session.ip,
        "user_agent": session.user_agent,
        "amr": list(session.amr),
        "current": session.current,
    }
    if session.mfa_at is not None:
        shown["mfa_at"] = render.instant(session.mfa_at)
    if session.client is not None:
        shown["client"] = session.client
    return shown
