"""Speaks to the SMTP relay."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from types import TracebackType
from uuid import UUID

from reactor_auth.config import SmtpConfig
from reactor_auth.mail.templates import Rendered


class SendFailed(Exception):
    """A mail was not taken. `final`: it never will be."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def compose(config: SmtpConfig, mail_id: UUID, to: str, rendered: Rendered, now: datetime) -> EmailMessage:
    """Make the message. Raises SendFailed for an address no header can hold."""
    recipient = _wire_address(to)
    message = EmailMessage(policy=SMTP if recipient.isascii() else SMTPUTF8)
    name, sender = parseaddr(config.from_)
    sender = _wire_address(sender)
    try:
        message["From"] = _mailbox(sender, name)
        message["To"] = _mailbox(recipient)
    # What it raises for an address it cannot read depends on the Python version.
    except (ValueError, IndexError, HeaderParseError) as fault:
        raise SendFailed(f"{to} is no address for a mail: {fault}", final=True) from fault
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(now)
    # The same at each try, so that a mail sent twice is seen once.
    message["Message-ID"] = f"<{mail_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    return message


class Relay:
    """One conversation with the relay; a context manager that opens and closes it."""

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._session: smtplib.SMTP | None = None

    def __enter__(self) -> Relay:
        try:
            self._session = self._open()
        except smtplib.SMTPException as fault:
            raise SendFailed(_reason(fault)) from fault
        except (OSError, UnicodeError) as fault:
            where = f"{self._config.host}:{self._config.port}"
            raise SendFailed(f"{where} cannot be reached: {fault}") from fault
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            # The mails are with the relay; what it says to good-bye changes nothing.
            with suppress(smtplib.SMTPException, OSError):
                self._session.quit()
            self._session.close()

    def check(self) -> str:
        """Ask the relay whether it is there; return what it calls itself."""
        session = self._demand()
        code, _ = session.noop()
        if code != 250:
            raise SendFailed(f"the relay answers NOOP with {code}")
        greeting = (session.ehlo_resp or session.helo_resp or b"").decode("utf-8", "replace")
        return greeting.partition("\n")[0].strip()

    def send(self, message: EmailMessage) -> None:
        """Hand a message over. Raises SendFailed."""
        session = self._demand()
        try:
            session.send_message(message)
        except smtplib.SMTPRecipientsRefused as fault:
            code, text = next(iter(fault.recipients.values()))
            raise SendFailed(_answer(code, text), final=code >= 500) from fault
        except smtplib.SMTPDataError as fault:
            raise SendFailed(_answer(fault.smtp_code, fault.smtp_error), final=fault.smtp_code >= 500) from fault
        except smtplib.SMTPNotSupportedError as fault:
            raise SendFailed(f"the relay cannot mail this address: {fault}", final=True) from fault
        except (smtplib.SMTPException, OSError) as fault:
            raise SendFailed(_reason(fault)) from fault

    def _open(self) -> smtplib.SMTP:
        config = self._config
        context = ssl.create_default_context(cafile=None if config.ca_file is None else str(config.ca_file))
        session: smtplib.SMTP
        if config.tls == "tls":
            session = smtplib.SMTP_SSL(config.host, config.port, timeout=config.timeout_secs, context=context)
        else:
            session = smtplib.SMTP(config.host, config.port, timeout=config.timeout_secs)
        try:
            session.ehlo_or_helo_if_needed()
            if config.tls == "starttls":
                # Raises where the relay offers none: a password or a link never goes out in the clear instead.
                session.starttls(context=context)
                session.ehlo_or_helo_if_needed()
            if config.user is not None and config.password is not None:
                session.login(config.user, config.password)
        except BaseException:
            session.close()
            raise
        return session

    def _demand(self) -> smtplib.SMTP:
        if self._session is None:
            raise RuntimeError("the conversation with the relay was not opened")
        return self._session


def _mailbox(address: str, name: str = "") -> Address:
    local, _, domain = address.rpartition("@")
    # In two parts, because a whole one may hold no letters outside of ASCII.
    return Address(display_name=name, username=local, domain=domain)


def _wire_address(address: str) -> str:
    """Write an internationalised domain as the relay wants it; a local part outside of ASCII needs SMTPUTF8."""
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as fault:
        raise SendFailed(f"{address} is no address for a mail: {fault}", final=True) from fault
    return f"{local}@{found.ascii_domain}"


def _reason(fault: Exception) -> str:
    if isinstance(fault, smtplib.SMTPResponseException):
        return _answer(fault.smtp_code, fault.smtp_error)
    return f"{type(fault).__name__}: {fault}"


def _answer(code: int, text: bytes | str) -> str:
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"the relay answers {code} {' '.join(shown.split())}"[:500]
