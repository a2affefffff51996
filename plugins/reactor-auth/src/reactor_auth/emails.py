"""E-mail addresses in the one form they are stored in."""

from __future__ import annotations

from reactor_auth.errors import invalid_field

MAX_LENGTH = 254


def parse(text: str) -> str | None:
    """Return the normalised address (trimmed, Unicode NFC, lower case), or None where it is none (RFC 5321, 6531)."""
    from email_validator import EmailNotValidError, validate_email

    candidate = text.strip()
    if not candidate or len(candidate) > MAX_LENGTH:
        return None
    try:
        found = validate_email(candidate, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return None
    return found.normalized.lower()


def demand(text: str, field: str = "email") -> str:
    """Return the normalised address, or raise the validation error for `field`."""
    address = parse(text)
    if address is None:
        raise invalid_field(field, "is not a valid e-mail address")
    return address
