"""How long to wait."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from reactor_auth.config import LimitsConfig
from reactor_auth.limits import (
    Limit,
    for_account,
    for_address,
    for_mail,
    for_second_factor,
    for_verification,
    seconds_to_wait,
)


@given(
    limit=st.integers(1, 100),
    previous=st.integers(0, 101),
    hits=st.integers(1, 101),
    share=st.floats(0, 0.9999),
    window=st.sampled_from([1, 60, 300, 3600, 86400]),
)
def test_waiting_as_long_as_told_is_enough(limit, previous, hits, share, window):
    previous, hits, elapsed = min(previous, limit + 1), min(hits, limit + 1), share * window
    wait = seconds_to_wait(hits, previous, elapsed, limit, window)
    assert 0 <= wait <= 2 * window
    if wait == 0:
        return
    later = elapsed + wait
    if later < window:
        then = seconds_to_wait(min(hits + 1, limit + 1), previous, later, limit, window)
    elif later < 2 * window:
        then = seconds_to_wait(1, hits, later - window, limit, window)
    else:
        then = seconds_to_wait(1, 0, later - 2 * window, limit, window)
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
    assert for_address("login", None, 5).attempts == 0


def test_the_limits_of_the_contract_have_names():
    config, user = LimitsConfig(), UUID("019213f5-0000-7000-8000-000000000001")
    assert for_mail(config, "a@example.com") == for_account("mail", "a@example.com", 3, 3600)
    assert for_verification(config, "192.0.2.1") == Limit("verify:address:192.0.2.1", 20, 60)
    assert for_second_factor(config, user) == Limit(f"second_factor:user:{user}", 5, 300)
