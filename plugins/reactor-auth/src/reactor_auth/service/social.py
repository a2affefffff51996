"""Signing in with another provider: authorization code with PKCE, bound to one browser (contract auth.md §3.5)."""

from __future__ import annotations

import hmac
import logging
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from reactor_auth import limits, redirects
from reactor_auth.audit import AuditLog
from reactor_auth.config import AuthConfig
from reactor_auth.errors import invalid_field
from reactor_auth.limits import RateLimiter
from reactor_auth.model import Caller, Origin, Tokens
from reactor_auth.queries import identities as sql
from reactor_auth.sealing import Sealer
from reactor_auth.service.identities import Identities
from reactor_auth.service.sessions import Sessions
from reactor_auth.social.errors import InvalidState, ProviderError, ProviderNotFound, ProviderUnavailable
from reactor_auth.social.exchange import Provider, error_code
from reactor_auth.social.flow import STATE_SECS, Begun
from reactor_auth.social.providers import ProviderInfo, effective
from reactor_auth.tokens import digest
from reactor_kernel.api import Clock, Database, ReactorError

if TYPE_CHECKING:
    import httpx

MAX_STATE = 200


class _Secrets(msgspec.Struct, frozen=True):
    """What proves that an answer belongs to the question: the PKCE verifier and the nonce."""

    verifier: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in that came back, with what was remembered of it."""

    provider: Provider
    secrets: _Secrets
    redirect_to: str
    user_id: UUID | None
    session_id: UUID | None


class Social:
    """Begins and completes sign-ins with the configured providers."""

    def __init__(
        self,
        config: AuthConfig,
        prefix: str,
        db: Database,
        clock: Clock,
        sealer: Sealer,
        sessions: Sessions,
        identities: Identities,
        limiter: RateLimiter,
        audit: AuditLog,
        log: logging.Logger,
    ) -> None:
        self._config = config
        self._callback = f"{config.base_url}{prefix}/callback"
        self._db = db
        self._clock = clock
        self._sealer = sealer
        self._sessions = sessions
        self._identities = identities
        self._limiter = limiter
        self._audit = audit
        self._log = log
        self._providers = {
            name: Provider(name, found, lambda: self._client, clock) for name, found in effective(config.social).items()
        }

    @cached_property
    def _client(self) -> httpx.Client:
        from reactor_auth.social.web import open_client

        return open_client()

    def providers(self) -> list[ProviderInfo]:
        """List the enabled providers by name."""
        return [ProviderInfo(name, provider.label) for name, provider in sorted(self._providers.items())]

    def begin(self, name: str, redirect_to: str | None, origin: Origin, caller: Caller | None = None) -> Begun:
        """Begin a sign-in, or with a `caller` the linking of the provider to that user.

        Raises:
            ProviderNotFound, ValidationError, TooManyAttempts, ProviderUnavailable, ProviderError
        """
        provider = self._provider(name)
        target = self.target(redirect_to)
        self._spend(origin)
        state, browser_secret = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        kept = _Secrets(verifier=secrets.token_urlsafe(48), nonce=secrets.token_urlsafe(24))
        url = provider.authorization_url(self._redirect_uri(name), state, kept.verifier, kept.nonce)
        state_hash, now = digest(state), self._clock.now()
        sealed = self._sealer.seal(msgspec.json.encode(kept), _purpose(state_hash))
        with self._db.begin() as tx:
            tx.execute(
                sql.insert_state(
                    state_hash,
                    digest(browser_secret),
                    name,
                    sealed,
                    target,
                    None if caller is None else caller.user_id,
                    None if caller is None else caller.session_id,
                    now,
                    now + timedelta(seconds=STATE_SECS),
                )
            )
        return Begun(url, state, browser_secret)

    def target(self, redirect_to: str | None) -> str:
        """Return where a browser goes in the end. Raises ValidationError for a place that is not allowed."""
        target = redirect_to or self._config.front_url
        # The fragment is where the tokens go.
        if "#" in target or not redirects.allowed(self._config, target):
            raise invalid_field("redirect_to", "is not an allowed place; see [auth] site_url and redirect_allow_list")
        return target

    def take(self, state: str, browser_secret: str | None, name: str | None, origin: Origin) -> Flow:
        """Take the sign-in a state stands for; it can be taken once, by the browser that began it.

        Raises:
            InvalidState: unknown, used, too old, of another browser or for another provider.
            TooManyAttempts
        """
        self._spend(origin)
        state_hash = digest(state)
        if len(state) > MAX_STATE:
            raise InvalidState
        with self._db.begin() as tx:
            row = tx.execute(sql.take_state(state_hash)).one_or_none()
        if row is None or row.expires_at <= self._clock.now():
            raise InvalidState
        if browser_secret is None or not hmac.compare_digest(digest(browser_secret), row.browser_hash):
            raise InvalidState
        provider = self._providers.get(row.provider)
        if provider is None or (name is not None and name != row.provider):
            raise InvalidState
        kept = msgspec.json.decode(self._sealer.open(row.sealed, _purpose(state_hash)), type=_Secrets)
        return Flow(provider, kept, row.redirect_to, row.user_id, row.session_id)

    def complete(
        self, flow: Flow, *, code: str | None, error: str | None, issuer: str | None, origin: Origin
    ) -> Tokens | None:
        """Sign in and return tokens; None where the provider was linked to the user who asked for that.

        Raises:
            ReactorError: every refusal; its code and message are meant for the query of `flow.redirect_to`.
        """
        try:
            return self._complete(flow, code, error, issuer, origin)
        except ProviderUnavailable:
            raise
        except ReactorError as refusal:
            self._note(flow, refusal, origin)
            raise

    def _complete(
        self, flow: Flow, code: str | None, error: str | None, issuer: str | None, origin: Origin
    ) -> Tokens | None:
        provider = flow.provider
        provider.demand_own_answer(issuer)
        if error is not None:
            word = error_code(error)
            raise ProviderError(
                f"{provider.label} refused: {word}", code="access_denied" if word == "access_denied" else None
            )
        if not code:
            raise ProviderError(f"{provider.label} sent neither a code nor an error")
        redirect_uri = self._redirect_uri(provider.name)
        profile = provider.profile(code, redirect_uri, flow.secrets.verifier, flow.secrets.nonce)
        if flow.user_id is not None:
            with self._db.begin() as tx:
                self._identities.link(tx, flow.user_id, flow.session_id, provider.name, profile, origin)
            return None
        signer = self._sessions.signer()
        with self._db.begin() as tx:
            user = self._identities.sign_in(tx, provider.name, profile, origin)
            grant = self._sessions.open(tx, user, (f"oauth:{provider.name}",), origin)
        return self._sessions.tokens(grant, signer)

    def _note(self, flow: Flow, refusal: ReactorError, origin: Origin) -> None:
        self._log.info("a sign-in with %s was refused: %s", flow.provider.name, refusal.message)
        with self._db.begin() as tx:
            self._audit.record(
                tx,
                "login.failed",
                origin,
                actor=flow.user_id,
                reason=refusal.error_code,
                provider=flow.provider.name,
            )

    def _provider(self, name: str) -> Provider:
        found = self._providers.get(name)
        if found is None:
            raise ProviderNotFound
        return found

    def _redirect_uri(self, name: str) -> str:
        # One for each provider, so that no provider's answer can pass for another's (RFC 9700 §4.4).
        return f"{self._callback}/{name}"

    def _spend(self, origin: Origin) -> None:
        rates = self._config.limits
        self._limiter.spend(
            [limits.for_address("social", origin.address, rates.social_per_address, rates.social_window_secs)]
        )


def _purpose(state_hash: bytes) -> str:
    return f"oauth_state:{state_hash.hex()}"
