"""E-mail addresses in the one form they are stored in."""

from __future__ import annotations

from reactor_auth.errors import invalid_field

MAX_LENGTH = 254
# Refused by the library as not deliverable on the Internet, but in use inside companies and on developers' machines.
_PRIVATE_ENDINGS = (".local", ".test", "@localhost", ".localhost")
_STAND_IN = ".example"


def parse(text: str) -> str | None:
    """Return the normalised address (trimmed, Unicode NFC, lower case), or None where it is none (RFC 5321, 6531)."""
    candidate = text.strip()
    if not candidate or len(candidate) > MAX_LENGTH:
        return None
    if candidate.lower().endswith(_PRIVATE_ENDINGS):
        found = _normalised(candidate + _STAND_IN)
        return None if found is None else found.removesuffix(_STAND_IN)
    return _normalised(candidate)


def demand(text: str, field: str = "email") -> str:
    """Return the normalised address, or raise the validation error for `field`."""
    address = parse(text)
    if address is None:
        raise invalid_field(field, "is not a valid e-mail address")
    return address


def _normalised(candidate: str) -> str | None:
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(candidate, strict=True, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return None
    return found.normalized.lower()
