"""The access check of every request, made from the route's own metadata before the resource is called."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from typing import Any, cast

import falcon

from reactor_kernel.contracts.identity import IdentityKind
from reactor_kernel.contributions import Access
from reactor_kernel.errors import Forbidden, PermissionDenied, Unauthenticated, Unavailable
from reactor_kernel.http.body import too_large
from reactor_kernel.http.context import Context
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
        scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("the admin token is required", headers=_BEARER)
        offered = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        if self._digest is None or not hmac.compare_digest(offered, self._digest):
            raise Unauthenticated("the admin token is wrong", headers=_BEARER)


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
    """Falcon middleware: attaches the request, then checks the matched route's rule."""

    def __init__(self, routes: dict[str, Route], admin: AdminGate, slots: StreamSlots) -> None:
        self._routes = routes
        self._admin = admin
        self._slots = slots

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Hand the request to its context."""
        req.context.attach(req)

    def process_resource(self, req: falcon.Request, resp: falcon.Response, resource: object, params: Any) -> None:
        """Refuse callers that the matched route does not admit."""
        route = self._routes.get(req.uri_template or "")
        if route is None:
            return
        context: Context = cast(Context, req.context)
        context.route = route
        context.owner = route.owner
        rule = route.rules.get(req.method)
        if rule is None:  # Falcon answers 405, or OPTIONS with the methods there are
            return
        self._admit(req, context, rule)
        length = req.content_length
        if length is not None and length > rule.body_limit:
            raise too_large(rule.body_limit)
        if rule.timeout and not rule.stream:
            context.deadline = time.monotonic() + rule.timeout
        if rule.stream:
            self._slots.take(context)

    def _admit(self, req: falcon.Request, context: Context, rule: Rule) -> None:
        access = rule.access
        if access is Access.PUBLIC:
            if rule.permission is not None:
                context.require(rule.permission)
            return
        if access is Access.ADMIN:
            self._admin.check(req)
            return
        identity = context.identity
        kind = identity.kind
        if kind is IdentityKind.ANONYMOUS:
            raise Unauthenticated(headers=_BEARER)
        if access is Access.INTERNAL:
            if kind is not IdentityKind.SERVICE:
                raise PermissionDenied("only services of this platform may call this")
        elif access is Access.OPERATOR:
            self._operator(identity, rule)
            return
        if rule.permission is not None:
            context.require(rule.permission)

    @staticmethod
    def _operator(identity: Any, rule: Rule) -> None:
        from reactor_kernel.contracts.permissions import grants

        if identity.kind is not IdentityKind.USER:
            raise Unauthenticated("operators sign in as users", code="authentication_required", headers=_BEARER)
        if rule.permission is None or not grants(identity.scopes, rule.permission):
            raise Forbidden(f"this needs the platform scope {rule.permission}", code="missing_scope")
