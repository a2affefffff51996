"""Refusals of the OAuth provider, and their form for clients that read RFC 6749 §5.2 instead of the envelope."""

from __future__ import annotations

from reactor_kernel.api import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidCredential,
    Kind,
    NotFound,
    ReactorError,
    Unauthenticated,
    ValidationError,
)


class InvalidCode(InvalidCredential):
    """The authorization code is unknown, used, expired, or belongs to another request."""

    hint = "Start over at /auth/v1/authorize."


class InvalidClient(Unauthenticated):
    """The client is unknown, or its authentication failed."""

    code = "invalid_client"


class UnauthorizedClient(BadRequest):
    """The client may not use this grant."""

    code = "unauthorized_client"


class InvalidGrant(BadRequest):
    """What the grant rests on is not valid."""

    code = "invalid_grant"


class InvalidScope(BadRequest):
    """A requested scope is unknown, or the client may not have it."""

    code = "invalid_scope"


class UnsupportedGrantType(ValidationError):
    """There is no such grant."""


class AuthorizationPending(BadRequest):
    """Nobody has decided about the device yet."""

    code = "authorization_pending"


class SlowDown(BadRequest):
    """The device asks too often; add five seconds to the interval."""

    code = "slow_down"


class DeviceCodeExpired(BadRequest):
    """The device code has expired."""

    code = "expired_token"


class AccessDenied(BadRequest):
    """The request was denied."""

    code = "access_denied"


class ClientNotFound(NotFound):
    """There is no such OAuth client in this organisation."""

    code = "oauth_client_not_found"


class ConsentNotFound(NotFound):
    """The caller has given no consent to this client."""

    code = "consent_not_found"


class ClientIsPublic(Conflict):
    """A public client has no secret."""

    code = "client_is_public"


class TooManyClients(Conflict):
    """The organisation may have no more OAuth clients."""

    code = "too_many_oauth_clients"
    hint = "Delete one that is not in use: DELETE /auth/v1/oauth/clients/{client_id}."


class InsufficientScope(Forbidden):
    """The token lacks the scope this needs."""

    code = "insufficient_scope"


class CannotRedirect(BadRequest):
    """The request cannot be answered by sending the browser back: its client or its address is not known."""

    code = "invalid_request"


class RefusedRequest(Exception):
    """An authorization request that is refused by sending the browser back (RFC 6749 §4.1.2.1)."""

    def __init__(self, redirect_uri: str, state: str | None, code: str, description: str) -> None:
        super().__init__(description)
        self.redirect_uri = redirect_uri
        self.state = state
        self.code = code
        self.description = description


_OWN = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "invalid_grant",
        "invalid_scope",
        "authorization_pending",
        "slow_down",
        "expired_token",
        "access_denied",
        "unsupported_token_type",
    }
)


def oauth_code(error: ReactorError) -> str:
    """Return what RFC 6749 calls a refusal of this server."""
    if error.error_code in _OWN:
        return error.error_code
    if isinstance(error, UnsupportedGrantType):
        return "unsupported_grant_type"
    if isinstance(error, BadRequest):
        return "invalid_request"
    if isinstance(error, (Unauthenticated, Forbidden)):
        return "invalid_grant"
    return "temporarily_unavailable" if error.kind in (Kind.RATE_LIMITED, Kind.UNAVAILABLE) else "server_error"


def description(error: ReactorError) -> str:
    """Return a message in the characters RFC 6749 §5.2 allows."""
    return "".join(char if " " <= char <= "~" and char not in '"\\' else "'" for char in error.message)


def oauth_status(error: ReactorError) -> int | None:
    """Return the status RFC 6749 §5.2 wants, None for that of the envelope."""
    if oauth_code(error) == "invalid_client":
        return 401
    return 400 if isinstance(error, (BadRequest, Unauthenticated, Forbidden)) else None
