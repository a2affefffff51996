"""Time-based one-time passwords and recovery codes (RFC 6238; SHA-1, 6 digits, 30 s: what every authenticator app has).

No database here: what was accepted before is the caller's to remember.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from datetime import datetime
from uuid import UUID

DRIFT_STEPS = 1
RECOVERY_CODES = 10
_CODE = re.compile(r"[0-9]{6}\Z")
_RECOVERY_BYTES = 10
_RECOVERY = re.compile(r"[a-z2-7]{16}\Z")


def new_secret() -> str:
    """Make a secret of 160 bits, in base32."""
    from pyotp import random_base32

    return random_base32()


def uri(secret: str, account: str, issuer: str) -> str:
    """Return the `otpauth://` address that authenticator apps read as a QR code."""
    from pyotp import TOTP

    # A colon separates issuer and account in the label, and some apps split at an encoded one too.
    return TOTP(secret).provisioning_uri(name=account.replace(":", " "), issuer_name=issuer)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step a code belongs to, within one step of now; None where it fits none."""
    from pyotp import TOTP
    from pyotp.exceptions import OTPVerificationError

    digits = "".join(code.split()) if len(code) <= 16 else ""
    if not _CODE.match(digits):
        return None
    try:
        return TOTP(secret).verify_and_get_timecode(digits, for_time=now, valid_window=DRIFT_STEPS)
    except OTPVerificationError:
        return None


def new_recovery_codes() -> list[str]:
    """Make recovery codes of 80 bits each, in groups of four letters and digits."""
    return [_grouped(secrets.token_bytes(_RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]


def recovery_hash(user_id: UUID, code: str) -> bytes | None:
    """Return what is stored of a user's recovery code, however it was typed; None for what can be none."""
    letters = re.sub(r"[\s-]", "", code).lower() if len(code) <= 64 else ""
    # 80 random bits withstand guessing even when the hashes are stolen, so a fast hash does.
    return hashlib.sha256(user_id.bytes + letters.encode()).digest() if _RECOVERY.match(letters) else None


def _grouped(raw: bytes) -> str:
    letters = base64.b32encode(raw).decode().lower()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))
