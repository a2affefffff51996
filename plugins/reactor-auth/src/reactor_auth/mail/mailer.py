"""The one seam through which identity sends mail: a row in the caller's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from reactor_auth.mail.catalog import demand_complete
from reactor_auth.mail.outbox import purpose
from reactor_auth.mail.postoffice import CHANNEL
from reactor_auth.queries import mail as sql
from reactor_auth.sealing import Sealer
from reactor_kernel.api import Clock, Tx, uuid7


class Mailer:
    """Queues mails.

    Attributes:
        delivers: whether anybody can read what is queued: through the relay or, in development, in the outbox.
    """

    def __init__(self, sealer: Sealer, clock: Clock, *, delivers: bool) -> None:
        self._sealer = sealer
        self._clock = clock
        self.delivers = delivers

    def queue(
        self,
        tx: Tx,
        template: str,
        to: str,
        variables: Mapping[str, object],
        *,
        subject_user: UUID | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        """Send a mail when `tx` commits; what is rolled back is not sent.

        Args:
            template: a name of `catalog.KINDS`.
            to: the address; where it is empty, as an anonymous user's, there is no mail.
            variables: exactly those the catalogue lists for it: texts, numbers, true, false or None.
            subject_user: whose account the mail is about; it is forgotten with the account.
            expires_at: when nobody can use what the mail says any more, so that it is not sent late.

        Raises:
            ValueError: there is no such mail, or its variables are others.
        """
        demand_complete(template, variables)
        if not to:
            return
        mail_id = uuid7()
        plain = msgspec.json.encode({name: _one_line(value) for name, value in variables.items()})
        sealed = self._sealer.seal(plain, purpose(mail_id))
        tx.execute(sql.insert_mail(mail_id, template, to, subject_user, sealed, self._clock.now(), expires_at))
        tx.notify(CHANNEL)


def _one_line(value: object) -> object:
    """Keep names that people chose from adding lines to a mail."""
    if not isinstance(value, str):
        return value
    return " ".join("".join(sign if sign.isprintable() else " " for sign in value).split())
