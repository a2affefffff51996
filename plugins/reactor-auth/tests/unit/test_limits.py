"""How long to wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reactor_auth.limits import for_address, seconds_to_wait


@given(
    limit=st.integers(1, 100),
    previous=st.integers(0, 101),
    hits=st.integers(1, 101),
    elapsed=st.floats(0, 59.99),
)
def test_waiting_as_long_as_told_is_enough(limit, previous, hits, elapsed):
    previous, hits = min(previous, limit + 1), min(hits, limit + 1)
    wait = seconds_to_wait(hits, previous, elapsed, limit)
    assert 0 <= wait <= 120
    if wait == 0:
        return
    later = elapsed + wait
    if later < 60:
        then = seconds_to_wait(min(hits + 1, limit + 1), previous, later, limit)
    elif later < 120:
        then = seconds_to_wait(1, hits, later - 60, limit)
    else:
        then = seconds_to_wait(1, 0, later - 120, limit)
    assert then == 0


@given(limit=st.integers(1, 100), elapsed=st.floats(0, 59.99))
def test_the_first_attempts_of_a_quiet_bucket_pass(limit, elapsed):
    assert [seconds_to_wait(hits, 0, elapsed, limit) for hits in range(1, limit + 1)] == [0] * limit
    assert seconds_to_wait(limit + 1, 0, elapsed, limit) > 0


def test_one_subscriber_of_ipv6_is_one_address():
    assert for_address("login", "2001:db8:1:2::1", 5) == for_address("login", "2001:db8:1:2:ffff::9", 5)
    assert for_address("login", "2001:db8:1:2::1", 5) != for_address("login", "2001:db8:1:3::1", 5)
    assert for_address("login", "192.0.2.1", 5).bucket == "login:address:192.0.2.1"


def test_an_unknown_address_is_not_limited():
    assert for_address("login", None, 5).per_minute == 0
