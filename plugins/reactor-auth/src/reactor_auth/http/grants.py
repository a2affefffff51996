"""The grants of `POST /token`: a table from `grant_type` to what answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from reactor_auth.assembly import Auth
from reactor_auth.errors import invalid_field
from reactor_auth.http import bodies, exchange, render
from reactor_auth.model import Origin, Tokens, User
from reactor_kernel.api import ReactorError

if TYPE_CHECKING:
    import falcon

T = TypeVar("T")
# Answers one grant: the body of the reply, or an error raised.
Grant = Callable[[Auth, bodies.TokenRequest, "falcon.Request"], dict[str, Any]]


def password(auth: Auth, body: bodies.TokenRequest, req: falcon.Request) -> dict[str, Any]:
    """Exchange an e-mail address and a password."""
    # OAuth's own name for the address is accepted as well (RFC 6749 §4.3.2).
    email = required(body.email if body.email is not None else body.username, "email")
    user, tokens = sign_in(auth, email, required(body.password, "password"), render.origin_of(req))
    return {**render.oauth_tokens(tokens), "user": render.user(user)}


def refresh_token(auth: Auth, body: bodies.TokenRequest, req: falcon.Request) -> dict[str, Any]:
    """Exchange a refresh token."""
    presented = required(body.refresh_token, "refresh_token")

    def refresh() -> Tokens:
        return auth.sessions.refresh(presented, render.origin_of(req))

    return render.oauth_tokens(counted(auth.metrics.refreshed, refresh))


def otp(auth: Auth, body: bodies.TokenRequest, req: falcon.Request) -> dict[str, Any]:
    """Exchange the code of a mail, or the token of its link."""
    email, secret, origin = required(body.email, "email"), required(body.token, "token"), render.origin_of(req)
    user, tokens = counted(auth.metrics.signed_in, lambda: auth.verification.exchange(email, secret, origin))
    return {**render.oauth_tokens(tokens), "user": render.user(user)}


GRANTS: Mapping[str, Grant] = {
    "password": password,
    "refresh_token": refresh_token,
    "otp": otp,
    exchange.GRANT: exchange.token_exchange,
}


def sign_in(auth: Auth, email: str, password: str, origin: Origin) -> tuple[User, Tokens]:
    """Sign in and count the outcome."""
    return counted(auth.metrics.signed_in, lambda: auth.accounts.sign_in(email, password, origin))


def counted(count: Callable[[str], None], action: Callable[[], T]) -> T:
    """Run an action and count its outcome: `ok`, or the code of its refusal."""
    try:
        answer = action()
    except ReactorError as refusal:
        count(refusal.error_code)
        raise
    count("ok")
    return answer


def required(value: str | None, name: str) -> str:
    """Return a parameter, or raise the validation error for an absent one."""
    if not value:
        raise invalid_field(name, "is required")
    return value
