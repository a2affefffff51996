"""Mails that somebody asks for, new passwords, the export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reactor_auth import redirects
from reactor_auth.assembly import Auth
from reactor_auth.errors import WeakPassword, invalid_field
from reactor_auth.http import bodies, render
from reactor_auth.http.verify_routes import REFUSALS, not_allowed
from reactor_auth.pages import verify as pages
from reactor_auth.purposes import Wish
from reactor_kernel.api import ReactorError, ValidationError

if TYPE_CHECKING:
    import falcon

_SENT = "if the address belongs to an account, a mail is on its way"


class ResendResource:
    """`POST /verify/resend`, `POST /resend`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Send the mail that asks to confirm the address; the answer does not tell whether anybody has it."""
        body = bodies.read_json(req, bodies.Address)
        self._auth.mail_requests.ask(Wish.VERIFICATION, body.email, render.origin_of(req))
        resp.media = {"sent": True, "message": _SENT}


class ResetRequestResource:
    """`POST /password-reset/request`, and as `POST /recover` with an empty answer."""

    def __init__(self, auth: Auth, *, empty: bool = False) -> None:
        self._auth = auth
        self._empty = empty

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Send a link for a new password; the answer does not tell whether anybody has the address."""
        body = bodies.read_json(req, bodies.Address)
        self._auth.mail_requests.ask(Wish.PASSWORD_RESET, body.email, render.origin_of(req))
        if self._empty:
            resp.status = "204 No Content"
        else:
            resp.status = "202 Accepted"
            resp.media = {"message": _SENT}


class ResetConfirmResource:
    """`POST /password-reset/confirm`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Set a new password with the token of a mail."""
        body = bodies.read_json(req, bodies.ResetConfirm)
        field = "new_password" if body.new_password is not None or body.password is None else "password"
        password = body.new_password if body.new_password is not None else body.password
        if password is None:
            raise invalid_field("new_password", "is required")
        self._auth.verification.reset_password(body.token, password, render.origin_of(req), field=field)
        render.no_store(resp)
        resp.media = {"success": True, "message": "the password is changed and all sessions are ended"}


class ResetPageResource:
    """`/reset`: the form for a new password, for projects without a front end of their own."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the form; without a token the one that asks for a mail."""
        token = req.get_param("token")
        if token:
            self._show(resp, token, None)
        else:
            self._auth.pages.answer(resp, "Forgot your password?", pages.ask_for_reset(self._path))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take either form."""
        sent = bodies.read_form(req)
        if "token" in sent:
            self._set(req, resp, sent["token"], sent.get("new_password", ""))
            return
        try:
            self._auth.mail_requests.ask(Wish.PASSWORD_RESET, sent.get("email", ""), render.origin_of(req))
        except (*REFUSALS, ValidationError) as refusal:
            self._refuse(resp, refusal)
            return
        text = "If the address belongs to an account, a mail with a link is on its way."
        self._auth.pages.answer(resp, "Look into your mailbox", pages.message(text))

    def _set(self, req: falcon.Request, resp: falcon.Response, token: str, password: str) -> None:
        try:
            self._auth.verification.reset_password(token, password, render.origin_of(req), field="new_password")
        except WeakPassword as refusal:
            self._show(resp, token, refusal.message.replace("new_password", "The new password", 1))
        except REFUSALS as refusal:
            self._refuse(resp, refusal)
        else:
            text = "Your new password is set, and you are signed out everywhere. You can sign in with it now."
            self._auth.pages.answer(resp, "Password changed", pages.message(text))

    def _show(self, resp: falcon.Response, token: str, error: str | None) -> None:
        body = pages.new_password(self._path, token, error, self._auth.config.password.min_length)
        status = "200 OK" if error is None else "400 Bad Request"
        self._auth.pages.answer(resp, "Choose a new password", body, status=status)

    def _refuse(self, resp: falcon.Response, refusal: ReactorError) -> None:
        if refusal.error_code == "rate_limited":
            status, title = "429 Too Many Requests", "Too many attempts"
        else:
            status, title = "400 Bad Request", "That did not work"
        body = f'{pages.message(refusal.message)}\n<p><a href="{self._path}">Ask for a new link</a></p>'
        self._auth.pages.answer(resp, title, body, status=status)
        for name, value in refusal.headers.items():
            resp.set_header(name, value)

    @property
    def _path(self) -> str:
        return f"{self._auth.prefix}/reset"


class OtpResource:
    """`POST /otp`: a link and a code to sign in without a password."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Send the mail; the answer does not tell whether anybody has the address."""
        body = bodies.read_json(req, bodies.Otp)
        if body.redirect_to is not None and not redirects.allowed(self._auth.config, body.redirect_to):
            raise not_allowed("redirect_to")
        details: dict[str, Any] = {"create_user": body.create_user}
        if body.redirect_to is not None:
            details["redirect_to"] = body.redirect_to
        self._auth.mail_requests.ask(Wish.MAGIC_LINK, body.email, render.origin_of(req), **details)
        resp.status = "202 Accepted"
        resp.media = {"message": _SENT}


class ExportResource:
    """`GET /user/export`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return everything the account owns."""
        render.no_store(resp)
        resp.set_header("Content-Disposition", 'attachment; filename="account.json"')
        resp.media = self._auth.export.of(render.caller_of(req))
