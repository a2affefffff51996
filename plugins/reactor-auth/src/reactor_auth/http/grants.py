"""The grants of `POST /token`: a table from `grant_type` to what answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from reactor_auth.assembly import Auth
from reactor_auth.http import bodies, exchange, oauth_grants, render
from reactor_auth.model import Origin, Tokens, User
from reactor_auth.oauth_model import CLIENT_CREDENTIALS, DEVICE
from reactor_kernel.api import ReactorError

if TYPE_CHECKING:
    import falcon

T = TypeVar("T")
# Answers one grant: the body of the reply, or an error raised.
Grant = Callable[[Auth, bodies.TokenRequest, "falcon.Request"], dict[str, Any]]


def password(auth: Auth, body: bodies.TokenRequest, req: falcon.Request) -> dict[str, Any]:
    """Exchange an e-mail address and a password."""
    # OAuth's own name for the address is accepted as well (RFC 6749 §4.3.2).
    email = bodies.required(body.email if body.email is not None else body.username, "email")
    user, tokens = sign_in(auth, email, bodies.required(body.password, "password"), render.origin_of(req))
    return {**render.oauth_tokens(tokens), "user": render.user(user)}


def refresh_token(auth: Auth, body: bodies.TokenRequest, req: falcon.Request) -> dict[str, Any]:
    """Exchange a refresh token."""
    presented = bodies.required(body.refresh_token, "refresh_token")
    presenter = oauth_grants.presenter_of(auth, body, req)

    def refresh() -> Tokens:
        return auth.sessions.refresh(presented, render.origin_of(req), presenter)

    tokens = counted(auth.metrics.refreshed, refresh)
    scopes = tokens.binding.scopes if tokens.binding is not None else ()
    return {**render.oauth_tokens(tokens), **({"scope": " ".join(scopes)} if scopes else {})}


def otp(auth: Auth, body: bodies.TokenRequest, req: falcon.Request) -> dict[str, Any]:
    """Exchange the code of a mail, or the token of its link."""
    email, secret, origin = (
        bodies.required(body.email, "email"),
        bodies.required(body.token, "token"),
        render.origin_of(req),
    )
    user, tokens = counted(auth.metrics.signed_in, lambda: auth.verification.exchange(email, secret, origin))
    return {**render.oauth_tokens(tokens), "user": render.user(user)}


GRANTS: Mapping[str, Grant] = {
    "password": password,
    "refresh_token": refresh_token,
    "otp": otp,
    exchange.GRANT: exchange.token_exchange,
    "authorization_code": oauth_grants.authorization_code,
    CLIENT_CREDENTIALS: oauth_grants.client_credentials,
    DEVICE: oauth_grants.device_code,
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
