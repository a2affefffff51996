"""An OpenID Connect provider made with Authlib's server, with knobs for everything that can be wrong with one."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import falcon
from authlib.common.security import generate_token
from authlib.oauth2 import AuthorizationServer, OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import RSAKey

CLIENT_ID = "reactor-at-acme"
CLIENT_SECRET = "acme secret, with a : and a %"


@dataclass
class Knobs:
    """How the provider answers; the defaults are those of a good one."""

    sub: str = "acme-1"
    email: str | None = "ann@example.com"
    email_verified: Any = True
    name: str | None = "Ann"
    email_in: str = "id_token"
    userinfo_sub: str | None = None
    nonce: str | None = None
    drop_nonce: bool = False
    aud: Any = None
    iss: str | None = None
    exp: int = 3600
    azp: str | None = None
    forged: bool = False
    id_token: str | None = None
    error: str | None = None
    answer_iss: str | None = "own"
    announce_iss: bool = True
    auth_methods: tuple[str, ...] = ("client_secret_basic", "client_secret_post")
    token_type: str = "Bearer"
    status: dict[str, int] = field(default_factory=dict)
    delay: dict[str, float] = field(default_factory=dict)
    body: dict[str, bytes] = field(default_factory=dict)
    discovered_issuer: str | None = None
    token_endpoint: str | None = None


class _Client:
    def __init__(self, redirect_uris: set[str]) -> None:
        self.client_id = CLIENT_ID
        self._redirect_uris = redirect_uris

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, uri: str) -> bool:
        return uri in self._redirect_uris

    def check_client_secret(self, secret: str) -> bool:
        return secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, kind: str) -> bool:
        return kind == "code"

    def check_grant_type(self, kind: str) -> bool:
        return kind == "authorization_code"


@dataclass
class _Code:
    code: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    knobs: Knobs

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class _Server(AuthorizationServer):
    """Authlib's server with Falcon's requests and responses."""

    def __init__(self, client: _Client) -> None:
        super().__init__()
        self._own = client
        self.tokens_issued = 0
        self.register_token_generator(
            "default", BearerTokenGenerator(lambda **_: generate_token(42), None, lambda *_: 3600)
        )

    def query_client(self, client_id: str) -> _Client | None:
        return self._own if client_id == CLIENT_ID else None

    def save_token(self, token: Any, request: Any) -> None:
        self.tokens_issued += 1

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        pass

    def create_oauth2_request(self, request: falcon.Request) -> OAuth2Request:
        query = dict(parse_qsl(request.query_string))
        form = dict(parse_qsl(request.bounded_stream.read().decode())) if request.method == "POST" else {}
        # Authlib looks for a client's credentials under the header's own spelling.
        headers = {name.title(): value for name, value in request.headers.items()}
        made = OAuth2Request(request.method, request.uri, headers=headers)
        made.payload = BasicOAuth2Payload({**query, **form})
        type(made).form = property(lambda self: self.payload.data)
        type(made).args = property(lambda self: self.payload.data)
        return made

    def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, Any, dict[str, str]]:
        return status, body, dict(headers)


class FakeOidc:
    """A provider at `url`. `seen` counts requests by path, `knobs` say how it answers from now on."""

    def __init__(self) -> None:
        self.url = ""
        self.now: Callable[[], float] = time.time
        self.knobs = Knobs()
        self.redirect_uris: set[str] = set()
        self.seen: Counter[str] = Counter()
        self.forms: list[dict[str, str]] = []
        self.key = RSAKey.generate_key(2048, {"kid": "acme-key", "use": "sig", "alg": "RS256"})
        self._other_key = RSAKey.generate_key(2048, {"kid": "acme-key", "use": "sig", "alg": "RS256"})
        self._codes: dict[str, _Code] = {}
        self._people: dict[str, Knobs] = {}
        self._server = _Server(_Client(self.redirect_uris))
        self._server.register_grant(self._code_grant(), [CodeChallenge(required=True), self._openid()])
        self.app = falcon.App()
        self.app.req_options.auto_parse_form_urlencoded = False
        self.app.add_sink(self._answer, prefix="/")

    def _code_grant(self) -> type:
        provider = self

        class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
            TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post"]

            def save_authorization_code(self, code: str, request: Any) -> None:
                sent = request.payload.data
                provider._codes[code] = _Code(
                    code,
                    sent["redirect_uri"],
                    sent.get("scope", ""),
                    sent.get("nonce"),
                    sent.get("code_challenge"),
                    sent.get("code_challenge_method"),
                    provider.knobs,
                )

            def query_authorization_code(self, code: str, client: Any) -> _Code | None:
                return provider._codes.get(code)

            def delete_authorization_code(self, authorization_code: _Code) -> None:
                del provider._codes[authorization_code.code]

            def authenticate_user(self, authorization_code: _Code) -> Knobs:
                return authorization_code.knobs

        return CodeGrant

    def _openid(self) -> OpenIDCode:
        provider = self

        class Openid(OpenIDCode):  # type: ignore[misc]
            def exists_nonce(self, nonce: str, request: Any) -> bool:
                return False

            def resolve_client_private_key(self, client: Any) -> Any:
                return provider._other_key if provider.knobs.forged else provider.key

            def get_encode_header(self, client: Any) -> dict[str, str]:
                return {"alg": "RS256", "kid": str(provider.key.kid)}

            def get_client_claims(self, client: Any) -> dict[str, Any]:
                knobs = provider.knobs
                claims: dict[str, Any] = {
                    "iss": knobs.iss or provider.url,
                    "aud": knobs.aud or CLIENT_ID,
                    "iat": int(provider.now()),
                    "exp": int(provider.now()) + knobs.exp,
                }
                return claims if knobs.azp is None else {**claims, "azp": knobs.azp}

            def get_authorization_code_claims(self, authorization_code: _Code) -> dict[str, Any]:
                claims: dict[str, Any] = super().get_authorization_code_claims(authorization_code)
                if provider.knobs.nonce is not None:
                    claims["nonce"] = provider.knobs.nonce
                if provider.knobs.drop_nonce:
                    claims.pop("nonce", None)
                return claims

            def generate_user_info(self, user: Knobs, scope: str) -> dict[str, Any]:
                return provider.claims_of(user, "id_token")

        return Openid()

    def claims_of(self, person: Knobs, place: str) -> dict[str, Any]:
        """Return what is told of a person in the ID token or at the userinfo endpoint."""
        told: dict[str, Any] = {"sub": person.sub}
        if person.name is not None:
            told["name"] = person.name
        if person.email is not None and person.email_in == place:
            told |= {"email": person.email, "email_verified": person.email_verified}
        return told

    def _answer(self, req: falcon.Request, resp: falcon.Response, **_: str) -> None:
        path = req.path
        self.seen[path] += 1
        time.sleep(self.knobs.delay.get(path, 0))
        if path in self.knobs.body:
            resp.content_type = "application/json"
            resp.data = self.knobs.body[path]
        elif path in self.knobs.status:
            resp.status = self.knobs.status[path]
            resp.text = "<h1>Sorry</h1>"
        else:
            {
                "/.well-known/openid-configuration": self._discovery,
                "/jwks": self._jwks,
                "/authorize": self._authorize,
                "/token": self._token,
                "/userinfo": self._userinfo,
            }[path](req, resp)

    def _discovery(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {
            "issuer": self.knobs.discovered_issuer or self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": self.knobs.token_endpoint or f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": list(self.knobs.auth_methods),
            "authorization_response_iss_parameter_supported": self.knobs.announce_iss,
        }

    def _jwks(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"keys": [self.key.as_dict(private=False)]}

    def _authorize(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Approve at once, as somebody who is signed in and has agreed before."""
        try:
            grant = self._server.get_consent_grant(req, end_user=self.knobs)
        except OAuth2Error as refusal:
            resp.status, resp.media = 400, dict(refusal.get_body())
            return
        person = None if self.knobs.error == "access_denied" else self.knobs
        answer = self._server.create_authorization_response(req, grant_user=person, grant=grant)
        status, _, headers = answer
        resp.status = status
        location = headers["Location"]
        if self.knobs.error not in (None, "access_denied"):
            location = f"{req.get_param('redirect_uri')}?error={self.knobs.error}&state={req.get_param('state')}"
        if self.knobs.answer_iss is not None:
            location += f"&iss={self.url if self.knobs.answer_iss == 'own' else self.knobs.answer_iss}"
        resp.set_header("Location", location)

    def _token(self, req: falcon.Request, resp: falcon.Response) -> None:
        status, body, _ = self._server.create_token_response(req)
        if "access_token" in body:
            self._people[body["access_token"]] = self.knobs
            body["token_type"] = self.knobs.token_type
            if self.knobs.id_token is not None:
                body["id_token"] = self.knobs.id_token
        resp.status = status
        resp.content_type = "application/json"
        resp.text = json.dumps(body)

    def _userinfo(self, req: falcon.Request, resp: falcon.Response) -> None:
        person = self._people.get((req.get_header("Authorization") or "").removeprefix("Bearer "))
        if person is None:
            resp.status = 401
            return
        told = self.claims_of(person, "userinfo")
        resp.media = {**told, "sub": person.userinfo_sub or person.sub}
