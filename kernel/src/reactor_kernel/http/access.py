"""The access check of every request, made from the route's own metadata before the resource is called."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import threading
import time
from typing import Any, cast

import falcon

from reactor_kernel.contracts.identity import IdentityKind
from reactor_kernel.contracts.permissions import grants
from reactor_kernel.contracts.runtime import Clock
from reactor_kernel.contributions import Access
from reactor_kernel.errors import Forbidden, PermissionDenied, Unauthenticated, Unavailable
from reactor_kernel.http.address import parse
from reactor_kernel.http.body import too_large
from reactor_kernel.http.context import Context
from reactor_kernel.http.errors import answer_instead, standard_body
from reactor_kernel.http.mounting import Route, Rule

_BEARER = {"WWW-Authenticate": "Bearer"}
_REFERENCES = ("env:", "vault:", "file:", "{{")


class AdminGate:
    """The admin bearer and the loopback rule (kernel.md §4.2)."""

    def __init__(self, token: str, *, allow_remote: bool) -> None:
        usable = token and not token.startswith(_REFERENCES)
        self._digest = hashlib.sha256(token.encode()).digest() if usable else None
        self._allow_remote = allow_remote

    def check(self, req: falcon.Request) -> None:
        """Raise unless the caller is on this machine and holds the token."""
        context: Context = cast(Context, req.context)
        if not self._allow_remote and not context.client.is_loopback:
            raise Forbidden(
                "admin access restricted to loopback",
                hint="call from the server itself, or set [admin] allow_remote = true",
            )
        token = _bearer(req)
        if not token:
            raise Unauthenticated("the admin token is required", headers=_BEARER)
        if not self.knows(token):
            raise Unauthenticated("the admin token is wrong", headers=_BEARER)

    def check_unless_service(self, req: falcon.Request) -> None:
        """Raise unless the caller is a service, or may pass `check`."""
        # The admin token is not shown to plugins, which would refuse it as a credential of theirs.
        context: Context = cast(Context, req.context)
        token = _bearer(req)
        if not token or self.knows(token) or context.identity.kind is not IdentityKind.SERVICE:
            self.check(req)

    def knows(self, token: str) -> bool:
        """Tell in constant time whether this is the admin token."""
        offered = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        return self._digest is not None and hmac.compare_digest(offered, self._digest)


def _bearer(req: falcon.Request) -> str:
    """Return the bearer token that was sent; empty = none."""
    scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class OperatorGate:
    """Platform operators: network, user, scope, fresh second factor, in that order (kernel.md §4.6).

    With `[ops] enabled = false` there is no operator surface: its routes answer as if they were not mounted.
    """

    def __init__(self, config: Any, clock: Clock) -> None:
        self._enabled = bool(config.enabled)
        self._networks = [ipaddress.ip_network(str(network), strict=False) for network in config.trusted_networks]
        self._flagged = tuple(config.require_step_up_for)
        self._window = int(config.step_up_window_secs)
        self._clock = clock

    def check(self, context: Context, rule: Rule) -> None:
        """Raise unless the caller is an operator who may use this route now."""
        if not self._enabled:
            raise falcon.HTTPRouteNotFound
        address = parse(context.client.address)
        if address is None or not any(address.version == n.version and address in n for n in self._networks):
            raise Forbidden("operators call from trusted networks only", code="untrusted_network")
        identity = context.identity
        if identity.kind is not IdentityKind.USER:
            raise Unauthenticated("operators sign in as users", code="authentication_required", headers=_BEARER)
        wanted = rule.permission or ""
        if not grants(identity.scopes, wanted):
            raise Forbidden(f"this needs the platform scope {wanted}", code="missing_scope")
        verified = identity.claims.get("mfa_at")
        fresh = isinstance(verified, int) and self._clock.now().timestamp() - verified <= self._window
        if wanted in self._flagged and not fresh:
            raise Forbidden(
                "this needs a fresh second factor",
                code="step_up_required",
                headers={"WWW-Authenticate": 'WebAuthn realm="reactor-ops"'},
            )


class StreamSlots:
    """Streams hold a thread each; there are fewer slots than threads, so that requests always find one."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most) if most else None

    def take(self, context: Context) -> None:
        """Take a slot until the response is closed; 503 when none is free."""
        if self._free is None or not self._free.acquire(blocking=False):
            raise Unavailable("too many open streams", headers={"Retry-After": "1"})
        context.on_close.append(self._free.release)


class AccessCheck:
    """Falcon middleware: checks the matched route's rule."""

    def __init__(self, routes: dict[str, Route], admin: AdminGate, slots: StreamSlots, operators: OperatorGate) -> None:
        self._operators = operators
        self._routes = routes
        self._admin = admin
        self._slots = slots

    def process_resource(self, req: falcon.Request, resp: falcon.Response, resource: object, params: Any) -> None:
        """Refuse callers that the matched route does not admit."""
        route = self._routes.get(req.uri_template or "")
        if route is None:
            return
        context: Context = cast(Context, req.context)
        context.route = route
        context.owner = route.owner
        if "" in params.values():  # `/x/` is not `/x/{name}` with no name
            raise falcon.HTTPRouteNotFound
        rule = route.rules.get(req.method)
        if rule is None:  # Falcon answers 405, or OPTIONS with the methods there are
            return
        self.admit(req, context, rule)
        length = req.content_length
        if length is not None and length > rule.body_limit:
            raise too_large(rule.body_limit)
        if rule.timeout and not rule.stream:
            context.deadline = time.monotonic() + rule.timeout
        if rule.stream:
            self._slots.take(context)
        else:
            context.claim = self._slots.take

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool) -> None:
        """Answer 408 to a read whose time was over before it answered.

        A thread cannot be stopped, and a write that was done is not reported as failed.
        """
        deadline = cast(Context, req.context).deadline
        if deadline is None or not succeeded or req.method not in ("GET", "HEAD") or time.monotonic() <= deadline:
            return
        answer_instead(resp, 408, standard_body(408, req.context.request_id))

    def admit(self, req: falcon.Request, context: Context, rule: Rule) -> None:
        """Raise unless the rule admits the caller."""
        access = rule.access
        if access is Access.PUBLIC:
            if rule.permission is not None:
                context.require(rule.permission)
            return
        if access is Access.ADMIN:
            self._admin.check(req)
            return
        if access is Access.ADMIN_OR_SERVICE:
            self._admin.check_unless_service(req)
            return
        if access is Access.OPERATOR:
            self._operators.check(context, rule)
            return
        kind = context.identity.kind
        if kind is IdentityKind.ANONYMOUS:
            raise Unauthenticated(headers=_BEARER)
        if access is Access.INTERNAL and kind is not IdentityKind.SERVICE:
            raise PermissionDenied("only services of this platform may call this")
        if rule.permission is not None:
            context.require(rule.permission)
