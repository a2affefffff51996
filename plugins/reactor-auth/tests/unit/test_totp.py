"""Time steps and recovery codes."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from reactor_auth import totp

# RFC 6238, appendix B (SHA-1), shortened to six digits.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
]


def test_the_vectors_of_the_standard_fit():
    for seconds, code in VECTORS:
        now = datetime.fromtimestamp(seconds, UTC)
        assert totp.step_of(SECRET, code, now) == seconds // 30


@given(st.integers(min_value=60, max_value=4_000_000_000), st.integers(min_value=-5, max_value=5))
def test_a_code_fits_within_one_step(seconds, drift):
    from pyotp import TOTP

    now, step = datetime.fromtimestamp(seconds, UTC), seconds // 30
    if step + drift < 0:
        return
    found = totp.step_of(SECRET, TOTP(SECRET).generate_otp(step + drift), now)
    if abs(drift) <= 1:
        # Two neighbouring steps may share a code.
        assert found is not None
        assert abs(found - step) <= 1
    elif found is not None:
        assert TOTP(SECRET).generate_otp(found) == TOTP(SECRET).generate_otp(step + drift)


@given(st.text())
def test_no_text_breaks_it(text):
    now = datetime.fromtimestamp(1_700_000_000, UTC)
    step = totp.step_of(SECRET, text, now)
    assert step is None or len("".join(text.split())) == 6
    digest = totp.recovery_hash(uuid4(), text)
    assert digest is None or len(digest) == 32


def test_recovery_codes_are_recognised_however_they_are_typed():
    user, codes = UUID(int=1), totp.new_recovery_codes()
    assert len({totp.recovery_hash(user, code) for code in codes}) == totp.RECOVERY_CODES
    for code in codes:
        stored = totp.recovery_hash(user, code)
        assert stored is not None
        assert totp.recovery_hash(user, f" {code.upper().replace('-', ' ')}\n") == stored
        assert totp.recovery_hash(UUID(int=2), code) != stored
