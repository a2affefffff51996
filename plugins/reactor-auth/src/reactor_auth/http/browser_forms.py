"""What the HTML pages share: cookies of a browser, the token that ties a form to it, sending the browser elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from reactor_auth.assembly import Auth
from reactor_auth.http import bodies
from reactor_auth.oauth_errors import CannotRedirect
from reactor_auth.pages import views
from reactor_kernel.api import ValidationError

if TYPE_CHECKING:
    import falcon

CSRF = "csrf"
EXPIRED_FORM = "This form was open for too long, or came from another page. Please try again."
_PURPOSE = "form"


class BrowserForms:
    """Answers with pages and knows the browser that asks."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._is_secure = auth.config.base_url.startswith("https://")
        # The prefix keeps other hosts of the domain from setting the cookies (RFC 6265bis §4.1.3.2).
        prefix = "__Host-" if self._is_secure else ""
        self._browser_cookie = f"{prefix}reactor_browser"
        self._form_cookie = f"{prefix}reactor_form"

    # -- who asks --------------------------------------------------------------------------------------------------

    def browser_cookie(self, req: falcon.Request) -> str | None:
        """Return the cookie of a browser that signed in."""
        return _only(req.get_cookie_values(self._browser_cookie))

    def remember(self, resp: falcon.Response, cookie: str) -> None:
        """Give the browser its cookie."""
        self._set(resp, self._browser_cookie, cookie, self._auth.config.browser_session_secs)

    def forget(self, resp: falcon.Response) -> None:
        """Take the browser's cookie away."""
        self._set(resp, self._browser_cookie, "", 0)

    def is_own_form(self, req: falcon.Request, fields: Mapping[str, str]) -> bool:
        """Tell whether a form was given to this very browser, so that no other page posts it (CSRF)."""
        cookie = _only(req.get_cookie_values(self._form_cookie))
        return bool(cookie) and self._auth.macs.fits(_PURPOSE, str(cookie), fields.get(CSRF, ""))

    # -- answers ---------------------------------------------------------------------------------------------------

    def csrf(self, req: falcon.Request, resp: falcon.Response) -> dict[str, str]:
        """Return the hidden field that ties a form to this browser."""
        cookie = _only(req.get_cookie_values(self._form_cookie))
        if not cookie or len(cookie) > 128:
            cookie = secrets.token_urlsafe(32)
            self._set(resp, self._form_cookie, cookie, None)
        return {CSRF: self._auth.macs.tag(_PURPOSE, cookie)}

    def page(
        self,
        resp: falcon.Response,
        title: str,
        body: str,
        *,
        status: str = "200 OK",
        targets: Iterable[str] = (),
        script: str | None = None,
    ) -> None:
        """Answer with a page; `targets` are where its form may lead besides here, `script` is what it may run."""
        self._auth.pages.answer(resp, title, body, status=status, form_targets=targets, script=script)

    def refuse(self, resp: falcon.Response, problem: CannotRedirect) -> None:
        """Say on a page why the browser is sent nowhere."""
        self.page(resp, "This link does not work", views.said(problem.message), status="400 Bad Request")

    def send(self, resp: falcon.Response, uri: str, params: Mapping[str, str | None]) -> None:
        """Send the browser to `uri` with further parameters in its query."""
        given = {name: value for name, value in params.items() if value is not None}
        separator = "&" if urlsplit(uri).query else "?"
        resp.status = "303 See Other"
        resp.set_header("Location", f"{uri.rstrip('?')}{separator}{urlencode(given)}" if given else uri)
        resp.set_header("Cache-Control", "no-store")
        resp.set_header("Referrer-Policy", "no-referrer")

    def _set(self, resp: falcon.Response, name: str, value: str, max_age: int | None) -> None:
        resp.set_cookie(name, value, max_age=max_age, path="/", secure=self._is_secure, http_only=True, same_site="Lax")


def query_of(req: falcon.Request) -> dict[str, str]:
    """Return the parameters of a query, each given at most once (RFC 6749 §3.1).

    Raises CannotRedirect: a request that says two things at once is answered nowhere.
    """
    try:
        pairs = parse_qsl(req.query_string, keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError as fault:
        raise CannotRedirect("The address of this page is not valid.") from fault
    return _once(pairs)


def form_of(req: falcon.Request) -> dict[str, str]:
    """Return the fields of a posted form. Raises CannotRedirect."""
    if not bodies.is_form(req):
        raise CannotRedirect("This page expects a form.")
    try:
        return bodies.read_form(req)
    except ValidationError as fault:
        raise CannotRedirect(f"The form is not valid: {fault.message}.") from fault


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise CannotRedirect(f"The request names {name[:40]} more than once.")
        found[name] = value
    return found


def _only(values: list[str] | None) -> str | None:
    return values[0] if values else None
