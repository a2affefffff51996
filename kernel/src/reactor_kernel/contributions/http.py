"""Routes and what surrounds them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from reactor_kernel.contracts.identity import Identity

_PATH = re.compile(
    r"(/([A-Za-z0-9._~-]+|\{[a-z_]+(:[a-z]+(\([^)]*\))?)?\}|[A-Za-z0-9._~-]*\{[a-z_]+\}[A-Za-z0-9._~-]*)?)+\Z"
)


class Access(Enum):
    """Who may call a route.

    PUBLIC: anyone; `context.identity` still identifies a caller that sent a credential.
    USER: a user or API key.
    ADMIN: the admin token, from loopback unless `[admin] allow_remote`.
    ADMIN_OR_SERVICE: the admin token as for ADMIN, or a service identity.
    INTERNAL: a service identity.
    OPERATOR: a user holding the route's permission as a platform scope.
    """

    PUBLIC = "public"
    USER = "user"
    ADMIN = "admin"
    ADMIN_OR_SERVICE = "admin_or_service"
    INTERNAL = "internal"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """What an error of the platform's own says: the facts of its envelope."""

    status: int
    code: str
    message: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class ErrorMembers:
    """What a route's dialect says beside it: members inside `error`, and members beside `ok` and `error`."""

    members: Mapping[str, object] = field(default_factory=dict)
    top_level: Mapping[str, object] = field(default_factory=dict)


ErrorDialect = Callable[[ErrorFacts], ErrorMembers]


@dataclass(frozen=True, slots=True)
class MethodRule:
    """What differs for one HTTP method of a mount; `None` keeps the mount's own value."""

    access: Access | None = None
    permission: str | None = None
    body_limit: int | None = None
    timeout: float | None = None
    stream: bool | None = None


@dataclass(frozen=True, slots=True)
class Mount:
    """A Falcon resource at a path, with the metadata that decides who may call it.

    Attributes:
        path: a Falcon URI template below the plugin's prefix, e.g. "/data/v1/{relation}".
        resource: an object with `on_get`, `on_post`, … responders.
        access: who may call; there is no default on purpose.
        permission: a permission the caller must hold in its active organisation (voted on by `reactor_authorize`).
        body_limit: bytes of request body accepted; None = 2 MiB. More is 413 before it is read.
        timeout: seconds until 408; None = `[server] request_timeout_secs`; 0 = none.
        stream: the response holds its thread for long (SSE, long downloads) and counts against `max_streams`.
        suffix: Falcon's responder suffix.
        methods: deviations per HTTP method.
        dialect: what the platform's own errors on this route (401, 405, 413 …) say beside the envelope, for clients of
            another API that read theirs elsewhere.
        exposes: names of response headers that scripts of other origins may read, beside `[server.cors] expose_headers`.
    """

    path: str
    resource: object
    access: Access
    permission: str | None = None
    body_limit: int | None = None
    timeout: float | None = None
    stream: bool = False
    suffix: str | None = None
    methods: Mapping[str, MethodRule] = field(default_factory=dict)
    dialect: ErrorDialect | None = None
    exposes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not _PATH.match(self.path):
            raise ValueError(f"path {self.path!r} is not a URI template such as /data/v1/{{name}}")
        if not isinstance(self.access, Access):
            raise TypeError(f"{self.path}: access must be one of {', '.join(a.name for a in Access)}")
        for method in self.methods:
            if method != method.upper():
                raise ValueError(f"{self.path}: method {method!r} must be in upper case")


@dataclass(frozen=True, slots=True)
class Fallback:
    """Answers every request that matches no mounted prefix (host-routed sites). One plugin may bring it."""

    resource: object
    access: Access = Access.PUBLIC


class Phase(Enum):
    """Where a middleware stands: BEFORE_ACCESS sees every request, AFTER_ACCESS only permitted ones."""

    BEFORE_ACCESS = "before_access"
    AFTER_ACCESS = "after_access"


@dataclass(frozen=True, slots=True)
class Middleware:
    """A Falcon middleware component (`process_request`, `process_resource`, `process_response`)."""

    component: object
    phase: Phase = Phase.AFTER_ACCESS


@dataclass(frozen=True, slots=True)
class OpenApiFragment:
    """Part of the merged OpenAPI 3.1 document: `paths`, `components`, `tags`. Each path must be mounted and vice versa."""

    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """The caller's address as resolved through trusted proxies; the one source for limits, audit and loopback checks."""

    address: str
    is_loopback: bool
    user_agent: str | None


class RequestContext(Protocol):
    """`req.context` of every Falcon request."""

    request_id: str
    client: ClientInfo
    deadline: float | None
    """`time.monotonic()` by which the answer should be there; None = no limit. Bound what you wait for by it."""

    @property
    def abandoned(self) -> Callable[[], bool] | None:
        """Tells whether the client went away, for `Database.run`; None where the server engine cannot tell (granian)."""
        ...

    @property
    def identity(self) -> Identity:
        """The caller; the anonymous identity when no credential was sent. Raises InvalidCredential for a bad one."""
        ...

    def require(self, permission: str, target: object = None) -> None:
        """Ask `reactor_authorize` whether the caller may; raises PermissionDenied."""
        ...

    def claim_stream(self) -> None:
        """Count this answer as a stream and free it of its deadline, for a route that streams on some requests only.

        A mount with `stream=True` does so by itself. Raises Unavailable (503) when `[server] max_streams` are open.
        """
        ...


Responder = Callable[..., None]
