"""Invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.errors import invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.model import Caller, Member
from reactor_kernel.api import IdentityKind

if TYPE_CHECKING:
    import falcon

    from reactor_auth.service.invitations import Invitation


class Invite(msgspec.Struct):
    """`POST /orgs/{ref}/invitations`; `roleId` is what the JavaScript client sends."""

    email: str
    role_id: str | None = None
    role_id_camel: str | None = msgspec.field(default=None, name="roleId")


class Accept(msgspec.Struct):
    """`POST /invitations/accept`."""

    token: str | None = None


class OrgInvitationsResource:
    """`/orgs/{ref}/invitations`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """List pending invitations."""
        resp.media = [shown(found) for found in self._auth.invitations.of_org(render.actor_of(req), ref)]

    def on_post(self, req: falcon.Request, resp: falcon.Response, ref: str) -> None:
        """Invite somebody."""
        actor = render.actor_of(req)
        body = bodies.read_json(req, Invite)
        wanted = body.role_id if body.role_id is not None else body.role_id_camel
        role_id = None if wanted is None else bodies.uuid_of(wanted, "role_id")
        invitation, link = self._auth.invitations.invite(actor, ref, body.email, role_id)
        render.no_store(resp)
        resp.status = "201 Created"
        resp.media = {**shown(invitation), "invite_link": link}


class OrgInvitationResource:
    """`DELETE /orgs/{ref}/invitations/{invitation}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_delete(self, req: falcon.Request, resp: falcon.Response, ref: str, invitation: str) -> None:
        """Withdraw an invitation."""
        self._auth.invitations.revoke(render.actor_of(req), ref, bodies.uuid_of(invitation, "invitation_id"))
        resp.status = "204 No Content"


class OwnInvitationsResource:
    """`GET /invitations`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List what the caller's verified address is invited to."""
        resp.media = [shown(found) for found in self._auth.invitations.of_user(render.caller_of(req))]


class InvitationResource:
    """`DELETE /invitations/{invitation}`: the same as below its organisation."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_delete(self, req: falcon.Request, resp: falcon.Response, invitation: str) -> None:
        """Withdraw an invitation."""
        self._auth.invitations.revoke(render.actor_of(req), None, bodies.uuid_of(invitation, "invitation_id"))
        resp.status = "204 No Content"


class AcceptResource:
    """`POST /invitations/accept` and `POST /orgs/{ref}/invitations/{invitation}/accept`, where the token is in the path."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(
        self, req: falcon.Request, resp: falcon.Response, ref: str | None = None, invitation: str | None = None
    ) -> None:
        """Join, or without a caller say what signing up would join."""
        # Looked at before the body: who may not accept learns nothing of it.
        caller_or_none(req)
        found, member = accepted(self._auth, req, invitation or _token(req))
        resp.media = {**({} if member is None else render.member(member)), **outcome(found, member)}


def shown(value: Invitation) -> dict[str, Any]:
    """Render an invitation."""
    return {
        "id": str(value.id),
        "email": value.email,
        "org_id": str(value.org_id),
        "org_name": value.org_name,
        "org_slug": value.org_slug,
        "role_id": str(value.role_id),
        "role_name": value.role_name,
        "status": value.status,
        "created_at": render.instant(value.created_at),
        "expires_at": render.instant(value.expires_at),
    }


def caller_or_none(req: falcon.Request) -> Caller | None:
    """Return the caller, None for an anonymous one. Raises PermissionDenied for whatever may do less than a user."""
    return None if req.context.identity.kind is IdentityKind.ANONYMOUS else render.caller_of(req)


def accepted(auth: Auth, req: falcon.Request, token: str) -> tuple[Invitation, Member | None]:
    """Let the caller join what a token invites to; without a caller only look it up."""
    caller = caller_or_none(req)
    if caller is None:
        return auth.invitations.look_up(token, render.origin_of(req)), None
    return auth.invitations.accept(caller, token)


def outcome(invitation: Invitation, member: Member | None) -> dict[str, Any]:
    """Render what became of an invitation."""
    return {
        "status": "pending_signup" if member is None else "joined",
        "user_id": None if member is None else str(member.user.id),
        "org_id": str(invitation.org_id),
        "email": invitation.email,
        "requires_signup": member is None,
    }


def _token(req: falcon.Request) -> str:
    raw = req.bounded_stream.read()
    token = bodies.decode(raw, Accept).token if raw.strip() else None
    token = token or req.get_param("token")
    if not token:
        raise invalid_field("token", "is required")
    return token
