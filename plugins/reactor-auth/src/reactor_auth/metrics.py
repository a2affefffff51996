"""What identity counts."""

from __future__ import annotations

from reactor_kernel.api import MetricsRegistry

SIGN_INS = "reactor_auth_sign_ins_total"
REFRESHES = "reactor_auth_refreshes_total"
SOCIAL = "reactor_auth_social_sign_ins_total"
SECOND_FACTORS = "reactor_auth_second_factors_total"
MAILS = "reactor_auth_mails_total"
MAILS_WAITING = "reactor_auth_mails_waiting"
CACHED = "reactor_auth_identities_cached"
ROTATIONS = "reactor_auth_key_rotations_total"
LIMITED = "reactor_auth_rate_limited_total"
LOCKOUTS = "reactor_auth_lockouts_total"
SESSIONS_ENDED = "reactor_auth_sessions_ended_total"
KEYS_PUBLISHED = "reactor_auth_signing_keys"
KEY_AGE = "reactor_auth_signing_key_age_seconds"


class AuthMetrics:
    """Counters of sign-ins and refreshes by outcome; an outcome is `ok` or an error code of the contract."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._sign_ins = registry.counter(SIGN_INS, "Sign-ins with a password or a passkey, by outcome", ("outcome",))
        self._refreshes = registry.counter(REFRESHES, "Exchanges of refresh tokens, by outcome", ("outcome",))
        self._social = registry.counter(
            SOCIAL, "Sign-ins with another provider, by provider and outcome", ("provider", "outcome")
        )
        self._second_factors = registry.counter(
            SECOND_FACTORS,
            "Second factors presented, by method (totp, recovery_code, webauthn) and outcome",
            ("method", "outcome"),
        )
        self._mails = registry.counter(
            MAILS, "Mails by template and outcome: sent, logged, retried, expired or failed", ("template", "outcome")
        )
        self._mails_waiting = registry.gauge(MAILS_WAITING, "Mails in the outbox that are not sent yet")
        self._cached = registry.gauge(CACHED, "Identities in this process' cache")
        self._rotations = registry.counter(ROTATIONS, "New signing keys, by what asked for them", ("trigger",))
        self._limited = registry.counter(LIMITED, "Attempts over a rate limit, by limit", ("limit",))
        self._lockouts = registry.counter(LOCKOUTS, "Waits imposed after failed sign-ins, by what waits", ("scope",))
        self._sessions_ended = registry.counter(SESSIONS_ENDED, "Sessions that ended, by reason", ("reason",))
        self._keys_published = registry.gauge(KEYS_PUBLISHED, "Keys that verify access tokens")
        self._key_age = registry.gauge(KEY_AGE, "How long the signing key has been signing")

    def signed_in(self, outcome: str) -> None:
        """Count a sign-in."""
        self._sign_ins.labels(outcome).inc()

    def signed_in_with(self, provider: str, outcome: str) -> None:
        """Count a sign-in with another provider."""
        self._social.labels(provider, outcome).inc()

    def refreshed(self, outcome: str) -> None:
        """Count a refresh."""
        self._refreshes.labels(outcome).inc()

    def second_factor(self, method: str, outcome: str) -> None:
        """Count a second factor that somebody presented."""
        self._second_factors.labels(method, outcome).inc()

    def mailed(self, template: str, outcome: str) -> None:
        """Count what became of a mail."""
        self._mails.labels(template, outcome).inc()

    def mails_waiting(self, mails: int) -> None:
        """Set the length of the outbox."""
        self._mails_waiting.set(mails)

    def cached(self, entries: int) -> None:
        """Set the size of the identity cache."""
        self._cached.set(entries)

    def rotated(self, trigger: str) -> None:
        """Count a new signing key; the trigger is `admin`, `scheduled` or `compromised`."""
        self._rotations.labels(trigger).inc()

    def key_set(self, published: int, age: float) -> None:
        """Set the number of keys and the age of the signing one."""
        self._keys_published.set(published)
        self._key_age.set(age)

    def limited(self, limit: str) -> None:
        """Count an attempt over a limit; a limit is named by what it limits, such as `login`."""
        self._limited.labels(limit).inc()

    def locked_out(self, scope: str) -> None:
        """Count a wait imposed on a `place` or an `account`."""
        self._lockouts.labels(scope).inc()

    def sessions_ended(self, reason: str, count: int) -> None:
        """Count sessions that ended."""
        self._sessions_ended.labels(reason).inc(count)
