"""The pages of signing in: password, passkey, second factor, a new account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from reactor_auth.assembly import Auth
from reactor_auth.ceremonies import relying_party_id
from reactor_auth.errors import TooManyAttempts
from reactor_auth.http.browser_forms import BrowserForms
from reactor_auth.model import Caller, Origin
from reactor_auth.oauth_model import Browser
from reactor_auth.pages import views
from reactor_auth.pages.passkeys import SCRIPT, prompt

if TYPE_CHECKING:
    import falcon

    from reactor_auth.service.challenges import Ceremony

TITLE = "Sign in"


class SignInPages:
    """The pages of signing in for one request; `fields` are the hidden ones of its forms."""

    def __init__(
        self,
        auth: Auth,
        forms: BrowserForms,
        action: str,
        origin: Origin,
        resp: falcon.Response,
        fields: Callable[[], dict[str, str]],
        purpose: str,
        targets: Sequence[str],
    ) -> None:
        self._auth = auth
        self._forms = forms
        self._action = action
        self._origin = origin
        self._resp = resp
        self._fields = fields
        self._purpose = purpose
        self._targets = targets

    def sign_in(self, *, email: str = "", wrong: str | None = None, status: str = "200 OK") -> None:
        """Ask for address and password."""
        body = views.sign_in(
            self._action,
            self._fields(),
            self._purpose,
            email=email,
            wrong=wrong,
            sign_up=self._auth.config.signup_enabled,
            passkeys=has_passkeys(self._auth),
        )
        self._forms.page(self._resp, TITLE, body, status=status, targets=self._targets)

    def sign_up(
        self, *, email: str = "", wrong: str | None = None, about: str = "email", status: str = "200 OK"
    ) -> None:
        """Ask for what a new account needs."""
        body = views.sign_up(self._action, self._fields(), self._purpose, email=email, wrong=wrong, about=about)
        self._forms.page(self._resp, "Create an account", body, status=status, targets=self._targets)

    def second_factor(self, browser: Browser, *, wrong: str | None = None, status: str = "200 OK") -> None:
        """Ask for a second factor."""
        factors, _ = self._auth.factors.all(caller_in(browser, self._origin))
        kinds = {factor.kind for factor in factors if factor.verified_at is not None}
        body = views.second_factor(
            self._action,
            self._fields(),
            browser.email,
            apps="totp" in kinds,
            passkeys=has_passkeys(self._auth) and "webauthn" in kinds,
            wrong=wrong,
        )
        self._forms.page(self._resp, "Second factor", body, status=status, targets=self._targets)

    def passkey(self, step: str, ceremony: Ceremony, text: str, label: str, *, names: bool = False) -> None:
        """Ask for a passkey; the answer comes with `step`."""
        fields = {**self._fields(), "step": step, "ceremony": str(ceremony.id)}
        body = prompt(self._action, fields, text, label, ceremony.options, names=names)
        self._forms.page(self._resp, label, body, targets=self._targets, script=SCRIPT)

    def too_many(self, refusal: TooManyAttempts, again: Callable[..., None]) -> None:
        """Show a form again with the time to wait."""
        self._resp.set_header("Retry-After", refusal.headers["Retry-After"])
        seconds = refusal.headers["Retry-After"]
        again(wrong=f"Too many attempts. Try again in {seconds} seconds.", status="429 Too Many Requests")


def has_passkeys(auth: Auth) -> bool:
    """Tell whether browsers can use passkeys at this server."""
    return relying_party_id(auth.config) is not None


def caller_in(browser: Browser, origin: Origin) -> Caller:
    """Return who acts on the pages."""
    return Caller(browser.sign_in.user_id, None, origin, browser_id=browser.id)
