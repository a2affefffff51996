"""The conversation with one provider: the URL to send a browser to, and what a code is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reactor_auth.config_social import SocialConfig
from reactor_auth.social.errors import ProviderError
from reactor_auth.social.oidc import Issuer
from reactor_auth.social.providers import Endpoints, Profile
from reactor_auth.social.web import get_json, unavailable
from reactor_kernel.api import Clock

if TYPE_CHECKING:
    import httpx
    from authlib.oauth2.client import OAuth2Client

MAX_UID = 255
MAX_TEXT = 500


class Provider:
    """One enabled provider."""

    def __init__(self, name: str, config: SocialConfig, client: Callable[[], httpx.Client], clock: Clock) -> None:
        self.name = name
        self.label = config.label or name
        self._config = config
        self._client = client
        self._issuer = None if config.issuer is None else Issuer(self.label, config.issuer, client, clock)

    def endpoints(self) -> Endpoints:
        """Return where the provider is reached. Raises ProviderUnavailable or ProviderError where discovery fails."""
        config = self._config
        if self._issuer is None:
            assert config.authorize_url is not None
            assert config.token_url is not None
            return Endpoints(config.authorize_url, config.token_url, config.userinfo_url, config.token_auth or "basic")
        found = self._issuer.metadata()
        methods = found.token_endpoint_auth_methods_supported
        discovered = "basic" if "client_secret_basic" in methods or "client_secret_post" not in methods else "post"
        return Endpoints(
            found.authorization_endpoint,
            found.token_endpoint,
            found.userinfo_endpoint,
            config.token_auth or discovered,
            found.issuer,
            found.authorization_response_iss_parameter_supported,
        )

    def authorization_url(self, redirect_uri: str, state: str, verifier: str, nonce: str) -> str:
        """Return where the browser goes (authorization code with PKCE S256; RFC 7636)."""
        endpoints = self.endpoints()
        extra = {"nonce": nonce} if self._issuer is not None else {}
        client = self._oauth(redirect_uri)
        url, _ = client.create_authorization_url(endpoints.authorize, state=state, code_verifier=verifier, **extra)
        return str(url)

    def demand_own_answer(self, issuer: str | None) -> None:
        """Refuse an answer that names another issuer, or none where this one always names itself (RFC 9207)."""
        endpoints = self.endpoints()
        if endpoints.issuer is None:
            return
        if issuer is None and not endpoints.names_itself:
            return
        if issuer != endpoints.issuer:
            raise ProviderError(f"the answer does not come from {self.label}")

    def profile(self, code: str, redirect_uri: str, verifier: str, nonce: str) -> Profile:
        """Exchange a code and return whom it stands for.

        Raises:
            ProviderUnavailable, ProviderError
        """
        token = self._tokens(code, redirect_uri, verifier)
        access_token = token["access_token"]
        if self._issuer is None:
            said = self._userinfo(access_token)
        else:
            id_token = token.get("id_token")
            if not isinstance(id_token, str):
                raise ProviderError(f"{self.label} issued no ID token")
            said = self._issuer.claims(id_token, self._config.client_id, nonce)
            if "email" not in said and self.endpoints().userinfo is not None:
                more = self._userinfo(access_token)
                if more.get("sub") != said.get("sub"):
                    raise ProviderError(f"{self.label} describes another person than its ID token")
                said = {**more, **said}
        email, vouched = said.get("email"), said.get("email_verified")
        # Some providers send the word; 1 or "yes" vouch for nothing.
        verified = vouched is True or vouched == "true"
        if self._config.emails_url is not None:
            email, verified = self._primary_email(access_token)
        return Profile(
            uid=self._uid(said),
            email=email if isinstance(email, str) else None,
            email_verified=verified,
            name=_text(said.get("name")),
            picture=_text(said.get("picture", said.get("avatar_url"))),
        )

    def _oauth(self, redirect_uri: str) -> OAuth2Client:
        from authlib.oauth2.client import OAuth2Client

        return OAuth2Client(
            self._client(),
            client_id=self._config.client_id,
            scope=" ".join(self._config.scopes) or None,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )

    def _tokens(self, code: str, redirect_uri: str, verifier: str) -> dict[str, Any]:
        import httpx
        from authlib.oauth2 import OAuth2Error

        endpoints = self.endpoints()
        form = {"code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
        secret = self._config.client_secret
        basic = None
        if secret is not None and endpoints.token_auth == "basic":
            # Both are form-encoded first (RFC 6749 §2.3.1).
            basic = httpx.BasicAuth(quote(self._config.client_id, safe=""), quote(secret, safe=""))
        else:
            form["client_id"] = self._config.client_id
            if secret is not None:
                form["client_secret"] = secret
        client = self._oauth(redirect_uri)
        try:
            # An empty pair of credentials keeps Authlib from adding its own for another HTTP library.
            token = client.fetch_token(
                endpoints.token, grant_type="authorization_code", auth=basic or httpx.Auth(), **form
            )
        except httpx.HTTPStatusError as fault:
            if fault.response.status_code >= 500 or fault.response.status_code == 429:
                raise unavailable(self.label) from fault
            raise ProviderError(f"{self.label} refused the code with status {fault.response.status_code}") from fault
        except httpx.HTTPError as fault:
            raise unavailable(self.label) from fault
        except OAuth2Error as fault:
            raise ProviderError(f"{self.label} refused the code: {error_code(fault.error)}") from fault
        except ValueError as fault:
            raise ProviderError(f"{self.label} answered something that is not JSON") from fault
        if not isinstance(token.get("access_token"), str) or str(token.get("token_type", "bearer")).lower() != "bearer":
            raise ProviderError(f"{self.label} issued no bearer token")
        return dict(token)

    def _userinfo(self, access_token: str) -> dict[str, Any]:
        url = self.endpoints().userinfo
        said = None if url is None else get_json(self._client(), url, name=self.label, token=access_token)
        if not isinstance(said, dict):
            raise ProviderError(f"{self.label} does not say who signed in")
        return said

    def _primary_email(self, access_token: str) -> tuple[str | None, bool]:
        assert self._config.emails_url is not None
        listed = get_json(self._client(), self._config.emails_url, name=self.label, token=access_token)
        if not isinstance(listed, list):
            raise ProviderError(f"{self.label} does not list e-mail addresses")
        for entry in listed:
            if isinstance(entry, dict) and entry.get("primary") is True and isinstance(entry.get("email"), str):
                return entry["email"], entry.get("verified") is True
        return None, False

    def _uid(self, said: dict[str, Any]) -> str:
        uid = said.get("sub") if self._issuer is not None else said.get("sub", said.get("id"))
        if isinstance(uid, int) and not isinstance(uid, bool):
            uid = str(uid)
        if not isinstance(uid, str) or not 0 < len(uid) <= MAX_UID or "\x00" in uid:
            raise ProviderError(f"{self.label} does not say who signed in")
        return uid


def error_code(text: object) -> str:
    """Return an OAuth error code as it may be shown: a plain word, whatever a provider or an attacker wrote."""
    word = text if isinstance(text, str) else ""
    return word if 0 < len(word) <= 64 and word.replace("_", "").isalnum() and word.isascii() else "unknown_error"


def _text(value: object) -> str | None:
    return value.replace("\x00", "")[:MAX_TEXT] if isinstance(value, str) and value else None
