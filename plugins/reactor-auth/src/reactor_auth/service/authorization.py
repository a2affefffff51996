"""Authorization requests and codes (RFC 6749 §4.1, RFC 7636, OpenID Connect Core §3.1)."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reactor_auth import oauth_scopes
from reactor_auth.audit import AuditLog
from reactor_auth.errors import UserDisabled
from reactor_auth.model import Origin
from reactor_auth.oauth_errors import CannotRedirect, InvalidCode, RefusedRequest
from reactor_auth.oauth_model import CODE, AuthorizationRequest, Browser, Client, Issued, SignIn
from reactor_auth.queries import oauth_codes as sql
from reactor_auth.service.browsers import held
from reactor_auth.service.client_sessions import PKCE, open_session
from reactor_auth.service.clients import Clients
from reactor_auth.service.consents import Consents
from reactor_auth.service.openid import OpenId
from reactor_auth.service.rows import user_of
from reactor_auth.service.sessions import Grant, Sessions
from reactor_auth.tokens import digest
from reactor_kernel.api import Clock, Database, ReactorError, Tx, uuid7

CODE_LIFE = timedelta(minutes=10)
MAX_NONCE = 512
MAX_STATE = 2048
# What S256 yields, always (RFC 7636 §4.2).
_S256 = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_UNSUPPORTED = {"request": "request_not_supported", "request_uri": "request_uri_not_supported"}


class Authorizations:
    """Reads authorization requests, hands codes out and takes them back."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        clients: Clients,
        consents: Consents,
        sessions: Sessions,
        openid: OpenId,
        audit: AuditLog,
    ) -> None:
        self._db = db
        self._clock = clock
        self._clients = clients
        self._consents = consents
        self._sessions = sessions
        self._openid = openid
        self._audit = audit

    def read(self, params: Mapping[str, str]) -> AuthorizationRequest:
        """Read a request.

        Raises:
            CannotRedirect: its client or its redirect address is unknown, so nobody may be sent anywhere.
            RefusedRequest: anything else that is wrong with it.
        """
        client, redirect_uri = self._recipient(params)
        state = params.get("state") or None

        def refuse(code: str, description: str) -> RefusedRequest:
            return RefusedRequest(redirect_uri, state, code, description)

        if state is not None and len(state) > MAX_STATE:
            raise RefusedRequest(redirect_uri, None, "invalid_request", f"state is over {MAX_STATE} characters")
        if params.get("response_type") != "code":
            raise refuse("unsupported_response_type", "response_type must be code")
        if CODE not in client.grants:
            raise refuse("unauthorized_client", f"the client may not use the grant {CODE}")
        for name, code in _UNSUPPORTED.items():
            if params.get(name):
                raise refuse(code, f"{name} is not supported")
        if params.get("response_mode", "query") != "query":
            raise refuse("invalid_request", "response_mode must be query")
        if params.get("code_challenge_method", "S256") != "S256":
            raise refuse("invalid_request", "code_challenge_method must be S256")
        challenge = params.get("code_challenge", "")
        if not _S256.match(challenge):
            raise refuse("invalid_request", "code_challenge must be the 43 characters of an S256 challenge")
        scopes = self._scopes(client, params.get("scope") or oauth_scopes.OPENID, refuse)
        prompts = frozenset((params.get("prompt") or "").split())
        if not prompts <= _PROMPTS:
            raise refuse("invalid_request", f"prompt knows only {', '.join(sorted(_PROMPTS))}")
        if "none" in prompts and len(prompts) > 1:
            raise refuse("invalid_request", "prompt none goes with no other prompt")
        max_age = params.get("max_age") or None
        if max_age is not None and not re.fullmatch(r"[0-9]{1,9}", max_age):
            raise refuse("invalid_request", "max_age must be a number of seconds")
        nonce = params.get("nonce") or None
        if nonce is not None and (len(nonce) > MAX_NONCE or "\x00" in nonce):
            raise refuse("invalid_request", f"nonce must be text of at most {MAX_NONCE} characters")
        return AuthorizationRequest(
            client=client,
            redirect_uri=redirect_uri,
            scopes=scopes,
            code_challenge=challenge,
            state=state,
            nonce=nonce,
            # An age of nothing is a sign-in for this very request.
            prompts=prompts | {"login"} if max_age is not None and int(max_age) == 0 else prompts,
            max_age=int(max_age) if max_age is not None and int(max_age) else None,
            login_hint=params.get("login_hint") or None,
        )

    def _recipient(self, params: Mapping[str, str]) -> tuple[Client, str]:
        client_id, redirect_uri = params.get("client_id"), params.get("redirect_uri")
        if not client_id:
            raise CannotRedirect("The request names no application (client_id).")
        client = self._clients.find(client_id)
        if client is None:
            raise CannotRedirect("The application that sent you here is not registered (client_id).")
        if not redirect_uri:
            raise CannotRedirect("The request does not say where to return to (redirect_uri).")
        if not self._clients.may_redirect_to(client, redirect_uri):
            raise CannotRedirect(
                "The address to return to (redirect_uri) is not registered for this application, "
                "so you are not sent there."
            )
        return client, redirect_uri

    def _scopes(self, client: Client, text: str, refuse: Any) -> tuple[str, ...]:
        scopes = oauth_scopes.split(text)
        if scopes is None:
            raise refuse("invalid_scope", "scope is not a list of scopes")
        if client.is_built_in:
            # Platform scopes are weighed when the code is exchanged; whatever else it may be is not given.
            return tuple(s for s in scopes if s in oauth_scopes.OIDC or oauth_scopes.is_platform(s))
        beyond = oauth_scopes.uncovered(scopes, client.scopes)
        if beyond:
            raise refuse("invalid_scope", f"the client may not have {' '.join(beyond)}")
        return scopes

    def must_sign_in(self, request: AuthorizationRequest, sign_in: SignIn | None) -> bool:
        """Tell whether the user must sign in anew for this request."""
        if sign_in is None or request.prompts & {"login", "select_account"}:
            return True
        if request.max_age is None:
            return False
        return self._clock.now() - sign_in.auth_time > timedelta(seconds=request.max_age)

    def must_consent(self, request: AuthorizationRequest, user_id: UUID) -> bool:
        """Tell whether the user must be asked whether the client may have what it wants."""
        if request.client.first_party:
            return False
        return "consent" in request.prompts or not self._consents.covers(user_id, request.client, request.scopes)

    def issue(self, request: AuthorizationRequest, browser: Browser, origin: Origin, *, consented: bool) -> str | None:
        """Make a code for whom a browser is signed in as; None where that, or the consent, has ended meanwhile.

        `consented` remembers that the user agreed just now; a form sent twice is one consent.
        """
        code, now = secrets.token_urlsafe(32), self._clock.now()
        with self._db.begin() as tx:
            sign_in = held(tx, browser, now)
            if sign_in is None:
                return None
            asked = sign_in.user_id, request.client, request.scopes
            if consented:
                consented = self._consents.remember(tx, *asked)
            elif not request.client.first_party and not self._consents.still_covers(tx, *asked):
                return None
            tx.execute(
                sql.insert_code(
                    {
                        "id": uuid7(),
                        "code_hash": digest(code),
                        "user_id": sign_in.user_id,
                        "client_id": request.client.client_id,
                        "redirect_uri": request.redirect_uri,
                        "scopes": list(request.scopes),
                        "code_challenge": request.code_challenge,
                        "nonce": request.nonce,
                        "amr": list(sign_in.amr),
                        "auth_time": sign_in.auth_time,
                        "mfa_at": sign_in.mfa_at,
                        "created_at": now,
                        "expires_at": now + CODE_LIFE,
                    }
                )
            )
            self._audit.record(
                tx,
                "oauth.authorized",
                origin,
                actor=sign_in.user_id,
                org_id=request.client.org_id,
                resource=f"oauth_client:{request.client.client_id}",
                scopes=list(request.scopes),
                consented=consented,
            )
        return code

    def exchange(self, client: Client, code: str, verifier: str, redirect_uri: str, origin: Origin) -> Issued:
        """Exchange a code, which is burnt whether or not the rest of the request fits it.

        A code presented again ends the session it gave (RFC 6749 §4.1.2).

        Raises:
            InvalidCode, UserDisabled
        """
        signer = self._sessions.signer()
        with self._db.begin() as tx:
            outcome = self._take(tx, client, code, verifier, redirect_uri, origin)
        if isinstance(outcome, ReactorError):
            # Raised only now: what the refusal changed (a burnt code, an ended session) must stay.
            raise outcome
        grant, nonce = outcome
        tokens = self._sessions.tokens(grant, signer)
        return self._openid.issued(grant, tokens, signer, nonce)

    def _take(
        self, tx: Tx, client: Client, code: str, verifier: str, redirect_uri: str, origin: Origin
    ) -> tuple[Grant, str | None] | ReactorError:
        now = self._clock.now()
        row = tx.execute(sql.presented_code(digest(code))).one_or_none()
        if row is None:
            return InvalidCode()
        if row.used_at is not None:
            if row.session_id is not None:
                self._sessions.revoke(tx, row.id, "code_reuse", origin, only=row.session_id)
            return InvalidCode()
        tx.execute(sql.use_code(row.code_id, now))
        problem = _mismatch(row, client, verifier, redirect_uri, now)
        if problem is not None:
            self._audit.record(
                tx,
                "oauth.code_refused",
                origin,
                actor=row.id,
                resource=f"oauth_client:{row.client_id}",
                reason=problem,
            )
            return InvalidCode()
        if row.disabled_at is not None:
            return UserDisabled()
        user = user_of(row)
        sign_in = SignIn(user.id, tuple(row.amr), row.auth_time, row.mfa_at)
        grant = open_session(tx, self._sessions, client, user, sign_in, tuple(row.scopes), origin, amr=(PKCE,))
        tx.execute(sql.note_session(row.code_id, grant.session_id))
        return grant, row.nonce


def _mismatch(row: Row[Any], client: Client, verifier: str, redirect_uri: str, now: datetime) -> str | None:
    from authlib.oauth2.rfc7636 import create_s256_code_challenge
    from authlib.oauth2.rfc7636.challenge import CODE_VERIFIER_PATTERN

    if row.expires_at <= now:
        return "expired"
    if row.client_id != client.client_id:
        return "other_client"
    if row.redirect_uri != redirect_uri:
        return "other_redirect_uri"
    if not CODE_VERIFIER_PATTERN.match(verifier) or verifier.endswith("\n"):
        return "malformed_verifier"
    if not hmac.compare_digest(create_s256_code_challenge(verifier), row.code_challenge):
        return "wrong_verifier"
    return None
