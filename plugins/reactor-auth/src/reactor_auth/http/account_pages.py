"""`/account`: the signed-in person's second factors in a browser, added and removed by the rules of the JSON routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from reactor_auth.assembly import Auth
from reactor_auth.errors import FactorNotFound, InvalidCode, MfaRequired, SessionRevoked, TooManyAttempts
from reactor_auth.http import render
from reactor_auth.http.browser_forms import EXPIRED_FORM, BrowserForms, form_of
from reactor_auth.http.factor_routes import counted, name_of
from reactor_auth.http.sign_in_pages import SignInPages, caller_in, has_passkeys
from reactor_auth.http.sign_in_steps import WRONG_CODE, SignInSteps, passkey_answer, sentence
from reactor_auth.oauth_errors import CannotRedirect
from reactor_auth.oauth_model import Browser
from reactor_auth.pages import account as views
from reactor_kernel.api import BadRequest, Conflict, NotFound, PermissionDenied, Unauthenticated

if TYPE_CHECKING:
    import falcon

PURPOSE = "Sign in to manage your account."
REMOVED = "The second factor is removed. Sign in again."
STALE = "For this, show a second factor again: the last time was more than five minutes ago."
_STATUS = {BadRequest: "400 Bad Request", NotFound: "404 Not Found", Conflict: "409 Conflict"}


class AccountResource:
    """`GET POST /account`."""

    def __init__(self, auth: Auth) -> None:
        self.auth = auth
        self.action = f"{auth.prefix}/account"
        self.forms = BrowserForms(auth)
        self._steps = SignInSteps(auth, self.forms, self.action)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the account, or ask for the sign-in."""
        self.show(req, resp, self.forms.browser_cookie(req))

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take a form and show what is next."""
        try:
            fields = form_of(req)
        except CannotRedirect as problem:
            self.forms.refuse(resp, problem)
            return
        cookie = self.forms.browser_cookie(req)
        page = self.pages(req, resp)
        if not self.forms.is_own_form(req, fields):
            page.sign_in(email=fields.get("email", ""), wrong=EXPIRED_FORM, status="403 Forbidden")
        elif fields.get("step") in _STEPS:
            browser, owed = self.auth.provider.browsers.find(cookie)
            if browser is None or owed:
                self.show(req, resp, cookie)
            else:
                Visit(self, req, resp, browser, page).take(fields)
        else:
            done = self._steps.take(req, resp, page, fields, cookie, again=True)
            if done is not None:
                self.show(req, resp, done.cookie)

    def pages(self, req: falcon.Request, resp: falcon.Response, purpose: str = PURPOSE) -> SignInPages:
        """Return the pages that ask who somebody is."""
        return self._steps.pages(req, resp, lambda: self.forms.csrf(req, resp), purpose)

    def show(self, req: falcon.Request, resp: falcon.Response, cookie: str | None) -> None:
        """Show the account, or ask for what comes before."""
        browser, owed = self.auth.provider.browsers.find(cookie)
        page = self.pages(req, resp)
        if browser is None:
            page.sign_in()
        elif owed:
            page.second_factor(browser)
        else:
            Visit(self, req, resp, browser, page).overview()


class Visit:
    """One request of somebody who is signed in."""

    def __init__(
        self, resource: AccountResource, req: falcon.Request, resp: falcon.Response, browser: Browser, page: SignInPages
    ) -> None:
        self._resource = resource
        self._auth = resource.auth
        self._action = resource.action
        self._req = req
        self._resp = resp
        self._browser = browser
        self._page = page
        self._caller = caller_in(browser, render.origin_of(req))

    def take(self, fields: dict[str, str]) -> None:
        """Do what a form asks for; a refusal is shown where it can be mended."""
        try:
            _STEPS[fields["step"]](self, fields)
        except MfaRequired:
            self._page.second_factor(self._browser, wrong=STALE, status="403 Forbidden")
        except SessionRevoked:
            self._page.sign_in()
        except (BadRequest, NotFound, Conflict, Unauthenticated, PermissionDenied) as refusal:
            status = next((text for kind, text in _STATUS.items() if isinstance(refusal, kind)), "403 Forbidden")
            self.overview(wrong=sentence(refusal), status=status)

    def overview(self, *, wrong: str | None = None, done: str | None = None, status: str = "200 OK") -> None:
        """Show the account."""
        factors, left = self._auth.factors.all(self._caller)
        body = views.overview(
            self._action,
            self._fields(),
            self._auth.profiles.user(self._caller.user_id),
            factors,
            left,
            passkeys=has_passkeys(self._auth),
            sign_out=f"{self._auth.prefix}/logout",
            wrong=wrong,
            done=done,
        )
        self._resource.forms.page(self._resp, "Your account", body, status=status)

    def _app(self, _: dict[str, str]) -> None:
        enrolment = self._auth.factors.enrol(self._caller, None)
        body = views.new_app(self._action, self._fields(), enrolment)
        self._resource.forms.page(self._resp, "Add an authenticator app", body)

    def _app_code(self, fields: dict[str, str]) -> None:
        factor_id = _uuid_of(fields.get("factor_id", ""))
        try:
            with counted(self._auth, "totp"):
                codes = self._auth.factors.verify_in_browser(self._caller, factor_id, fields.get("code", "").strip())
        except InvalidCode:
            self._ask_app_code(factor_id, WRONG_CODE, "401 Unauthorized")
        except TooManyAttempts as refusal:
            seconds = refusal.headers["Retry-After"]
            self._resp.set_header("Retry-After", seconds)
            self._ask_app_code(
                factor_id, f"Too many attempts. Try again in {seconds} seconds.", "429 Too Many Requests"
            )
        else:
            self._added(codes, "The authenticator app is added.")

    def _ask_app_code(self, factor_id: UUID, wrong: str, status: str) -> None:
        body = views.app_code(self._action, {**self._fields(), "factor_id": str(factor_id)}, wrong=wrong)
        self._resource.forms.page(self._resp, "Add an authenticator app", body, status=status)

    def _new_passkey(self, _: dict[str, str]) -> None:
        ceremony = self._auth.passkeys.begin(self._caller, None)
        text = "Your browser asks where to keep the passkey: on this device, or on a security key."
        self._page.passkey("new_passkey_done", ceremony, text, "Add a passkey", names=True)

    def _new_passkey_done(self, fields: dict[str, str]) -> None:
        ceremony_id, credential = passkey_answer(fields)
        name = name_of(fields.get("name") or None, "name")
        _, codes = self._auth.passkeys.finish(self._caller, ceremony_id, credential, name)
        self._added(codes, "The passkey is added.")

    def _codes(self, _: dict[str, str]) -> None:
        self._show_codes(self._auth.factors.renew_codes(self._caller))

    def _remove(self, fields: dict[str, str]) -> None:
        self._auth.factors.remove(self._caller, _uuid_of(fields.get("factor_id", "")))
        # Every browser of the user is signed out by this.
        self._resource.forms.forget(self._resp)
        self._resource.pages(self._req, self._resp, REMOVED).sign_in(email=self._browser.email)

    def _added(self, codes: tuple[str, ...], done: str) -> None:
        if codes:
            self._show_codes(codes)
        else:
            self.overview(done=done)

    def _show_codes(self, codes: list[str] | tuple[str, ...]) -> None:
        self._resource.forms.page(self._resp, "Your recovery codes", views.recovery_codes(self._action, codes))

    def _fields(self) -> dict[str, str]:
        return self._resource.forms.csrf(self._req, self._resp)


# What a form of the account may ask for.
_STEPS: Mapping[str, Callable[[Visit, dict[str, str]], None]] = {
    "app": Visit._app,
    "app_code": Visit._app_code,
    "new_passkey": Visit._new_passkey,
    "new_passkey_done": Visit._new_passkey_done,
    "codes": Visit._codes,
    "remove": Visit._remove,
}


def _uuid_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise FactorNotFound from None
