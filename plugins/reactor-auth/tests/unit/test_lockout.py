"""Counting failures: when the next attempt must wait, and how long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reactor_auth.config import LockoutConfig
from reactor_auth.lockout import Attempts, charged

CONFIG = LockoutConfig(first_wait_secs=30, longest_wait_secs=900, forget_secs=86400)


def test_the_wait_doubles_up_to_the_longest():
    attempts, now, waits = Attempts(), 1_000_000.0, []
    for _ in range(12):
        attempts = charged(attempts, now, 5, CONFIG)
        waits.append(attempts.wait(now))
        now += attempts.wait(now)
    assert waits == [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]


def test_after_a_calm_day_counting_begins_anew():
    attempts = Attempts(failures=9, failed_at=1_000_000.0, locked_until=1_000_900.0)
    assert charged(attempts, 1_000_000.0 + 86400, 5, CONFIG).failures == 10
    assert charged(attempts, 1_000_000.0 + 86401, 5, CONFIG) == Attempts(1, 1_086_401.0, 0.0, 0.0)


@given(
    gaps=st.lists(st.floats(0, 200_000), min_size=1, max_size=60),
    threshold=st.integers(0, 8),
    first=st.integers(1, 1000),
    longest=st.integers(1, 86400),
)
def test_waits_are_bounded_and_patience_always_helps(gaps, threshold, first, longest):
    config = LockoutConfig(first_wait_secs=first, longest_wait_secs=longest, forget_secs=86400)
    attempts, now, allowed = Attempts(known_until=5.0), 1_000_000.0, 0
    for gap in gaps:
        now += gap
        if attempts.wait(now):
            continue
        attempts = charged(attempts, now, threshold, config)
        allowed += 1
        assert attempts.known_until == 5.0
        assert 0 <= attempts.wait(now) <= longest
        assert attempts.wait(now + attempts.wait(now)) == 0
        assert (attempts.wait(now) > 0) == (threshold > 0 and attempts.failures >= threshold)
    assert allowed >= 1


@given(failures=st.integers(0, 10**9))
def test_any_number_of_failures_can_be_counted(failures):
    attempts = charged(Attempts(failures=failures, failed_at=1e9), 1e9, 1, CONFIG)
    assert 30 <= attempts.wait(1e9) <= 900
