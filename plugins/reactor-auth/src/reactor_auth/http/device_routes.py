"""`/device/code` for devices, `/device` for the people who approve them (RFC 8628)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_auth.assembly import Auth
from reactor_auth.errors import TooManyAttempts
from reactor_auth.http import render
from reactor_auth.http.browser_forms import EXPIRED_FORM, BrowserForms, form_of, query_of
from reactor_auth.http.client_authentication import client_of, params_of, rfc_shaped
from reactor_auth.http.sign_in_pages import SignInPages
from reactor_auth.http.sign_in_steps import SignInSteps
from reactor_auth.oauth_errors import CannotRedirect
from reactor_auth.oauth_model import Browser
from reactor_auth.pages import views

if TYPE_CHECKING:
    import falcon

UNKNOWN_CODE = "There is no device waiting with this code. Check it, or let the device show a new one."
MAX_CODE = 20


class DeviceCodeResource:
    """`POST /device/code`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Give a device its codes."""
        with rfc_shaped(resp):
            params = params_of(req)
            client = client_of(self._auth, req, params)
            answer = self._auth.provider.devices.begin(client, params.get("scope", ""), render.origin_of(req))
            page = f"{self._auth.config.base_url}{self._auth.prefix}/device"
            render.no_store(resp)
            resp.media = {
                "device_code": answer.device_code,
                "user_code": answer.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code={answer.user_code}",
                "expires_in": answer.expires_in,
                "interval": answer.interval,
            }


class DeviceResource:
    """`GET POST /device`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._action = f"{auth.prefix}/device"
        self._forms = BrowserForms(auth)
        self._steps = SignInSteps(auth, self._forms, self._action)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Ask for the sign-in, or for the code."""
        try:
            code = query_of(req).get("user_code", "")[:MAX_CODE]
        except CannotRedirect as problem:
            self._forms.refuse(resp, problem)
            return
        self._ask(req, resp, self._forms.browser_cookie(req), code)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take a form and show what is next."""
        try:
            fields = form_of(req)
        except CannotRedirect as problem:
            self._forms.refuse(resp, problem)
            return
        code = fields.get("user_code", "")[:MAX_CODE]
        cookie = self._forms.browser_cookie(req)
        page = self._pages(req, resp, code)
        if not self._forms.is_own_form(req, fields):
            page.sign_in(email=fields.get("email", ""), wrong=EXPIRED_FORM, status="403 Forbidden")
            return
        if fields.get("step") in ("code", "decide"):
            browser, owed = self._auth.provider.browsers.find(cookie)
            if browser is not None and not owed:
                self._with_code(req, resp, browser, code, fields)
                return
            self._ask(req, resp, cookie, code)
            return
        done = self._steps.take(req, resp, page, fields, cookie)
        if done is not None:
            self._ask(req, resp, done.cookie, code)

    def _pages(self, req: falcon.Request, resp: falcon.Response, code: str) -> SignInPages:
        def fields() -> dict[str, str]:
            return {"user_code": code, **self._forms.csrf(req, resp)}

        return self._steps.pages(req, resp, fields, "Sign in to connect a device.")

    def _ask(self, req: falcon.Request, resp: falcon.Response, cookie: str | None, code: str) -> None:
        """Ask for whatever comes before the decision: the sign-in first, so that nobody tries codes anonymously."""
        browser, owed = self._auth.provider.browsers.find(cookie)
        page = self._pages(req, resp, code)
        if browser is None:
            page.sign_in()
        elif owed:
            page.second_factor(browser)
        else:
            self._ask_code(req, resp, browser, code)

    def _ask_code(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        browser: Browser,
        code: str,
        *,
        wrong: str | None = None,
        status: str = "200 OK",
    ) -> None:
        fields = self._forms.csrf(req, resp)
        body = views.device_code(self._action, fields, browser.email, code=code, wrong=wrong)
        self._forms.page(resp, "Connect a device", body, status=status)

    def _with_code(
        self, req: falcon.Request, resp: falcon.Response, browser: Browser, code: str, fields: dict[str, str]
    ) -> None:
        devices, origin = self._auth.provider.devices, render.origin_of(req)
        approved = fields.get("decision") == "allow"
        try:
            if fields["step"] == "decide":
                decided = devices.decide(code, browser, origin, approved=approved)
                request = None
            else:
                decided = False
                request = devices.find(code, browser.sign_in, origin)
        except TooManyAttempts as refusal:
            seconds = refusal.headers["Retry-After"]
            resp.set_header("Retry-After", seconds)
            wrong = f"Too many attempts. Try again in {seconds} seconds."
            self._ask_code(req, resp, browser, code, wrong=wrong, status="429 Too Many Requests")
            return
        if decided:
            said = "You can return to your device now." if approved else "The device gets no access."
            title = "Device connected" if approved else "Device refused"
            self._forms.page(resp, title, views.said(said))
        elif request is None:
            self._ask_code(req, resp, browser, code, wrong=UNKNOWN_CODE, status="404 Not Found")
        else:
            hidden = {"user_code": code, **self._forms.csrf(req, resp)}
            body = views.device_decision(self._action, hidden, request, code, browser.email)
            self._forms.page(resp, "Connect this device?", body)
