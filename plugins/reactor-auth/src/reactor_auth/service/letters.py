"""What is written to users: each mail with its links, and the token in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from reactor_auth import limits
from reactor_auth.config import AuthConfig
from reactor_auth.limits import RateLimiter
from reactor_auth.mail.mailer import Mailer
from reactor_auth.model import Origin, User
from reactor_auth.purposes import Purpose
from reactor_auth.service.one_time import OneTimeTokens
from reactor_kernel.api import Clock, Tx


class Letters:
    """Queues the mails of identity; where nobody can read a mail, neither mail nor token is made."""

    def __init__(
        self,
        config: AuthConfig,
        clock: Clock,
        mailer: Mailer,
        tokens: OneTimeTokens,
        limiter: RateLimiter,
        prefix: str,
    ) -> None:
        self._config = config
        self._clock = clock
        self._mailer = mailer
        self._tokens = tokens
        self._limiter = limiter
        self._base = f"{config.base_url}{prefix}"

    @property
    def arrive(self) -> bool:
        """Whether anybody can read a mail of this server."""
        return self._mailer.delivers

    def verification(self, tx: Tx, user: User) -> None:
        """Ask a user to confirm the address."""
        if not self.arrive:
            return
        issued = self._tokens.issue(tx, Purpose.SIGNUP, user.email, user.id)
        self._mailer.queue(
            tx,
            "verification",
            user.email,
            {"verify_link": self._link("verify", token=issued.token), "expires_hours": _hours(Purpose.SIGNUP)},
            subject_user=user.id,
            expires_at=issued.expires_at,
        )

    def password_reset(self, tx: Tx, user: User) -> None:
        """Let a user choose a new password."""
        if not self.arrive:
            return
        issued = self._tokens.issue(tx, Purpose.RECOVERY, user.email, user.id)
        self._mailer.queue(
            tx,
            "password_reset",
            user.email,
            {
                "reset_link": self._reset_page(token=issued.token, type="password_reset"),
                "expires_minutes": _minutes(Purpose.RECOVERY),
            },
            subject_user=user.id,
            expires_at=issued.expires_at,
        )

    def magic_link(self, tx: Tx, email: str, user_id: UUID | None, redirect_to: str | None) -> None:
        """Let the reader of an address sign in; without `user_id` signing in makes the user."""
        if not self.arrive:
            return
        issued = self._tokens.issue(tx, Purpose.MAGIC_LINK, email, user_id, code=True)
        link = {"type": Purpose.MAGIC_LINK.word, "token": issued.token}
        if redirect_to is not None:
            link["redirect_to"] = redirect_to
        self._mailer.queue(
            tx,
            "magic_link",
            email,
            {
                "sign_in_link": self._link("verify", **link),
                "code": issued.code,
                "expires_minutes": _minutes(Purpose.MAGIC_LINK),
            },
            subject_user=user_id,
            expires_at=issued.expires_at,
        )

    def email_change(self, tx: Tx, user: User, new_email: str) -> None:
        """Ask the reader of the new address whether it shall be the user's; an earlier wish is forgotten."""
        self._tokens.retire(tx, user.id, [Purpose.EMAIL_CHANGE])
        issued = self._tokens.issue(tx, Purpose.EMAIL_CHANGE, new_email, user.id)
        link = self._link("verify", type=Purpose.EMAIL_CHANGE.word, token=issued.token)
        self._mailer.queue(
            tx,
            "email_change",
            new_email,
            {"confirm_link": link, "expires_hours": _hours(Purpose.EMAIL_CHANGE)},
            subject_user=user.id,
            expires_at=issued.expires_at,
        )

    def email_changed(self, tx: Tx, user: User, new_email: str) -> None:
        """Tell the old address that it is no longer the user's."""
        self._tell(tx, user, "email_changed", {"new_email": new_email})

    def account_exists(self, tx: Tx, user: User) -> None:
        """Tell a user that somebody wanted an account with the address."""
        self._tell(tx, user, "account_exists", {"reset_link": self._reset_page()})

    def password_changed(self, tx: Tx, user: User, origin: Origin) -> None:
        """Tell a user that the password changed."""
        self._tell(tx, user, "password_changed", {"changed_at": written(self._clock.now()), "ip": origin.address})

    def new_device(self, tx: Tx, user: User, origin: Origin) -> None:
        """Tell a user about a sign-in from a browser or program not seen before."""
        variables = {
            "signed_in_at": written(self._clock.now()),
            "ip": origin.address,
            "user_agent": origin.user_agent or "an unnamed program",
        }
        self._tell(tx, user, "new_device", variables)

    def factors_changed(self, tx: Tx, user: User, change: str) -> None:
        """Tell a user what became of its second factors, as a sentence."""
        self._tell(tx, user, "mfa_changed", {"change": change, "changed_at": written(self._clock.now())})

    def account_deleted(self, tx: Tx, user: User) -> None:
        """Tell a user when the deleted account will be erased."""
        erased = self._clock.now() + timedelta(days=self._config.deletion_grace_days)
        self._tell(tx, user, "account_deleted", {"erased_on": f"{erased:%Y-%m-%d}"})

    def _tell(self, tx: Tx, user: User, template: str, variables: Mapping[str, object]) -> None:
        if not (self.arrive and user.email):
            return
        # Nobody has shown that an unconfirmed address is theirs: its owner must not be flooded by whoever uses it.
        if not user.email_verified and self._limiter.count(tx, limits.for_notices(self._config.limits, user.email)):
            return
        self._mailer.queue(tx, template, user.email, variables, subject_user=user.id)

    def _link(self, path: str, **query: str) -> str:
        return f"{self._base}/{path}?{urlencode(query)}"

    def _reset_page(self, **query: str) -> str:
        # Without a front end of its own the project uses this server's page.
        place = f"{self._base}/reset" if self._config.site_url is None else f"{self._config.front_url}/reset"
        return f"{place}?{urlencode(query)}" if query else place


def written(instant: datetime) -> str:
    """Write an instant for people."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _hours(purpose: Purpose) -> int:
    return int(purpose.life / timedelta(hours=1))


def _minutes(purpose: Purpose) -> int:
    return int(purpose.life / timedelta(minutes=1))
