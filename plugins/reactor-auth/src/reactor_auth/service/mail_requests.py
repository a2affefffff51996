"""Mails that somebody asks for by an address.

The route only writes the request down. Whether anybody has the address is looked up by the mail service, so that neither the
answer nor the time it takes can tell (contract auth.md §7.4).
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from reactor_auth import emails, limits
from reactor_auth.config import AuthConfig
from reactor_auth.limits import RateLimiter
from reactor_auth.mail.postoffice import CHANNEL
from reactor_auth.model import Origin, User
from reactor_auth.purposes import Wish
from reactor_auth.queries import mail as sql
from reactor_auth.queries import users as user_sql
from reactor_auth.service.letters import Letters
from reactor_auth.service.rows import user_of
from reactor_kernel.api import Clock, Database, Tx, uuid7

MAX_ATTEMPTS = 10
RETRY_AFTER = timedelta(seconds=10)


class MailRequests:
    """Writes requests down, and answers them later."""

    def __init__(
        self,
        config: AuthConfig,
        db: Database,
        clock: Clock,
        limiter: RateLimiter,
        letters: Letters,
        log: logging.Logger,
    ) -> None:
        self._config = config
        self._db = db
        self._clock = clock
        self._limiter = limiter
        self._letters = letters
        self._log = log

    def ask(self, wish: Wish, email: str, origin: Origin, **details: Any) -> None:
        """Note a request. Raises ValidationError for what is no address, TooManyAttempts."""
        address = emails.demand(email)
        self.spend(address, origin)
        with self._db.begin() as tx:
            self.note(tx, wish, address, origin, **details)

    def spend(self, address: str, origin: Origin) -> None:
        """Count a request against the limits of the address and of the client. Raises TooManyAttempts."""
        config = self._config.limits
        self._limiter.spend([limits.for_mail(config, address), limits.for_mail_from(config, origin.address)])

    def note(self, tx: Tx, wish: Wish, address: str, origin: Origin, **details: Any) -> None:
        """Note a request within `tx`."""
        now = self._clock.now()
        tx.execute(sql.insert_request(uuid7(), wish.value, address, details, origin.address, origin.user_agent, now))
        tx.notify(CHANNEL)

    def answer_one(self) -> bool:
        """Answer the request that waits longest; return False where none does.

        The request goes in the transaction in which its mail is queued, so a killed node leaves both or neither.
        """
        row: Any = None
        try:
            with self._db.begin() as tx:
                row = tx.execute(sql.due_request(self._clock.now())).one_or_none()
                if row is None:
                    return False
                self._answer(tx, Wish(row.kind), row.email, row.details)
                tx.execute(sql.remove_request(row.id))
        except Exception:
            if row is None:
                raise
            last = row.attempts + 1 >= MAX_ATTEMPTS
            self._log.exception("a request for a %s mail failed%s", row.kind, " and is dropped" if last else "")
            with self._db.begin() as tx:
                due = self._clock.now() + RETRY_AFTER * (row.attempts + 1)
                tx.execute(sql.remove_request(row.id) if last else sql.postpone_request(row.id, due))
        return True

    def _answer(self, tx: Tx, wish: Wish, email: str, details: dict[str, Any]) -> None:
        row = tx.execute(user_sql.by_email(email)).one_or_none()
        user = None if row is None else user_of(row)
        if user is not None and user.disabled_at is not None:
            return
        if wish is Wish.MAGIC_LINK:
            self._magic_link(tx, email, user, details)
        elif user is None:
            return
        elif wish is Wish.VERIFICATION and not user.email_verified:
            self._letters.verification(tx, user)
        elif wish is Wish.PASSWORD_RESET and user.email_verified:
            self._letters.password_reset(tx, user)
        elif wish is Wish.ACCOUNT:
            if str(user.id) == details.get("user_id"):
                self._letters.verification(tx, user)
            else:
                self._letters.account_exists(tx, user)

    def _magic_link(self, tx: Tx, email: str, user: User | None, details: dict[str, Any]) -> None:
        if user is None and not (details.get("create_user") and self._config.signup_enabled):
            return
        self._letters.magic_link(tx, email, None if user is None else user.id, details.get("redirect_to"))
