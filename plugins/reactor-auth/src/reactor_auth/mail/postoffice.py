"""The background service that answers requests for mails and empties the outbox; every node may run it."""

from __future__ import annotations

import random
import threading
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from reactor_auth.mail.templates import Rendered, TemplateBroken
from reactor_auth.queries import outbox as sql
from reactor_auth.sealing import SealBroken
from reactor_kernel.api import DatabaseUnavailable, PoolTimeout, StopSignal

if TYPE_CHECKING:
    from reactor_auth.assembly import Auth
    from reactor_auth.mail.relay import Relay

# Wakes the service on every node.
CHANNEL = "reactor_auth_mail"
POLL_SECS = 30.0
LEASE_SECS = 300.0
FIRST_DELAY_SECS = 10.0
LONGEST_DELAY_SECS = 3600.0
# How long to leave a relay alone that did not let us in, whatever else waits.
RELAY_PAUSE_SECS = 10.0


class PostOffice:
    """Sends what is queued, at least once; a mail that a killed node held is sent by another when its lease ends."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._wake = threading.Event()
        self._relay: Relay | None = None

    def wake(self, payload: str | None = None) -> None:
        """Look for work now."""
        self._wake.set()

    def run(self, stop: StopSignal) -> None:
        """Work until told to stop."""
        while not stop.is_set():
            # Cleared before looking: what is committed after the look wakes the next turn.
            self._wake.clear()
            try:
                pause = self.turn(stop)
            except (DatabaseUnavailable, PoolTimeout) as problem:
                self._auth.log.warning("the outbox cannot be read, next try in 1 s: %s", problem)
                pause = 1.0
            self._await(stop, pause)

    def turn(self, stop: StopSignal) -> float:
        """Do everything that is due; return the seconds until there may be more."""
        auth = self._auth
        while not stop.is_set() and self._answer_request():
            pass
        try:
            while not stop.is_set():
                now = auth.clock.now()
                lease = max(LEASE_SECS, 20.0 * (auth.config.smtp.timeout_secs if auth.config.smtp else 0))
                [claimed] = auth.db.run(None, [sql.claim(now, now + timedelta(seconds=lease))])
                if not claimed.rows:
                    break
                if not self._deliver(claimed.rows[0]):
                    return RELAY_PAUSE_SECS
        finally:
            self._hang_up()
        [due] = auth.db.run(None, [sql.next_due(auth.clock.now())], readonly=True)
        seconds = due.rows[0][0]
        return POLL_SECS if seconds is None else min(POLL_SECS, max(float(seconds), 0.05))

    def _answer_request(self) -> bool:
        [found] = self._auth.db.run(None, [sql.requests_due(self._auth.clock.now())], readonly=True)
        return found.rows[0][0] == b"t" and self._auth.mail_requests.answer_one()

    def _deliver(self, row: tuple[bytes | None, ...]) -> bool:
        """Send one claimed mail; return False where the relay does not let anybody in."""
        auth = self._auth
        mail_id, template, to = UUID(_text(row[0])), _text(row[1]), _text(row[2])
        sealed, attempt, expired = _text(row[3]), int(_text(row[4])), row[5] == b"t"
        if expired:
            self._finish(mail_id, template, "expired", attempt, "what it says was of no use any more when it was due")
            return True
        if attempt > auth.config.mail.max_attempts:
            self._finish(mail_id, template, "failed", attempt, "the process ended during the last attempt")
            return True
        try:
            rendered = auth.outbox.render(mail_id, template, to, sealed)
        except (TemplateBroken, SealBroken, msgspec.DecodeError) as fault:
            # An operator can mend a template and cannot mend a mail, so it waits like one that was not taken.
            self._failed(mail_id, template, attempt, f"it cannot be rendered: {fault}", final=False)
            return True
        if auth.config.smtp is None:
            self._log(mail_id, template, to, attempt, rendered)
            return True
        return self._send(mail_id, template, to, attempt, rendered)

    def _send(self, mail_id: UUID, template: str, to: str, attempt: int, rendered: Rendered) -> bool:
        from reactor_auth.mail.relay import Relay, SendFailed, compose

        config = self._auth.config.smtp
        if config is None:
            raise RuntimeError("a mail was to be sent without [auth.smtp]")
        let_in = self._relay is not None
        try:
            message = compose(config, mail_id, to, rendered, self._auth.clock.now())
            if self._relay is None:
                self._relay = Relay(config).__enter__()
                let_in = True
            self._relay.send(message)
        except SendFailed as fault:
            if not fault.final:
                # Whatever is wrong with this conversation shall not be the next mail's trouble.
                self._hang_up()
            self._failed(mail_id, template, attempt, str(fault), final=fault.final)
            return let_in or fault.final
        self._finish(mail_id, template, "sent", attempt, None)
        return True

    def _log(self, mail_id: UUID, template: str, to: str, attempt: int, rendered: Rendered) -> None:
        """Stand in for the relay: in development people read the mail in the log, elsewhere only that there was none."""
        auth = self._auth
        if auth.is_dev:
            auth.log.info("no [auth.smtp], so this mail to %s stays here: %s\n%s", to, rendered.subject, rendered.text)
        else:
            auth.log.warning("no [auth.smtp], so the mail %s to %s was not sent", template, to)
        self._finish(mail_id, template, "logged", attempt, None, keep=auth.is_dev)

    def _failed(self, mail_id: UUID, template: str, attempt: int, reason: str, *, final: bool) -> None:
        auth = self._auth
        if final or attempt >= auth.config.mail.max_attempts:
            auth.log.error("mail %s (%s) is given up after %d attempts: %s", mail_id, template, attempt, reason)
            self._finish(mail_id, template, "failed", attempt, reason)
            return
        delay = min(LONGEST_DELAY_SECS, FIRST_DELAY_SECS * 3.0 ** min(attempt - 1, 20)) * random.uniform(0.9, 1.1)
        auth.log.warning("mail %s (%s) was not taken, next try in %.0f s: %s", mail_id, template, delay, reason)
        auth.metrics.mailed(template, "retried")
        auth.db.run(None, [sql.postpone(mail_id, self._in(delay), reason, attempt)])

    def _finish(
        self, mail_id: UUID, template: str, state: str, attempt: int, reason: str | None, *, keep: bool = False
    ) -> None:
        now = self._auth.clock.now()
        self._auth.db.run(None, [sql.finish(mail_id, state, now, reason, attempt, keep=keep)])
        self._auth.metrics.mailed(template, state)

    def _hang_up(self) -> None:
        if self._relay is not None:
            self._relay.__exit__(None, None, None)
            self._relay = None

    def _in(self, seconds: float) -> datetime:
        return self._auth.clock.now() + timedelta(seconds=seconds)

    def _await(self, stop: StopSignal, pause: float) -> None:
        # The stop signal cannot be waited for together with the wake-up; a quarter of a second bounds the end.
        end = time.monotonic() + pause
        while not stop.is_set() and not self._wake.is_set():
            left = end - time.monotonic()
            if left <= 0:
                return
            self._wake.wait(min(left, 0.25))


def _text(value: Any) -> str:
    return "" if value is None else bytes(value).decode()
