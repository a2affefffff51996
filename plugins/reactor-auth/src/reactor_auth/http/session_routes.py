"""Sign-up, sign-in, tokens, logout."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from reactor_auth.assembly import Auth
from reactor_auth.client_tokens import ORG
from reactor_auth.errors import invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.http.client_authentication import answered_as_wanted
from reactor_auth.http.grants import GRANTS, sign_in
from reactor_auth.model import Caller, Scope, Tokens
from reactor_auth.oauth_errors import UnsupportedGrantType
from reactor_kernel.api import Forbidden, PermissionDenied, ReactorError, Unauthenticated

if TYPE_CHECKING:
    import falcon


class SignUpResource:
    """`POST /signup`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make a user and sign it in."""
        body = bodies.read_json(req, bodies.SignUp)
        metadata, origin = bodies.metadata_of(body.metadata), render.origin_of(req)
        tokens: Tokens | None
        if body.anonymous:
            if body.email is not None or body.password is not None:
                raise invalid_field("anonymous", "goes without email and password")
            if body.invite_token is not None:
                raise invalid_field("invite_token", "needs the email it was sent to")
            user, tokens = self._auth.anonymous.sign_up(metadata, origin)
        else:
            email, password = _given(body.email, "email"), _given(body.password, "password")
            user, tokens = self._auth.accounts.sign_up(
                email, password, metadata, origin, invite_token=body.invite_token
            )
        render.no_store(resp)
        resp.status = "201 Created"
        resp.media = {"user": render.user(user), "session": None if tokens is None else render.tokens(tokens)}


class LoginResource:
    """`POST /login`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Check a password and open a session."""
        body = bodies.read_json(req, bodies.Credentials)
        user, tokens = sign_in(self._auth, body.email, body.password, render.origin_of(req))
        render.no_store(resp)
        resp.media = {"user": render.user(user), **render.tokens(tokens)}


class TokenResource:
    """`POST /token`: the OAuth 2 token endpoint, for forms and JSON."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Exchange what the grant asks for against tokens."""
        body = self._read(req)
        render.no_store(resp)
        with answered_as_wanted(body, req, resp):
            if not body.grant_type:
                raise invalid_field("grant_type", "is required")
            grant = GRANTS.get(body.grant_type)
            if grant is None:
                problem = f"must be one of {', '.join(GRANTS)}"
                raise UnsupportedGrantType(f"grant_type {problem}", fields={"grant_type": [problem]})
            resp.media = grant(self._auth, body, req)

    def _read(self, req: falcon.Request) -> bodies.TokenRequest:
        if bodies.is_form(req):
            form = bodies.read_form(req)
            return bodies.TokenRequest(**{name: form.get(name) for name in bodies.TokenRequest.__struct_fields__})
        body = bodies.read_json(req, bodies.TokenRequest)
        if body.grant_type is None:
            body.grant_type = req.get_param("grant_type")
        return body


class LogoutResource:
    """`POST /logout`: by the access token, else by a refresh token in the body."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """End sessions as `?scope=` says."""
        scope = _scope(req.get_param("scope"))
        refusal = self._log_out_caller(req, scope)
        if refusal is not None:
            refresh_token = self._token_of_body(req)
            if refresh_token is None:
                raise refusal
            self._auth.sessions.log_out_by_token(refresh_token, scope, render.origin_of(req))
        resp.status = "204 No Content"

    def _log_out_caller(self, req: falcon.Request, scope: Scope) -> ReactorError | None:
        """Log the bearer out; return why there is none."""
        try:
            identity = req.context.identity
        except (Unauthenticated, Forbidden) as refusal:
            return refusal
        if identity.user_id is None:
            return Unauthenticated("logging out needs an access token, or a refresh_token in the body")
        if ORG in identity.claims and identity.session_id is not None:
            # The session was opened for the application, so its token may end it, whatever else it may not do.
            if scope is not Scope.LOCAL:
                raise PermissionDenied("an application may end its own session only; leave scope out")
            caller = Caller(UUID(identity.user_id), UUID(identity.session_id), render.origin_of(req))
        else:
            caller = render.caller_of(req)
        self._auth.sessions.log_out(caller, scope)
        return None

    def _token_of_body(self, req: falcon.Request) -> str | None:
        raw = req.bounded_stream.read()
        return bodies.decode(raw, bodies.LogOut).refresh_token if raw.strip() else None


def _given(value: str | None, name: str) -> str:
    if value is None:
        raise invalid_field(name, "is required")
    return value


def _scope(text: str | None) -> Scope:
    try:
        return Scope(text or "local")
    except ValueError:
        raise invalid_field("scope", f"must be one of {', '.join(scope.value for scope in Scope)}") from None
