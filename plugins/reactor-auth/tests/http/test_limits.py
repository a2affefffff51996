"""Limits that all nodes share (contract auth.md §7.3)."""

from __future__ import annotations

import httpx
import pytest

from reactor_auth.plugin import AuthPlugin


@pytest.fixture(autouse=True)
def _frozen(frozen_clock):
    """Every test here decides when a minute is over."""


@pytest.fixture
def auth_config(auth_config):
    auth_config["limits"] = {
        "login_per_account": 3,
        "login_per_address": 5,
        "signup_per_address": 2,
        "refresh_per_session": 4,
    }
    return auth_config


def limited(api, answer, seconds):
    api.refused(
        answer,
        429,
        "rate_limited",
        f"too many attempts; try again in {seconds} s",
        details={"retry_after": seconds},
    )
    assert answer.headers["Retry-After"] == str(seconds)


def login(api, email, password="wrong horse"):
    return api.call("POST", "/login", json={"email": email, "password": password})


def test_sign_ins_per_account(api, ann, frozen_clock):
    for _ in range(3):
        assert login(api, "ann@example.com").status_code == 401
    limited(api, login(api, "ANN@example.com", "correct horse"), 90)
    frozen_clock.advance(seconds=90)
    assert login(api, "ann@example.com", "correct horse").status_code == 200


def test_an_unknown_account_is_limited_alike(api, frozen_clock):
    for _ in range(3):
        assert login(api, "nobody@example.com").status_code == 401
    limited(api, login(api, "nobody@example.com"), 90)


def test_sign_ins_per_address(api, ann):
    for number in range(5):
        assert login(api, f"nobody{number}@example.com").status_code == 401
    limited(api, login(api, "ann@example.com", "correct horse"), 80)


def test_the_password_grant_counts_with_login(api, ann):
    for _ in range(3):
        assert login(api, "ann@example.com").status_code == 401
    form = {"grant_type": "password", "email": "ann@example.com", "password": "correct horse"}
    limited(api, api.call("POST", "/token", data=form), 90)


def test_guessing_the_current_password_counts_as_signing_in(api, ann):
    change = {"password": "battery staple", "current_password": "wrong horse"}
    for _ in range(3):
        assert ann.patch("/user", change).status_code == 401
    limited(api, ann.patch("/user", {**change, "current_password": "correct horse"}), 90)
    limited(api, login(api, "ann@example.com", "correct horse"), 90)


def test_sign_ups_per_address_count_only_valid_ones(api):
    for _ in range(5):
        assert api.call("POST", "/signup", json={"email": "x", "password": "correct horse"}).status_code == 400
    api.sign_up("a@example.com")
    api.sign_up("b@example.com")
    limited(api, api.call("POST", "/signup", json={"email": "c@example.com", "password": "correct horse"}), 100)


def test_refreshes_per_session(api, ann, frozen_clock):
    elsewhere = api.sign_in("ann@example.com")
    token = ann.refresh_token
    for _ in range(4):
        token = api.refresh(token).json()["refresh_token"]
    limited(api, api.refresh(token), 84)
    assert api.refresh(elsewhere.refresh_token).status_code == 200
    frozen_clock.advance(minutes=2)
    assert api.refresh(token).status_code == 200


def test_nodes_count_together(api, ann, kernel_factory, reactor_config, reactor_database_url, frozen_clock):
    node = kernel_factory(AuthPlugin, config=reactor_config, database_url=reactor_database_url)
    with httpx.Client(transport=httpx.WSGITransport(app=node.app), base_url="http://reactor.test") as other:
        for _ in range(2):
            wrong = {"email": "ann@example.com", "password": "wrong horse"}
            assert other.post("/auth/v1/login", json=wrong).status_code == 401
    assert login(api, "ann@example.com").status_code == 401
    limited(api, login(api, "ann@example.com"), 90)


def test_ten_at_once_do_not_slip_through(api, ann):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(10) as pool:
        statuses = sorted(pool.map(lambda _: login(api, "ann@example.com").status_code, range(10)))
    assert statuses == [401] * 3 + [429] * 7


def test_the_bucket_does_not_hold_the_address(api, ann):
    login(api, "ann@example.com")
    buckets = [row[0] for row in api.sql("SELECT bucket FROM _reactor_auth.rate_windows")]
    assert buckets
    assert not any("ann" in bucket for bucket in buckets)
