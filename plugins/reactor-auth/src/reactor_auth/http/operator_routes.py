"""The operators' surface: `/_ops/v1/…`, and `/auth/v1/operators/…` as aliases with the same checks (decision 25)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.http import bodies, render
from reactor_auth.model import Caller
from reactor_auth.operators_model import Entry
from reactor_kernel.api import Forbidden, Identity, InvalidCredential, ReactorError, Unauthenticated

if TYPE_CHECKING:
    import falcon

T = TypeVar("T")
READ = "ops:read"
CLUSTER_ADMIN = "ops:cluster_admin"
MAX_PAGE = 100
_BEARER = {"WWW-Authenticate": "Bearer"}


class Named(msgspec.Struct):
    """Whom an operator does something to."""

    email: str


class Bootstrap(msgspec.Struct):
    """`POST …/operators/bootstrap`; the admin token stands here or in the Authorization header."""

    email: str
    admin_token: str | None = None


class _Guarded:
    """Checks callers here and not by the route's metadata, because the log shows refusals too (kernel.md §4.6)."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def _as_operator(self, req: falcon.Request, action: str, scope: str, act: Callable[[Caller, Entry], T]) -> T:
        """Admit an operator and act; whatever is refused is written down."""
        entry = Entry(action, render.origin_of(req), scope=scope)
        rules = self._auth.operator_rules
        try:
            identity = rules.admit(req.context, scope)
            entry = replace(entry, actor=_user_id(identity), step_up_used=rules.needs_step_up(scope))
            return act(render.caller_of(req), entry)
        except ReactorError as refusal:
            self._auth.operators.note_refusal(replace(entry, actor=entry.actor or _known_actor(req)), refusal)
            raise

    def _as_admin(self, req: falcon.Request, action: str, token: str | None, act: Callable[[Entry], T]) -> T:
        """Admit whoever holds the admin token on this machine and act; whatever is refused is written down."""
        entry = Entry(action, render.origin_of(req))
        try:
            if not req.context.client.is_loopback:
                raise Forbidden("this is done on the server itself only", code="untrusted_network")
            if token is None:
                raise Unauthenticated("the admin token is required", code="authentication_required", headers=_BEARER)
            if not self._auth.operator_rules.is_admin_token(token):
                raise InvalidCredential("the admin token is wrong", headers=_BEARER)
            return act(entry)
        except ReactorError as refusal:
            self._auth.operators.note_refusal(entry, refusal)
            raise


class OperatorStatusResource(_Guarded):
    """`GET …/operators/status`, for operators and for whoever may bootstrap."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Tell whether there are operators."""
        action, token = "operators.status", _bearer(req)
        if token is not None and self._auth.operator_rules.is_admin_token(token):
            count = self._as_admin(req, action, token, self._auth.operators.count)
        else:
            count = self._as_operator(req, action, READ, lambda _, entry: self._auth.operators.count(entry))
        message = "There are operators." if count else "There is no operator yet; make the first with bootstrap."
        resp.media = {"operators_exist": count > 0, "count": count, "message": message}


class OperatorBootstrapResource(_Guarded):
    """`POST …/operators/bootstrap`."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make the first operator."""
        body = bodies.read_json(req, Bootstrap)
        token = _bearer(req) or body.admin_token
        user_id = self._as_admin(
            req, "operators.bootstrap", token, lambda entry: self._auth.operators.bootstrap(body.email, entry)
        )
        resp.media = _done(user_id, "is the first operator; sign in again to get the scopes")


class OperatorPromoteResource(_Guarded):
    """`POST …/operators/promote`."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make somebody an operator."""

        def act(caller: Caller, entry: Entry) -> UUID:
            return self._auth.operators.promote(bodies.read_json(req, Named).email, caller, entry)

        user_id = self._as_operator(req, "operators.promote", CLUSTER_ADMIN, act)
        resp.media = _done(user_id, "is an operator; the scopes come with the next sign-in")


class OperatorDemoteResource(_Guarded):
    """`POST …/operators/demote`."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take the role away from somebody."""

        def act(caller: Caller, entry: Entry) -> UUID:
            return self._auth.operators.demote(bodies.read_json(req, Named).email, caller, entry)

        user_id = self._as_operator(req, "operators.demote", CLUSTER_ADMIN, act)
        resp.media = _done(user_id, "is no operator any more")


class OperatorRemoveFactorsResource(_Guarded):
    """`POST …/operators/remove-factors`."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Remove all second factors of somebody who lost them."""

        def act(caller: Caller, entry: Entry) -> UUID:
            return self._auth.operators.remove_factors(bodies.read_json(req, Named).email, caller, entry)

        user_id = self._as_operator(req, "operators.remove_factors", CLUSTER_ADMIN, act)
        resp.media = _done(user_id, "has no second factor any more")


class OperatorAuditResource(_Guarded):
    """`GET /_ops/v1/audit`."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show what operators did, newest first."""

        def act(_: Caller, entry: Entry) -> dict[str, object]:
            limit = bodies.number_of(req, "limit", 50, 1, MAX_PAGE)
            offset = bodies.number_of(req, "offset", 0, 0, 10**9)
            named = req.get_param("actor_user_id")
            actor = None if named is None else bodies.uuid_of(named, "actor_user_id")
            page = self._auth.operators.log_page(limit, offset, actor, entry)
            return {"entries": [_entry(row) for row in page.rows], "total": page.total}

        resp.media = self._as_operator(req, "audit.list", READ, act)


def _entry(row: object) -> dict[str, object]:
    def text(name: str) -> str | None:
        value = getattr(row, name)
        return None if value is None else str(value)

    return {
        "id": row.id,  # type: ignore[attr-defined]
        "timestamp": render.instant(row.ts),  # type: ignore[attr-defined]
        **{name: text(name) for name in ("actor_user_id", "actor_ip", "action", "scope_used")},
        **{name: text(name) for name in ("resource_type", "resource_id", "status")},
        "step_up_used": row.step_up_used,  # type: ignore[attr-defined]
    }


def _done(user_id: UUID, message: str) -> dict[str, object]:
    return {"success": True, "user_id": str(user_id), "message": f"The user {message}."}


def _bearer(req: falcon.Request) -> str | None:
    scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _user_id(identity: Identity) -> UUID | None:
    return None if identity.user_id is None else UUID(identity.user_id)


def _known_actor(req: falcon.Request) -> UUID | None:
    """Name a refused caller where its token is good."""
    try:
        return _user_id(req.context.identity)
    except ReactorError:
        return None
