"""Signing in on a device without a browser (RFC 8628)."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from reactor_auth import limits, oauth_scopes
from reactor_auth.audit import AuditLog
from reactor_auth.config import AuthConfig
from reactor_auth.errors import UserDisabled, UserNotFound
from reactor_auth.limits import RateLimiter
from reactor_auth.macs import Macs
from reactor_auth.model import Origin
from reactor_auth.oauth_errors import (
    AccessDenied,
    AuthorizationPending,
    DeviceCodeExpired,
    InvalidGrant,
    InvalidScope,
    SlowDown,
    UnauthorizedClient,
)
from reactor_auth.oauth_model import DEVICE, Browser, Client, DeviceAnswer, DeviceRequest, Issued, SignIn
from reactor_auth.queries import oauth_codes as sql
from reactor_auth.queries import users as user_sql
from reactor_auth.service.browsers import held
from reactor_auth.service.client_sessions import open_session
from reactor_auth.service.clients import find_in
from reactor_auth.service.openid import OpenId
from reactor_auth.service.rows import user_of
from reactor_auth.service.sessions import Grant, Sessions
from reactor_auth.tokens import digest
from reactor_kernel.api import Clock, Database, ReactorError, Tx, uuid7

LIFE_SECS = 600
INTERVAL_SECS = 5
# Without vowels, so that no words appear, and without what looks alike (RFC 8628 §6.1).
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8
_PURPOSE = "device user code"


def normalised(text: str) -> str:
    """Return a user code as it is compared: letters in upper case, without what people put in between."""
    return "".join(char for char in text.upper() if char in ALPHABET)


class Devices:
    """Gives devices their codes, lets users decide, and tells the devices."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        macs: Macs,
        sessions: Sessions,
        openid: OpenId,
        limiter: RateLimiter,
        audit: AuditLog,
    ) -> None:
        self._limits = config.limits
        self._db = db
        self._clock = clock
        self._macs = macs
        self._sessions = sessions
        self._openid = openid
        self._limiter = limiter
        self._audit = audit

    def begin(self, client: Client, scope: str, origin: Origin) -> DeviceAnswer:
        """Make the codes of a device.

        Raises:
            UnauthorizedClient, InvalidScope, TooManyAttempts
        """
        if DEVICE not in client.grants:
            raise UnauthorizedClient("the client may not use the device grant")
        scopes = oauth_scopes.split(scope)
        if scopes is None:
            raise InvalidScope("scope is not a list of scopes")
        if client.is_built_in:
            scopes = tuple(s for s in scopes if s in oauth_scopes.OIDC or oauth_scopes.is_platform(s))
        elif beyond := oauth_scopes.uncovered(scopes, client.scopes):
            raise InvalidScope(f"the client may not have {' '.join(beyond)}")
        window = self._limits.device_window_secs
        self._limiter.spend([limits.for_address("device", origin.address, self._limits.device_per_address, window)])
        device_code = secrets.token_urlsafe(32)
        letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        device_id, now = uuid7(), self._clock.now()
        with self._db.begin() as tx:
            tx.execute(
                sql.insert_device(
                    {
                        "id": device_id,
                        "device_code_hash": digest(device_code),
                        "user_code_hash": self._macs.digest(_PURPOSE, letters),
                        "client_id": client.client_id,
                        "scopes": list(scopes),
                        "ip": origin.address,
                        "user_agent": origin.user_agent,
                        "interval_secs": INTERVAL_SECS,
                        "created_at": now,
                        "expires_at": now + timedelta(seconds=LIFE_SECS),
                        "status": "pending",
                    }
                )
            )
            self._audit.record(
                tx,
                "oauth.device_requested",
                origin,
                actor=None,
                org_id=client.org_id,
                resource=f"device:{device_id}",
                client_id=client.client_id,
            )
        return DeviceAnswer(device_code, f"{letters[:4]}-{letters[4:]}", LIFE_SECS, INTERVAL_SECS)

    def find(self, user_code: str, sign_in: SignIn, origin: Origin) -> DeviceRequest | None:
        """Find the device that shows a code, for a signed-in user. Raises TooManyAttempts."""
        window = self._limits.device_window_secs
        self._limiter.spend(
            [
                limits.for_address("user_code", origin.address, self._limits.user_code_per_address, window),
                limits.Limit(f"user_code:user:{sign_in.user_id}", self._limits.user_code_per_user, window),
            ]
        )
        with self._db.begin(readonly=True) as tx:
            row = self._waiting(tx, user_code)
            client = find_in(tx, row.client_id) if row is not None else None
        if row is None or client is None:
            return None
        address = None if row.ip is None else str(row.ip)
        return DeviceRequest(row.id, client, tuple(row.scopes), address, row.user_agent, row.created_at)

    def decide(self, user_code: str, browser: Browser, origin: Origin, *, approved: bool) -> bool:
        """Approve or deny a device for whom a browser is signed in as; tell whether there was one to decide about.

        Nothing is decided where the browser was signed out meanwhile. Raises TooManyAttempts.
        """
        if self.find(user_code, browser.sign_in, origin) is None:
            return False
        with self._db.begin() as tx:
            # The browser first: whoever ends it voids the approved devices afterwards.
            sign_in = held(tx, browser, self._clock.now())
            row = None if sign_in is None else self._waiting(tx, user_code, lock=True)
            if sign_in is None or row is None:
                return False
            tx.execute(
                sql.change_device(
                    row.id,
                    status="approved" if approved else "denied",
                    user_id=sign_in.user_id,
                    amr=list(sign_in.amr),
                    auth_time=sign_in.auth_time,
                    mfa_at=sign_in.mfa_at,
                )
            )
            self._audit.record(
                tx,
                "oauth.device_approved" if approved else "oauth.device_denied",
                origin,
                actor=sign_in.user_id,
                resource=f"device:{row.id}",
                client_id=row.client_id,
                scopes=list(row.scopes),
            )
        return True

    def poll(self, client: Client, device_code: str, origin: Origin) -> Issued:
        """Answer a device that asks how it stands; it gets its tokens once.

        Raises:
            AuthorizationPending, SlowDown, DeviceCodeExpired, AccessDenied, InvalidGrant, UserDisabled
        """
        signer = self._sessions.signer()
        with self._db.begin() as tx:
            outcome = self._answer(tx, client, device_code, origin)
        if isinstance(outcome, ReactorError):
            raise outcome
        return self._openid.issued(outcome, self._sessions.tokens(outcome, signer), signer, None)

    def _answer(self, tx: Tx, client: Client, device_code: str, origin: Origin) -> Grant | ReactorError:
        now = self._clock.now()
        row = tx.execute(sql.polled_device(digest(device_code))).one_or_none()
        if row is None or row.client_id != client.client_id or row.status == "used":
            return InvalidGrant("the device code is unknown, used, or another client's")
        if row.expires_at <= now:
            return DeviceCodeExpired()
        if row.status == "denied":
            return AccessDenied("the user denied the request")
        early = row.polled_at is not None and now - row.polled_at < timedelta(seconds=row.interval_secs)
        if early:
            tx.execute(sql.change_device(row.id, polled_at=now, interval_secs=row.interval_secs + INTERVAL_SECS))
            return SlowDown()
        tx.execute(sql.change_device(row.id, polled_at=now))
        if row.status == "pending":
            return AuthorizationPending()
        # Without a lock: whoever ends the user's sessions has locked the user and waits for the device's row.
        found = tx.execute(user_sql.by_id(row.user_id)).one_or_none()
        if found is None:
            return UserNotFound()
        if found.disabled_at is not None:
            return UserDisabled()
        tx.execute(sql.change_device(row.id, status="used"))
        user = user_of(found)
        sign_in = SignIn(user.id, tuple(row.amr), row.auth_time, row.mfa_at)
        return open_session(tx, self._sessions, client, user, sign_in, tuple(row.scopes), origin)

    def _waiting(self, tx: Tx, user_code: str, *, lock: bool = False) -> Row[Any] | None:
        letters = normalised(user_code)
        if len(letters) != LENGTH:
            return None
        hashed = self._macs.digest(_PURPOSE, letters)
        return tx.execute(sql.waiting_device(hashed, self._clock.now(), lock=lock)).one_or_none()
