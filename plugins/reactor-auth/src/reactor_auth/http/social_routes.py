"""Signing in with another provider, and the identities of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import msgspec

from reactor_auth import redirects
from reactor_auth.assembly import Auth
from reactor_auth.errors import invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.model import Tokens
from reactor_auth.social.errors import InvalidState
from reactor_auth.social.flow import STATE_SECS, Begun
from reactor_auth.tokens import digest
from reactor_kernel.api import ReactorError

if TYPE_CHECKING:
    import falcon

_COOKIE = "reactor_oauth_"


class LinkRequest(msgspec.Struct):
    """`POST /user/identities/{identity}/link`; the name is a provider's here."""

    redirect_to: str | None = None


def begin_social(auth: Auth, req: falcon.Request, resp: falcon.Response) -> None:
    """Answer `GET /authorize?provider=…&redirect_to=…`: send the browser to the provider."""
    render.no_store(resp)
    target = auth.social.target(_single(req, "redirect_to"))
    name = _single(req, "provider") or ""
    try:
        begun = auth.social.begin(name, target, render.origin_of(req))
    except ReactorError as refusal:
        if refusal.error_code not in ("provider_unavailable", "provider_error"):
            raise
        _see_other(resp, _with_query(target, error=refusal.error_code, error_description=refusal.message))
        return
    _keep(auth, resp, begun)
    _see_other(resp, begun.url)


class CallbackResource:
    """`GET /callback` and `/callback/{provider}`: where providers send browsers back to."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response, provider: str | None = None) -> None:
        """Complete the sign-in and send the browser to the place it named, with tokens or an error."""
        render.no_store(resp)
        resp.set_header("Referrer-Policy", "no-referrer")
        social, origin = self._auth.social, render.origin_of(req)
        state = _single(req, "state")
        if not state:
            raise InvalidState
        cookie = _cookie_name(self._auth, state)
        held = req.get_cookie_values(cookie) or []
        flow = social.take(state, held[0] if len(held) == 1 else None, provider, origin)
        _set_cookie(self._auth, resp, cookie, "", 0)
        try:
            tokens = social.complete(
                flow,
                code=_single(req, "code"),
                error=_single(req, "error"),
                issuer=_single(req, "iss"),
                origin=origin,
            )
        except ReactorError as refusal:
            self._auth.metrics.signed_in_with(flow.provider.name, refusal.error_code)
            _see_other(resp, _with_query(flow.redirect_to, error=refusal.error_code, error_description=refusal.message))
            return
        self._auth.metrics.signed_in_with(flow.provider.name, "ok" if tokens else "linked")
        if tokens is None:
            _see_other(resp, _with_query(flow.redirect_to, linked=flow.provider.name))
        else:
            _see_other(resp, redirects.with_fragment(flow.redirect_to, _fragment(tokens)))


class ProvidersResource:
    """`GET /providers`: what a front end shows buttons for."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._authorize = f"{auth.config.base_url}{auth.prefix}/authorize"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the providers people may sign in with."""
        resp.media = {
            "providers": [
                {
                    "name": provider.name,
                    "label": provider.label,
                    "authorize_url": f"{self._authorize}?provider={quote(provider.name, safe='')}",
                }
                for provider in self._auth.social.providers()
            ]
        }


class IdentitiesResource:
    """`GET /user/identities`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the caller's identities at other providers."""
        resp.media = [
            {
                "id": str(found.id),
                "provider": found.provider,
                "email": found.email,
                "created_at": render.instant(found.created_at),
                "last_used_at": render.instant(found.last_used_at),
            }
            for found in self._auth.identities.of_user(render.caller_of(req).user_id)
        ]


class IdentityResource:
    """`DELETE /user/identities/{identity}`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_delete(self, req: falcon.Request, resp: falcon.Response, identity: str) -> None:
        """Detach an identity from the caller."""
        self._auth.identities.remove(render.caller_of(req), bodies.uuid_of(identity, "identity"))
        resp.status = "204 No Content"


class LinkResource:
    """`POST /user/identities/{identity}/link`; the name is a provider's here."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response, identity: str) -> None:
        """Return the URL at which the caller links a provider; only the browser that asked can finish there."""
        caller = render.caller_of(req)
        wanted = bodies.read_json(req, LinkRequest) if req.content_length else LinkRequest()
        render.no_store(resp)
        # A further way to sign in is as good as a new password.
        self._auth.identities.demand_step_up(caller)
        begun = self._auth.social.begin(identity, wanted.redirect_to, caller.origin, caller)
        _keep(self._auth, resp, begun)
        resp.media = {"url": begun.url}


def _keep(auth: Auth, resp: falcon.Response, begun: Begun) -> None:
    _set_cookie(auth, resp, _cookie_name(auth, begun.state), begun.browser_secret, STATE_SECS)


def _set_cookie(auth: Auth, resp: falcon.Response, name: str, value: str, seconds: int) -> None:
    resp.set_cookie(
        name,
        value,
        max_age=seconds,
        path=_cookie_path(auth),
        secure=_is_secure(auth),
        http_only=True,
        same_site="Lax",
    )


def _cookie_name(auth: Auth, state: str) -> str:
    """Name the cookie by its sign-in, so that two tabs may be under way."""
    return f"{'__Secure-' if _is_secure(auth) else ''}{_COOKIE}{digest(state).hex()[:16]}"


def _cookie_path(auth: Auth) -> str:
    return f"{urlsplit(auth.config.base_url).path}{auth.prefix}/callback"


def _is_secure(auth: Auth) -> bool:
    return auth.config.public_url.startswith("https:")


def _single(req: falcon.Request, name: str) -> str | None:
    values = req.get_param_as_list(name) or []
    if len(values) > 1:
        raise invalid_field(name, "must be given once")
    return values[0] if values else None


def _see_other(resp: falcon.Response, location: str) -> None:
    resp.status = "303 See Other"
    resp.set_header("Location", location)


def _with_query(url: str, **parameters: str) -> str:
    return redirects.with_query(url, parameters)


def _fragment(tokens: Tokens) -> dict[str, str]:
    fields = {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires_at": render.instant(tokens.expires_at),
    }
    return {**fields, "mfa_required": "true"} if tokens.mfa_required else fields
