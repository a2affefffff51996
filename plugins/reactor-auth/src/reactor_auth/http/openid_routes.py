"""OpenID Connect and what stands around it: discovery, userinfo, introspection, revocation, signing out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from reactor_auth import oauth_scopes
from reactor_auth.assembly import Auth
from reactor_auth.client_tokens import ORG, SCOPE
from reactor_auth.http import bodies, render
from reactor_auth.http.browser_forms import BrowserForms, form_of, query_of
from reactor_auth.http.client_authentication import client_of, params_of, rfc_shaped
from reactor_auth.http.grants import GRANTS
from reactor_auth.http.session_routes import LogoutResource
from reactor_auth.oauth_errors import CannotRedirect, InsufficientScope
from reactor_auth.pages import views
from reactor_auth.signing import ALGORITHM
from reactor_kernel.api import InvalidCredential, PermissionDenied

if TYPE_CHECKING:
    import falcon

_CACHE = "public, max-age=300"
_CONFIDENTIAL_METHODS = ["client_secret_basic", "client_secret_post"]


def discovery(auth: Auth) -> dict[str, Any]:
    """Return the discovery document (OpenID Connect Discovery §3, RFC 8414 §2)."""
    base, issuer = f"{auth.config.base_url}{auth.prefix}", auth.config.jwt_issuer
    document: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "userinfo_endpoint": f"{base}/userinfo",
        "jwks_uri": f"{base}/keys",
        "device_authorization_endpoint": f"{base}/device/code",
        "introspection_endpoint": f"{base}/introspect",
        "revocation_endpoint": f"{base}/revoke",
        "end_session_endpoint": f"{base}/logout",
        "scopes_supported": list(oauth_scopes.OIDC),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANTS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", *_CONFIDENTIAL_METHODS],
        "introspection_endpoint_auth_methods_supported": _CONFIDENTIAL_METHODS,
        "revocation_endpoint_auth_methods_supported": ["none", *_CONFIDENTIAL_METHODS],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "acr_values_supported": ["urn:reactor:acr:1fa", "urn:reactor:acr:2fa"],
        "claims_supported": [
            *("sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "sid"),
            *("name", "given_name", "family_name", "nickname", "preferred_username", "picture", "website"),
            *("locale", "zoneinfo", "updated_at", "email", "email_verified"),
        ],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
    if issuer.startswith(("https://", "http://")):
        document["authorization_response_iss_parameter_supported"] = True
    return document


class DiscoveryResource:
    """`/.well-known/openid-configuration` below the issuer, and RFC 8414's place for the same."""

    def __init__(self, auth: Auth) -> None:
        self._document = discovery(auth)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return the document."""
        resp.set_header("Cache-Control", _CACHE)
        resp.media = self._document


class UserInfoResource:
    """`GET POST /userinfo`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Tell what the token's scopes tell about its user (OpenID Connect Core §5.3)."""
        identity = req.context.identity
        if identity.user_id is None:
            raise PermissionDenied("only a user has user info")
        # A token without a client is the user's own and sees all.
        scopes = tuple(str(identity.claims[SCOPE]).split()) if ORG in identity.claims else oauth_scopes.OIDC
        if oauth_scopes.OPENID not in scopes:
            raise InsufficientScope(
                "the access token lacks the scope openid",
                headers={"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="openid"'},
            )
        render.no_store(resp)
        resp.media = self._auth.provider.openid.userinfo(UUID(identity.user_id), scopes)

    on_post = on_get


class IntrospectResource:
    """`POST /introspect`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Tell a client what a token is worth (RFC 7662)."""
        with rfc_shaped(resp):
            params = params_of(req)
            client = client_of(self._auth, req, params)
            token = bodies.required(params.get("token"), "token")
            render.no_store(resp)
            resp.media = self._auth.provider.status.introspect(client, token, self._auth.clock.now())


class RevokeResource:
    """`POST /revoke`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """End what a token belongs to (RFC 7009)."""
        with rfc_shaped(resp):
            params = params_of(req)
            client = client_of(self._auth, req, params)
            token = bodies.required(params.get("token"), "token")
            self._auth.provider.status.revoke(client, token, render.origin_of(req))
            render.no_store(resp)
            resp.media = {}


class EndSessionResource(LogoutResource):
    """`/logout`: for clients with tokens as JSON, for browsers as a page (OpenID Connect RP-Initiated Logout)."""

    def __init__(self, auth: Auth) -> None:
        super().__init__(auth)
        self._forms = BrowserForms(auth)
        self._action = f"{auth.prefix}/logout"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Sign the browser out, or ask whether to."""
        self._browser(req, resp, None)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take the form; anything but a form is the logout of a client with tokens."""
        if bodies.is_form(req):
            self._browser(req, resp, req)
        else:
            super().on_post(req, resp)

    def _browser(self, req: falcon.Request, resp: falcon.Response, form: falcon.Request | None) -> None:
        try:
            params = query_of(req) if form is None else form_of(form)
            hint, target = self._read(params)
        except CannotRedirect as problem:
            self._forms.refuse(resp, problem)
            return
        cookie = self._forms.browser_cookie(req)
        browser, _ = self._auth.provider.browsers.find(cookie)
        subject = f"user_{browser.sign_in.user_id}" if browser is not None else None
        agreed = params.get("step") == "sign_out" and self._forms.is_own_form(req, params)
        hinted = hint is not None and hint.get("sub") == subject
        if browser is not None and not agreed and not hinted:
            names = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
            fields = {name: params[name] for name in names if params.get(name)}
            body = views.sign_out(self._action, {**fields, **self._forms.csrf(req, resp)}, browser.email)
            self._forms.page(resp, "Sign out?", body, targets=[target] if target else [])
            return
        if hint is not None and (browser is None or hinted or agreed):
            self._auth.provider.status.end_session(hint, render.origin_of(req))
        if cookie is not None:
            self._auth.provider.browsers.sign_out(cookie, render.origin_of(req))
            self._forms.forget(resp)
        if target is not None:
            self._forms.send(resp, target, {"state": params.get("state") or None})
        else:
            self._forms.page(resp, "Signed out", views.said("You are signed out."))

    def _read(self, params: dict[str, str]) -> tuple[dict[str, Any] | None, str | None]:
        """Return the claims of the hint, and where to go afterwards; nobody is sent to an address that is not registered."""
        provider, hint = self._auth.provider, None
        if params.get("id_token_hint"):
            try:
                hint = provider.openid.read_hint(params["id_token_hint"])
            except InvalidCredential as fault:
                raise CannotRedirect(f"The request to sign out is not valid: {fault.message}.") from fault
        client_id = str(hint["azp"]) if hint is not None else params.get("client_id")
        if hint is not None and params.get("client_id") not in (None, "", client_id):
            raise CannotRedirect("The request to sign out names two applications.")
        target = params.get("post_logout_redirect_uri") or None
        if target is None:
            return hint, None
        client = provider.clients.find(client_id) if client_id else None
        if client is None or not provider.clients.may_return_to(client, target):
            raise CannotRedirect(
                "The address to return to (post_logout_redirect_uri) is not registered for this application, "
                "so you are not sent there."
            )
        return hint, target
