"""`/verify`: links of mails, followed by people and by programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor_auth import redirects
from reactor_auth.assembly import Auth
from reactor_auth.errors import invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.http.invitation_routes import accepted, outcome
from reactor_auth.model import Tokens, User
from reactor_auth.pages import verify as pages
from reactor_auth.purposes import Purpose
from reactor_kernel.api import Conflict, Forbidden, RateLimited, ReactorError, Unauthenticated, ValidationError

if TYPE_CHECKING:
    import falcon

# What a person who followed a link is told on a page; every other fault is one of the server's, and answered as such.
REFUSALS = (Unauthenticated, Forbidden, Conflict, RateLimited)
# A token of an invitation, which `/invitations/accept` takes as well.
INVITE = "invite"
_PURPOSES = {purpose.word: purpose for purpose in Purpose}


class VerifyResource:
    """`GET /verify`, `POST /verify`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show a browser a button that posts the token; use it up for a program."""
        token, kind = req.get_param("token") or "", req.get_param("type") or Purpose.SIGNUP.word
        redirect_to = req.get_param("redirect_to") or None
        if self._is_program(req, kind):
            purpose = _purpose(kind)
            user, tokens = self._auth.verification.verify(
                _required(token, "token"), purpose, render.origin_of(req), sign_in=purpose is Purpose.MAGIC_LINK
            )
            render.no_store(resp)
            resp.media = {
                "verified": True,
                "email": user.email,
                "message": "the e-mail address is confirmed",
                **({} if tokens is None else {"user": render.user(user), "session": render.tokens(tokens)}),
            }
            return
        layout = self._auth.pages
        if kind not in pages.TITLES or not token or not self._may_go(redirect_to):
            layout.answer(
                resp,
                "This link does not work",
                pages.message("It is not complete, or leads to a place this server does not send anybody to."),
                status="400 Bad Request",
            )
            return
        body = pages.confirm(f"{self._auth.prefix}/verify", kind, token, redirect_to)
        layout.answer(resp, pages.TITLES[kind], body, form_targets=[redirect_to or self._auth.config.front_url])

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Use a token up: for the page's form by a redirect, for JSON by an answer."""
        if bodies.is_form(req):
            self._from_page(req, resp)
            return
        body = bodies.read_json(req, bodies.Verify)
        if body.type == INVITE:
            found, member = accepted(self._auth, req, body.token)
            resp.media = {"user": None if member is None else render.user(member.user), **outcome(found, member)}
            return
        user, tokens = self._auth.verification.verify(
            body.token, _purpose(body.type), render.origin_of(req), sign_in=True
        )
        render.no_store(resp)
        resp.media = {
            "user": render.user(user),
            **({} if tokens is None else {"session": render.tokens(tokens)}),
        }

    def _from_page(self, req: falcon.Request, resp: falcon.Response) -> None:
        sent = bodies.read_form(req)
        kind, redirect_to = sent.get("type") or Purpose.SIGNUP.word, sent.get("redirect_to") or None
        purpose = _purpose(kind)
        if not self._may_go(redirect_to):
            raise not_allowed("redirect_to")
        # A confirmed address opens no session in a browser that may be somebody else's.
        opens = purpose in (Purpose.MAGIC_LINK, Purpose.RECOVERY)
        goal = redirect_to or self._auth.config.front_url
        try:
            user, tokens = self._auth.verification.verify(
                _required(sent.get("token"), "token"), purpose, render.origin_of(req), sign_in=opens
            )
        except REFUSALS as refusal:
            self._refused(resp, refusal, goal, shown=self._auth.config.site_url is None and redirect_to is None)
            return
        if tokens is None and redirect_to is None and self._auth.config.site_url is None:
            # There is no front end that could say so.
            title, text = pages.DONE[kind]
            self._auth.pages.answer(resp, title, pages.message(text))
            return
        render.no_store(resp)
        resp.status = "303 See Other"
        resp.set_header("Referrer-Policy", "no-referrer")
        resp.set_header("Location", _goal(goal, user, tokens, kind))

    def _refused(self, resp: falcon.Response, refusal: ReactorError, goal: str, *, shown: bool) -> None:
        if shown:
            self._auth.pages.answer(
                resp, "This link does not work", pages.message(refusal.message), status="400 Bad Request"
            )
            return
        told = {"error": refusal.error_code, "error_description": refusal.message}
        render.no_store(resp)
        resp.status = "303 See Other"
        resp.set_header("Location", redirects.with_query(goal, told))

    @staticmethod
    def _is_program(req: falcon.Request, kind: str) -> bool:
        """Tell whether the answer is JSON. A scanner that accepts anything must not burn what signs somebody in."""
        if kind != Purpose.SIGNUP.word:
            accept = req.get_header("Accept") or ""
            return "application/json" in accept and not wants_html(req)
        return not wants_html(req)

    def _may_go(self, redirect_to: str | None) -> bool:
        return redirect_to is None or redirects.allowed(self._auth.config, redirect_to)


def wants_html(request: falcon.Request) -> bool:
    """Tell whether a browser asks; a program that accepts anything does not."""
    accept = request.get_header("Accept") or ""
    return "text/html" in accept and request.client_prefers(["text/html", "application/json"]) == "text/html"


def not_allowed(field: str) -> ValidationError:
    """Make the error for an address that a browser may not be sent to."""
    problem = "is not a place this server sends anybody to"
    return ValidationError(
        f"{field} {problem}",
        fields={field: [problem]},
        hint="Add its origin and the beginning of its path to [auth] redirect_allow_list.",
    )


def _goal(goal: str, user: User, tokens: Tokens | None, kind: str) -> str:
    if tokens is None:
        return redirects.with_query(goal, {"verified": "true"})
    return redirects.with_fragment(goal, {**_fragment(tokens), "type": kind})


def _fragment(tokens: Tokens) -> dict[str, str]:
    shown: dict[str, Any] = render.oauth_tokens(tokens)
    return {name: str(value) for name, value in shown.items()}


def _purpose(word: str) -> Purpose:
    found = _PURPOSES.get(word)
    if found is None:
        raise invalid_field("type", f"must be one of {', '.join((*_PURPOSES, INVITE))}")
    return found


def _required(value: str | None, name: str) -> str:
    if not value:
        raise invalid_field(name, "is required")
    return value
