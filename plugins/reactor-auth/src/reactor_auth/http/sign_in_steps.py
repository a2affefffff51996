"""The steps of signing in on a page: password, second factor, another account, a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from reactor_auth.assembly import Auth
from reactor_auth.errors import (
    EmailExists,
    InvalidCredentials,
    PasskeysUnavailable,
    TooManyAttempts,
    UserDisabled,
    WeakPassword,
)
from reactor_auth.http import bodies, render
from reactor_auth.http.browser_forms import BrowserForms
from reactor_auth.http.factor_routes import counted as counted_factor
from reactor_auth.http.grants import counted
from reactor_auth.http.sign_in_pages import SignInPages, caller_in
from reactor_kernel.api import Forbidden, PermissionDenied, ReactorError, Unauthenticated, ValidationError

if TYPE_CHECKING:
    import falcon

WRONG_PASSWORD = "The e-mail address or the password is wrong."
WRONG_CODE = "The code is wrong, or was used before."
NO_PASSKEY = "the browser gave no passkey; they need JavaScript"
WRONG_PASSKEY = (
    "The passkey was not accepted: it does not belong to an account here, or the page was open for too long."
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was taken. `is_fresh` says that the user signed in just now."""

    cookie: str | None
    is_fresh: bool


class SignInSteps:
    """Takes the forms of signing in, whatever signing in is for."""

    def __init__(self, auth: Auth, forms: BrowserForms, action: str) -> None:
        self._auth = auth
        self._forms = forms
        self._action = action

    def pages(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        fields: Callable[[], dict[str, str]],
        purpose: str,
        targets: Sequence[str] = (),
    ) -> SignInPages:
        """Return the pages for one request."""
        return SignInPages(self._auth, self._forms, self._action, render.origin_of(req), resp, fields, purpose, targets)

    def take(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        page: SignInPages,
        fields: dict[str, str],
        cookie: str | None,
        *,
        again: bool = False,
    ) -> Step | None:
        """Take the step a form asks for; None where it was answered with a page already.

        `again` takes a second factor also of somebody who showed one before.
        """
        step = fields.get("step", "signin")
        if step == "signin":
            return self._sign_in(req, resp, page, fields, cookie)
        if step == "factor":
            return self._second_factor(req, page, fields, cookie, again)
        if step in ("passkey", "passkey_done"):
            return self._passkey(req, resp, page, fields, cookie)
        if step in ("factor_passkey", "factor_passkey_done"):
            return self._factor_passkey(req, page, fields, cookie, again)
        if step == "switch":
            if cookie is not None:
                self._auth.provider.browsers.sign_out(cookie, render.origin_of(req))
            self._forms.forget(resp)
            page.sign_in()
            return None
        if step == "signup" and self._auth.config.signup_enabled:
            return self._sign_up(req, resp, page, fields, cookie)
        if step == "signup_page" and self._auth.config.signup_enabled:
            page.sign_up()
            return None
        page.sign_in()
        return None

    def _sign_in(
        self, req: falcon.Request, resp: falcon.Response, page: SignInPages, fields: dict[str, str], before: str | None
    ) -> Step | None:
        email, password = fields.get("email", ""), fields.get("password", "")
        browsers = self._auth.provider.browsers

        def again(**said: str) -> None:
            page.sign_in(email=email, **said)

        try:
            cookie = counted(
                self._auth.metrics.signed_in,
                lambda: browsers.sign_in(email, password, render.origin_of(req), replacing=before),
            )
        except InvalidCredentials:
            again(wrong=WRONG_PASSWORD, status="401 Unauthorized")
            return None
        except TooManyAttempts as refusal:
            page.too_many(refusal, again)
            return None
        except UserDisabled:
            raise
        except Forbidden as refusal:
            again(wrong=sentence(refusal), status="403 Forbidden")
            return None
        self._forms.remember(resp, cookie)
        return Step(cookie, True)

    def _second_factor(
        self, req: falcon.Request, page: SignInPages, fields: dict[str, str], cookie: str | None, again: bool
    ) -> Step | None:
        provider = self._auth.provider
        browser, owed = provider.browsers.find(cookie)
        if browser is None or not (owed or again):
            return Step(cookie, False)

        def ask(**said: str) -> None:
            page.second_factor(browser, **said)

        try:
            user = self._auth.profiles.user(browser.sign_in.user_id)
            right = provider.browsers.step_up(browser, user, fields.get("code", "").strip(), render.origin_of(req))
        except TooManyAttempts as refusal:
            page.too_many(refusal, ask)
            return None
        if not right:
            ask(wrong=WRONG_CODE, status="401 Unauthorized")
            return None
        # The password was checked a form ago, for this very request.
        return Step(cookie, False)

    def _passkey(
        self, req: falcon.Request, resp: falcon.Response, page: SignInPages, fields: dict[str, str], before: str | None
    ) -> Step | None:
        auth, origin = self._auth, render.origin_of(req)
        try:
            if fields["step"] == "passkey":
                ceremony = auth.passkey_proofs.begin_login(origin)
                page.passkey("passkey_done", ceremony, "Your browser asks for your passkey.", "Sign in with a passkey")
                return None
            cookie = counted(
                auth.metrics.signed_in,
                lambda: auth.provider.browsers.sign_in_with_passkey(*passkey_answer(fields), origin, replacing=before),
            )
        except TooManyAttempts as refusal:
            page.too_many(refusal, page.sign_in)
        except UserDisabled:
            raise
        except (PasskeysUnavailable, ValidationError, Unauthenticated) as refusal:
            page.sign_in(wrong=_about_passkey(refusal), status="401 Unauthorized")
        else:
            self._forms.remember(resp, cookie)
            return Step(cookie, True)
        return None

    def _factor_passkey(
        self, req: falcon.Request, page: SignInPages, fields: dict[str, str], cookie: str | None, again: bool
    ) -> Step | None:
        browser, owed = self._auth.provider.browsers.find(cookie)
        if browser is None or not (owed or again):
            return Step(cookie, False)
        caller, proofs = caller_in(browser, render.origin_of(req)), self._auth.passkey_proofs

        def ask(**said: str) -> None:
            page.second_factor(browser, **said)

        try:
            if fields["step"] == "factor_passkey":
                text = "Your browser asks for your passkey."
                page.passkey("factor_passkey_done", proofs.begin_step_up(caller), text, "Use a passkey")
                return None
            with counted_factor(self._auth, "webauthn"):
                proofs.step_up_browser(caller, *passkey_answer(fields))
        except TooManyAttempts as refusal:
            page.too_many(refusal, ask)
        except UserDisabled:
            raise
        except (PasskeysUnavailable, ValidationError, Unauthenticated, PermissionDenied) as refusal:
            ask(wrong=_about_passkey(refusal), status="401 Unauthorized")
        else:
            return Step(cookie, False)
        return None

    def _sign_up(
        self, req: falcon.Request, resp: falcon.Response, page: SignInPages, fields: dict[str, str], before: str | None
    ) -> Step | None:
        email, password = fields.get("email", ""), fields.get("password", "")

        def again(**said: str) -> None:
            page.sign_up(email=email, **said)

        try:
            cookie = self._auth.provider.browsers.sign_up(email, password, render.origin_of(req), replacing=before)
        except TooManyAttempts as refusal:
            page.too_many(refusal, again)
        except EmailExists:
            again(wrong="There is an account with this address already.", status="409 Conflict")
        except Forbidden as refusal:
            again(wrong=sentence(refusal), status="403 Forbidden")
        except (ValidationError, WeakPassword) as refusal:
            about = "password" if "password" in refusal.fields else "email"
            again(wrong=sentence(refusal), about=about, status="400 Bad Request")
        else:
            self._forms.remember(resp, cookie)
            return Step(cookie, True)
        return None


def passkey_answer(fields: Mapping[str, str]) -> tuple[UUID, dict[str, Any]]:
    """Return the ceremony that a form ends, and what the browser gave. Raises ValidationError."""
    if not fields.get("credential"):
        raise ValidationError(NO_PASSKEY)
    credential = bodies.decode(fields["credential"].encode(), dict[str, Any])
    return bodies.uuid_of(fields.get("ceremony", ""), "ceremony"), credential


def _about_passkey(refusal: ReactorError) -> str:
    plain = isinstance(refusal, PasskeysUnavailable) or refusal.message == NO_PASSKEY
    return sentence(refusal) if plain else WRONG_PASSKEY


def sentence(error: ReactorError) -> str:
    """Return what an error says, as a sentence for people."""
    return f"{error.message[:1].upper()}{error.message[1:].rstrip('.')}."
