"""As much of GitHub's OAuth and API as signing in needs (docs: "Authorizing OAuth apps", "List email addresses")."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qsl, urlencode

import falcon

CLIENT_ID = "Iv1.reactor"
CLIENT_SECRET = "github secret"


class FakeGitHub:
    """Plain OAuth 2: no discovery, no ID token; the verified address only comes from the e-mail API."""

    def __init__(self) -> None:
        self.url = ""
        self.user: dict[str, Any] = {"id": 583231, "login": "ann", "name": "Ann", "email": "public@example.com"}
        self.emails: Any = [
            {"email": "old@example.com", "primary": False, "verified": True},
            {"email": "ann@example.com", "primary": True, "verified": True},
        ]
        self._codes: dict[str, dict[str, str]] = {}
        self._tokens: set[str] = set()
        self.app = falcon.App()
        self.app.req_options.auto_parse_form_urlencoded = False
        self.app.add_sink(self._answer, prefix="/")

    def section(self) -> dict[str, Any]:
        """Return `[auth.social.github]` with GitHub's hosts replaced by this one."""
        return {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "authorize_url": f"{self.url}/login/oauth/authorize",
            "token_url": f"{self.url}/login/oauth/access_token",
            "userinfo_url": f"{self.url}/user",
            "emails_url": f"{self.url}/user/emails",
        }

    def _answer(self, req: falcon.Request, resp: falcon.Response, **_: str) -> None:
        if req.path == "/login/oauth/authorize":
            sent = dict(parse_qsl(req.query_string))
            code = secrets.token_hex(10)
            self._codes[code] = sent
            resp.status = 302
            resp.set_header("Location", f"{sent['redirect_uri']}?{urlencode({'code': code, 'state': sent['state']})}")
        elif req.path == "/login/oauth/access_token":
            self._token(dict(parse_qsl(req.bounded_stream.read().decode())), req, resp)
        elif (req.get_header("Authorization") or "").removeprefix("Bearer ") not in self._tokens:
            resp.status, resp.media = 401, {"message": "Bad credentials"}
        elif not req.user_agent:
            resp.status, resp.text = 403, "Request forbidden by administrative rules."
        else:
            resp.media = self.user if req.path == "/user" else self.emails

    def _token(self, form: dict[str, str], req: falcon.Request, resp: falcon.Response) -> None:
        # GitHub answers 200 to refusals, and a form unless JSON is asked for.
        if "application/json" not in (req.get_header("Accept") or ""):
            resp.text = "access_token=gho_form&token_type=bearer"
            return
        begun = self._codes.pop(form.get("code", ""), None)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            resp.media = {"error": "incorrect_client_credentials"}
        elif begun is None or begun["redirect_uri"] != form.get("redirect_uri") or not _fits(begun, form):
            resp.media = {"error": "bad_verification_code", "error_description": "The code is incorrect or expired."}
        else:
            token = f"gho_{secrets.token_hex(18)}"
            self._tokens.add(token)
            resp.media = {"access_token": token, "token_type": "bearer", "scope": begun["scope"].replace(" ", ",")}


def _fits(begun: dict[str, str], form: dict[str, str]) -> bool:
    hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode() == begun.get("code_challenge")
