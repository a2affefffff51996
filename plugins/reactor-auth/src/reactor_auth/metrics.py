"""What identity counts."""

from __future__ import annotations

from reactor_kernel.api import MetricsRegistry

SIGN_INS = "reactor_auth_sign_ins_total"
REFRESHES = "reactor_auth_refreshes_total"
SOCIAL = "reactor_auth_social_sign_ins_total"
CACHED = "reactor_auth_identities_cached"


class AuthMetrics:
    """Counters of sign-ins and refreshes by outcome; an outcome is `ok` or an error code of the contract."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._sign_ins = registry.counter(SIGN_INS, "Sign-ins with a password, by outcome", ("outcome",))
        self._refreshes = registry.counter(REFRESHES, "Exchanges of refresh tokens, by outcome", ("outcome",))
        self._social = registry.counter(
            SOCIAL, "Sign-ins with another provider, by provider and outcome", ("provider", "outcome")
        )
        self._cached = registry.gauge(CACHED, "Identities in this process' cache")

    def signed_in(self, outcome: str) -> None:
        """Count a sign-in."""
        self._sign_ins.labels(outcome).inc()

    def signed_in_with(self, provider: str, outcome: str) -> None:
        """Count a sign-in with another provider."""
        self._social.labels(provider, outcome).inc()

    def refreshed(self, outcome: str) -> None:
        """Count a refresh."""
        self._refreshes.labels(outcome).inc()

    def cached(self, entries: int) -> None:
        """Set the size of the identity cache."""
        self._cached.set(entries)
