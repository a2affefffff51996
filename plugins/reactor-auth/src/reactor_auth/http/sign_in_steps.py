"""The steps of signing in on a page: password, second factor, another account, a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reactor_auth.assembly import Auth
from reactor_auth.errors import EmailExists, InvalidCredentials, TooManyAttempts, UserDisabled, WeakPassword
from reactor_auth.http import render
from reactor_auth.http.browser_forms import BrowserForms
from reactor_auth.http.grants import counted
from reactor_auth.pages import views
from reactor_kernel.api import Forbidden, ReactorError, ValidationError

if TYPE_CHECKING:
    import falcon

WRONG_PASSWORD = "The e-mail address or the password is wrong."
WRONG_CODE = "The code is wrong, or was used before."
TITLE = "Sign in"


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

    class Pages:
        """The pages of signing in for one request; `fields` are the hidden ones of its forms."""

        def __init__(
            self,
            steps: SignInSteps,
            resp: falcon.Response,
            fields: Callable[[], dict[str, str]],
            purpose: str,
            targets: Sequence[str],
        ) -> None:
            self._steps = steps
            self._resp = resp
            self._fields = fields
            self._purpose = purpose
            self._targets = targets

        def sign_in(self, *, email: str = "", wrong: str | None = None, status: str = "200 OK") -> None:
            """Ask for address and password."""
            steps = self._steps
            body = views.sign_in(
                steps._action,
                self._fields(),
                self._purpose,
                email=email,
                wrong=wrong,
                sign_up=steps._auth.config.signup_enabled,
            )
            steps._forms.page(self._resp, TITLE, body, status=status, targets=self._targets)

        def sign_up(
            self, *, email: str = "", wrong: str | None = None, about: str = "email", status: str = "200 OK"
        ) -> None:
            """Ask for what a new account needs."""
            steps = self._steps
            body = views.sign_up(steps._action, self._fields(), self._purpose, email=email, wrong=wrong, about=about)
            steps._forms.page(self._resp, "Create an account", body, status=status, targets=self._targets)

        def second_factor(self, email: str, *, wrong: str | None = None, status: str = "200 OK") -> None:
            """Ask for a second factor."""
            steps = self._steps
            body = views.second_factor(steps._action, self._fields(), email, wrong=wrong)
            steps._forms.page(self._resp, "Second factor", body, status=status, targets=self._targets)

        def too_many(self, refusal: TooManyAttempts, again: Callable[..., None]) -> None:
            """Show a form again with the time to wait."""
            self._resp.set_header("Retry-After", refusal.headers["Retry-After"])
            seconds = refusal.headers["Retry-After"]
            again(wrong=f"Too many attempts. Try again in {seconds} seconds.", status="429 Too Many Requests")

    def pages(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        fields: Callable[[], dict[str, str]],
        purpose: str,
        targets: Sequence[str] = (),
    ) -> Pages:
        """Return the pages for one request."""
        return self.Pages(self, resp, fields, purpose, targets)

    def take(
        self, req: falcon.Request, resp: falcon.Response, page: Pages, fields: dict[str, str], cookie: str | None
    ) -> Step | None:
        """Take the step a form asks for; None where it was answered with a page already."""
        step = fields.get("step", "signin")
        if step == "signin":
            return self._sign_in(req, resp, page, fields, cookie)
        if step == "factor":
            return self._second_factor(req, page, fields, cookie)
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
        self, req: falcon.Request, resp: falcon.Response, page: Pages, fields: dict[str, str], before: str | None
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
            again(wrong=_sentence(refusal), status="403 Forbidden")
            return None
        self._forms.remember(resp, cookie)
        return Step(cookie, True)

    def _second_factor(
        self, req: falcon.Request, page: Pages, fields: dict[str, str], cookie: str | None
    ) -> Step | None:
        provider = self._auth.provider
        browser, owed = provider.browsers.find(cookie)
        if browser is None or not owed:
            return Step(cookie, False)

        def again(**said: str) -> None:
            page.second_factor(browser.email, **said)

        try:
            user = self._auth.profiles.user(browser.sign_in.user_id)
            right = provider.browsers.step_up(browser, user, fields.get("code", "").strip(), render.origin_of(req))
        except TooManyAttempts as refusal:
            page.too_many(refusal, again)
            return None
        if not right:
            again(wrong=WRONG_CODE, status="401 Unauthorized")
            return None
        # The password was checked a form ago, for this very request.
        return Step(cookie, False)

    def _sign_up(
        self, req: falcon.Request, resp: falcon.Response, page: Pages, fields: dict[str, str], before: str | None
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
            again(wrong=_sentence(refusal), status="403 Forbidden")
        except (ValidationError, WeakPassword) as refusal:
            about = "password" if "password" in refusal.fields else "email"
            again(wrong=_sentence(refusal), about=about, status="400 Bad Request")
        else:
            self._forms.remember(resp, cookie)
            return Step(cookie, True)
        return None


def _sentence(error: ReactorError) -> str:
    return f"{error.message[:1].upper()}{error.message[1:].rstrip('.')}."
