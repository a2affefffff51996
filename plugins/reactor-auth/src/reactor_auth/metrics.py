"""What identity counts."""

from __future__ import annotations

from reactor_kernel.api import MetricsRegistry

SIGN_INS = "reactor_auth_sign_ins_total"
REFRESHES = "reactor_auth_refreshes_total"
MAILS = "reactor_auth_mails_total"
MAILS_WAITING = "reactor_auth_mails_waiting"
CACHED = "reactor_auth_identities_cached"


class AuthMetrics:
    """Counters of sign-ins and refreshes by outcome; an outcome is `ok` or an error code of the contract."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._sign_ins = registry.counter(SIGN_INS, "Sign-ins with a password, by outcome", ("outcome",))
        self._refreshes = registry.counter(REFRESHES, "Exchanges of refresh tokens, by outcome", ("outcome",))
        self._mails = registry.counter(
            MAILS, "Mails by template and outcome: sent, logged, retried, expired or failed", ("template", "outcome")
        )
        self._mails_waiting = registry.gauge(MAILS_WAITING, "Mails in the outbox that are not sent yet")
        self._cached = registry.gauge(CACHED, "Identities in this process' cache")

    def signed_in(self, outcome: str) -> None:
        """Count a sign-in."""
        self._sign_ins.labels(outcome).inc()

    def refreshed(self, outcome: str) -> None:
        """Count a refresh."""
        self._refreshes.labels(outcome).inc()

    def mailed(self, template: str, outcome: str) -> None:
        """Count what became of a mail."""
        self._mails.labels(template, outcome).inc()

    def mails_waiting(self, mails: int) -> None:
        """Set the length of the outbox."""
        self._mails_waiting.set(mails)

    def cached(self, entries: int) -> None:
        """Set the size of the identity cache."""
        self._cached.set(entries)
