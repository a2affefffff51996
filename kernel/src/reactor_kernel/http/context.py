"""`req.context`: what the kernel knows of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import falcon

from reactor_kernel.contracts.identity import Identity
from reactor_kernel.contributions.http import ClientInfo
from reactor_kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from reactor_kernel.http.mounting import Route

Identify = Callable[[falcon.Request], Identity]
Authorize = Callable[[Identity, str, object], None]


class Context:
    """Implements `contributions.RequestContext`.

    Attributes:
        request_id: the inbound `X-Request-Id`, or one made here.
        client: the resolved client address.
        route: the matched route with its rules; None before routing and for unknown paths.
        deadline: seconds on the monotonic clock by which the request should be answered; None = no limit.
        claim: takes a place among the open streams; None where one is held, or before the access check.
        on_close: run when the response has been sent or the client went away.
    """

    __slots__ = (
        "_authorize",
        "_identify",
        "_identity",
        "_request",
        "claim",
        "client",
        "deadline",
        "on_close",
        "owner",
        "request_id",
        "route",
        "state",
    )

    def __init__(self, request_id: str, client: ClientInfo, identify: Identify, authorize: Authorize) -> None:
        self.request_id = request_id
        self.client = client
        self.route: Route | None = None
        self.owner = "kernel"
        self.deadline: float | None = None
        self.on_close: list[Callable[[], None]] = []
        self.state: dict[str, Any] = {}
        self.claim: Callable[[Context], None] | None = None
        self._identify = identify
        self._authorize = authorize
        self._request: falcon.Request | None = None
        self._identity: Identity | None = None

    def attach(self, request: falcon.Request) -> None:
        """Set the request that identity is read from."""
        self._request = request

    @property
    def abandoned(self) -> Callable[[], bool] | None:
        """Tells whether the client went away; None where the engine cannot tell."""
        return None if self._request is None else self._request.env.get("waitress.client_disconnected")

    @property
    def identity(self) -> Identity:
        """The caller, identified at the first use; anonymous when no credential was sent."""
        if self._identity is None:
            if self._request is None:
                raise RuntimeError("identity asked for before the request was attached")
            self._identity = self._identify(self._request)
        return self._identity

    @property
    def known_user_id(self) -> str | None:
        """The user behind the request, where somebody has asked for the caller; asking here identifies nobody."""
        return None if self._identity is None else self._identity.user_id

    def claim_stream(self) -> None:
        """Count this answer as a stream and free it of its deadline, for a route that streams on some requests only.

        A mount with `stream=True` does so by itself. Raises Unavailable when all places are taken.
        """
        claim, self.claim, self.deadline = self.claim, None, None
        if claim is not None:
            claim(self)

    def require(self, permission: str, target: object = None) -> None:
        """Raise PermissionDenied unless the plugins allow the caller to do `permission` on `target`."""
        identity = self.identity
        if identity.kind.value == "anon":
            raise Unauthenticated
        self._authorize(identity, permission, target)
