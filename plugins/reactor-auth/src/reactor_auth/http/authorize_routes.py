"""`/authorize`: sign-in, second factor and consent in a browser, and a code at the end (RFC 6749 §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reactor_auth.assembly import Auth
from reactor_auth.http import render
from reactor_auth.http.browser_forms import EXPIRED_FORM, BrowserForms, form_of, query_of
from reactor_auth.http.sign_in_pages import SignInPages
from reactor_auth.http.sign_in_steps import SignInSteps
from reactor_auth.http.social_routes import begin_social
from reactor_auth.oauth_errors import CannotRedirect, RefusedRequest
from reactor_auth.oauth_model import AuthorizationRequest
from reactor_auth.pages import views

if TYPE_CHECKING:
    import falcon

# What a form carries from one step to the next; everything is read anew each time.
_CARRIED = (
    "client_id",
    "redirect_uri",
    "response_type",
    "code_challenge",
    "code_challenge_method",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "login_hint",
)


class AuthorizeResource:
    """`GET POST /authorize`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._action = f"{auth.prefix}/authorize"
        self._forms = BrowserForms(auth)
        self._steps = SignInSteps(auth, self._forms, self._action)
        issuer = auth.config.jwt_issuer
        # RFC 9207; an issuer that is no URL would tell a client nothing.
        self._iss = issuer if issuer.startswith(("https://", "http://")) else None

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the first form that is needed, or answer at once where the browser has signed in.

        With `provider` in the query this begins a sign-in with another provider, for no client.
        """
        if req.get_param("provider"):
            begin_social(self._auth, req, resp)
            return
        self._answer(req, resp, None)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take a form and show the next one, or send the browser back with a code."""
        try:
            fields = form_of(req)
        except CannotRedirect as problem:
            self._forms.refuse(resp, problem)
            return
        self._answer(req, resp, fields)

    def _answer(self, req: falcon.Request, resp: falcon.Response, fields: dict[str, str] | None) -> None:
        try:
            params = query_of(req) if fields is None else _params_of(fields)
            request = self._auth.provider.authorizations.read(params)
        except CannotRedirect as problem:
            self._forms.refuse(resp, problem)
        except RefusedRequest as refusal:
            self._send_refusal(resp, refusal)
        else:
            Visit(self, req, resp, request, params).take(fields)

    def _send_refusal(self, resp: falcon.Response, refusal: RefusedRequest) -> None:
        self._forms.send(
            resp,
            refusal.redirect_uri,
            {
                "error": refusal.code,
                "error_description": refusal.description,
                "state": refusal.state,
                "iss": self._iss,
            },
        )


class Visit:
    """One request to `/authorize` whose parameters are right."""

    def __init__(
        self,
        resource: AuthorizeResource,
        req: falcon.Request,
        resp: falcon.Response,
        request: AuthorizationRequest,
        params: Mapping[str, str],
    ) -> None:
        self._resource = resource
        self._auth = resource._auth
        self._forms = resource._forms
        self._req = req
        self._resp = resp
        self._request = request
        self._carried = {name: params[name] for name in _CARRIED if params.get(name)}
        self._carried["scopes"] = ",".join(request.scopes)

    def take(self, fields: dict[str, str] | None) -> None:
        """Take the step a form asks for, then go on to what is still missing."""
        steps = self._resource._steps
        cookie = self._forms.browser_cookie(self._req)
        purpose = f"Sign in to continue to {self._request.client.name}."
        page = steps.pages(self._req, self._resp, self._fields, purpose, targets=(self._request.redirect_uri,))
        if fields is None:
            self._advance(cookie, page, signed_in=False)
        elif not self._forms.is_own_form(self._req, fields):
            page.sign_in(email=fields.get("email", ""), wrong=EXPIRED_FORM, status="403 Forbidden")
        elif fields.get("step") == "consent":
            self._decide(cookie, page, fields.get("decision") == "allow")
        else:
            done = steps.take(self._req, self._resp, page, fields, cookie)
            if done is not None:
                # Asked for and done: the next steps must not ask again.
                for name in ("prompt", "max_age") if done.is_fresh else ():
                    self._carried.pop(name, None)
                if done.is_fresh and "consent" in self._request.prompts:
                    self._carried["prompt"] = "consent"
                self._advance(done.cookie, page, signed_in=done.is_fresh)

    def _fields(self) -> dict[str, str]:
        return {**self._carried, **self._forms.csrf(self._req, self._resp)}

    def _advance(self, cookie: str | None, page: SignInPages, *, signed_in: bool) -> None:
        """Show what is still missing, or answer with a code."""
        request, authorizations = self._request, self._auth.provider.authorizations
        silent = "none" in request.prompts
        browser, owed = self._auth.provider.browsers.find(cookie)
        if browser is None or (authorizations.must_sign_in(request, browser.sign_in) and not signed_in):
            if silent:
                self._refuse("login_required", "the user must sign in")
            else:
                page.sign_in(email=request.login_hint or (browser.email if browser is not None else ""))
        elif owed:
            if silent:
                self._refuse("interaction_required", "the user must show a second factor")
            else:
                page.second_factor(browser)
        elif authorizations.must_consent(request, browser.sign_in.user_id):
            if silent:
                self._refuse("consent_required", "the user must agree")
            else:
                self._ask_consent(browser.email)
        else:
            self._finish(cookie, consented=False)

    def _ask_consent(self, email: str) -> None:
        request = self._request
        body = views.consent(
            self._resource._action,
            self._fields(),
            request.client.name,
            _place_of(request.redirect_uri),
            email,
            request.scopes,
        )
        title = f"Allow {request.client.name}?"
        self._forms.page(self._resp, title, body, targets=(request.redirect_uri,))

    def _decide(self, cookie: str | None, page: SignInPages, allowed: bool) -> None:
        browser, owed = self._auth.provider.browsers.find(cookie)
        if browser is None or owed:
            self._advance(cookie, page, signed_in=False)
        elif allowed:
            self._finish(cookie, consented=not self._request.client.first_party)
        else:
            self._refuse("access_denied", "the user denied the request")

    def _finish(self, cookie: str | None, *, consented: bool) -> None:
        provider = self._auth.provider
        browser, owed = provider.browsers.find(cookie)
        code = None
        if browser is not None and not owed:
            origin = render.origin_of(self._req)
            code = provider.authorizations.issue(self._request, browser, origin, consented=consented)
        if code is None:
            self._refuse("access_denied", "the user signed out, or withdrew the consent, meanwhile")
            return
        answer = {"code": code, "state": self._request.state, "iss": self._resource._iss}
        self._forms.send(self._resp, self._request.redirect_uri, answer)

    def _refuse(self, code: str, description: str) -> None:
        refusal = RefusedRequest(self._request.redirect_uri, self._request.state, code, description)
        self._resource._send_refusal(self._resp, refusal)


def _params_of(fields: dict[str, str]) -> dict[str, str]:
    """Return the request a form repeats; its scopes are separated by commas."""
    params = {name: value for name, value in fields.items() if name in _CARRIED or name == "scope"}
    params.setdefault("response_type", "code")
    if fields.get("scopes"):
        params["scope"] = fields["scopes"].replace(",", " ")
    return params


def _place_of(uri: str) -> str:
    parts = urlsplit(uri)
    return parts.netloc or f"{parts.scheme}:"
