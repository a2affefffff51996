"""Waits after failed sign-ins: for whom, how long, and what they do not tell (contract auth.md §7.3, §7.4)."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from reactor_auth.plugin import AuthPlugin

RIGHT, WRONG = "correct horse", "wrong horse"
HERE, THERE, ELSEWHERE = "127.0.0.1", "203.0.113.7", "198.51.100.9"


@pytest.fixture(autouse=True)
def _frozen(frozen_clock):
    """Every test here decides how long somebody waited."""


@pytest.fixture
def auth_config(auth_config):
    auth_config["lockout"] = {"failures_per_place": 3, "failures_per_account": 6, "first_wait_secs": 30}
    return auth_config


@pytest.fixture
def at(kernel):
    """A client that calls from an address: `at("203.0.113.7")`."""
    clients = {}

    def client(address):
        if address not in clients:
            transport = httpx.WSGITransport(app=kernel.app, remote_addr=address)
            clients[address] = httpx.Client(transport=transport, base_url="http://reactor.test/auth/v1")
        return clients[address]

    yield client
    for opened in clients.values():
        opened.close()


def login(client, password, email="ann@example.com"):
    return client.post("/login", json={"email": email, "password": password})


def statuses(client, password, times, email="ann@example.com"):
    return [login(client, password, email).status_code for _ in range(times)]


def waits(answer):
    assert answer.status_code == 429, answer.text
    seconds = int(answer.headers["Retry-After"])
    assert answer.json()["error"]["details"] == {"retry_after": seconds}
    assert answer.json()["error"]["message"] == f"too many attempts; try again in {seconds} s"
    return seconds


def test_the_right_password_waits_too_and_then_ends_the_matter(api, ann, at, frozen_clock):
    here = at(HERE)
    assert statuses(here, WRONG, 3) == [401] * 3
    assert waits(login(here, RIGHT)) == 30
    frozen_clock.advance(seconds=10)
    assert waits(login(here, WRONG)) == 20
    # What was refused did not count.
    frozen_clock.advance(seconds=20)
    assert login(here, WRONG).status_code == 401
    assert waits(login(here, RIGHT)) == 60
    frozen_clock.advance(seconds=60)
    assert login(here, RIGHT).status_code == 200
    assert statuses(here, WRONG, 3) == [401] * 3
    assert waits(login(here, WRONG)) == 30


def test_a_session_outlives_every_lockout(api, ann, at):
    for address in (HERE, THERE, ELSEWHERE):
        statuses(at(address), WRONG, 5)
    assert ann.get("/user").status_code == 200
    assert api.refresh(ann.refresh_token).status_code == 200


def test_guessing_from_elsewhere_does_not_lock_a_known_place_out(api, ann, at, frozen_clock):
    assert statuses(at(THERE), WRONG, 4) == [401] * 3 + [429]
    assert statuses(at(ELSEWHERE), WRONG, 4) == [401] * 3 + [429]
    # Six failures from unknown places: now every unknown place waits, also one that never failed.
    assert waits(login(at("192.0.2.44"), RIGHT)) == 30
    assert login(at(HERE), RIGHT).status_code == 200
    # And the sign-in at home did not open the door elsewhere.
    assert waits(login(at("192.0.2.44"), RIGHT)) == 30
    frozen_clock.advance(seconds=30)
    assert login(at("192.0.2.44"), RIGHT).status_code == 200
    # It is a known place itself now, and the count began anew.
    assert statuses(at("192.0.2.45"), WRONG, 3) == [401] * 3


def test_one_address_that_hammers_locks_itself_out_only(api, ann, at):
    assert statuses(at(THERE), WRONG, 30) == [401] * 3 + [429] * 27
    assert login(at(ELSEWHERE), RIGHT).status_code == 200


def test_the_rate_of_an_account_is_not_spent_from_elsewhere_for_a_known_place(auth_config, request):
    auth_config["limits"]["login_per_account"] = 4
    auth_config["lockout"] = {"failures_per_place": 0, "failures_per_account": 0}
    api, at = request.getfixturevalue("api"), request.getfixturevalue("at")
    api.sign_up("ann@example.com")
    assert statuses(at(THERE), WRONG, 5) == [401] * 4 + [429]
    assert statuses(at(ELSEWHERE), RIGHT, 1) == [429]
    assert statuses(at(HERE), RIGHT, 1) == [200]


def test_what_a_limit_refuses_is_no_failure(auth_config, request, frozen_clock):
    auth_config["limits"]["login_per_account"] = 2
    api, at = request.getfixturevalue("api"), request.getfixturevalue("at")
    api.sign_up("ann@example.com")
    assert statuses(at(HERE), WRONG, 9) == [401] * 2 + [429] * 7
    frozen_clock.advance(minutes=2)
    assert statuses(at(HERE), RIGHT, 1) == [200]


def test_a_place_is_known_for_a_while_only(auth_config, request, frozen_clock):
    auth_config["lockout"]["known_place_secs"] = 3600
    api, at = request.getfixturevalue("api"), request.getfixturevalue("at")
    api.sign_up("ann@example.com")
    frozen_clock.advance(seconds=3600)
    statuses(at(THERE), WRONG, 3)
    statuses(at(ELSEWHERE), WRONG, 3)
    assert waits(login(at(HERE), RIGHT)) == 30


def test_nodes_count_together_and_a_burst_is_counted_one_by_one(
    api, ann, kernel_factory, reactor_config, reactor_database_url
):
    node = kernel_factory(AuthPlugin, config=reactor_config, database_url=reactor_database_url)
    with httpx.Client(transport=httpx.WSGITransport(app=node.app), base_url="http://reactor.test") as other:

        def guess(number):
            credentials = {"email": "ann@example.com", "password": WRONG}
            if number % 2:
                return other.post("/auth/v1/login", json=credentials).status_code
            return api.call("POST", "/login", json=credentials).status_code

        with ThreadPoolExecutor(12) as pool:
            assert sorted(pool.map(guess, range(12))) == [401] * 3 + [429] * 9


def test_guessing_the_current_password_waits_as_well(api, ann):
    change = {"password": "battery staple", "current_password": WRONG}
    assert [ann.patch("/user", change).status_code for _ in range(4)] == [401] * 3 + [429]
    assert ann.patch("/user", {**change, "current_password": RIGHT}).status_code == 429


def test_proving_the_current_password_forgets_failures(api, ann, at):
    assert statuses(at(HERE), WRONG, 2) == [401] * 2
    same = {"password": RIGHT, "current_password": RIGHT}
    assert ann.patch("/user", same).status_code == 200
    assert statuses(at(HERE), WRONG, 3) == [401] * 3


def test_thirty_wrong_passwords_tell_nothing_about_the_account(auth_config, request, monkeypatch):
    """A known and an unknown address: the same bodies, statuses, headers, statements and hashes."""
    import argon2
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    for key in ("login_per_account", "login_per_address"):
        auth_config["limits"][key] = {"login_per_account": 10, "login_per_address": 30}[key]
    api, at = request.getfixturevalue("api"), request.getfixturevalue("at")
    api.sign_up("ann@example.com")
    work = []
    verify = argon2.PasswordHasher.verify

    def counted(self, stored, password):
        work.append("hash")
        return verify(self, stored, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    listen = (Engine, "before_cursor_execute", lambda conn, cursor, statement, *_: work.append(statement))
    event.listen(*listen)
    try:
        seen = {}
        for email, address in (("ann@example.com", THERE), ("nobody@example.com", ELSEWHERE)):
            seen[email] = []
            for _ in range(30):
                work.clear()
                answer = login(at(address), WRONG, email)
                headers = {name: value for name, value in answer.headers.items() if name.lower() != "x-request-id"}
                body = answer.json()
                del body["error"]["request_id"]
                seen[email].append((answer.status_code, headers, body, list(work)))
    finally:
        event.remove(*listen)
    assert seen["ann@example.com"] == seen["nobody@example.com"]
    codes = [status for status, *_ in seen["ann@example.com"]]
    assert codes == [401] * 3 + [429] * 27
    assert all("retry-after" in headers for status, headers, *_ in seen["ann@example.com"] if status == 429)
    # While the wait lasts no password is even looked at.
    assert [sum(part == "hash" for part in done) for *_, done in seen["ann@example.com"]] == [1] * 3 + [0] * 27


def test_the_trail_and_the_metrics_name_the_wait(api, ann, at, client):
    statuses(at(HERE), WRONG, 4)
    rows = api.sql(
        "SELECT details::text FROM _reactor_auth.audit_events WHERE event_type = 'login.failed' ORDER BY ts, id"
    )
    assert [json.loads(str(row[0])) for row in rows] == [
        {"reason": "wrong_password"},
        {"reason": "wrong_password"},
        {"reason": "wrong_password", "waits": {"place": 30}},
    ]
    lines = client.get("/metrics").text.splitlines()
    assert 'reactor_auth_lockouts_total{scope="place"} 1.0' in lines
    assert 'reactor_auth_sign_ins_total{outcome="rate_limited"} 1.0' in lines


def test_neither_addresses_nor_places_are_stored(api, ann, at):
    statuses(at(THERE), WRONG, 2)
    rows = str(api.sql("SELECT to_jsonb(a)::text FROM _reactor_auth.sign_in_attempts a"))
    assert "place:" in rows
    assert "account:" in rows
    for trace in ("ann", THERE, HERE):
        assert trace not in rows


def test_what_is_remembered_is_swept_when_it_counts_for_nothing(api, ann, at, kernel, frozen_clock):
    import threading

    from reactor_auth.sweeping import Sweeper

    def remembered():
        return api.sql("SELECT split_part(bucket, ':', 1) FROM _reactor_auth.sign_in_attempts ORDER BY 1")

    sweeper = Sweeper(kernel.enabled[0].instance._auth(kernel.context_for(kernel.enabled[0])))
    statuses(at(THERE), WRONG, 1)
    assert remembered() == [["account"], ["place"], ["place"]]
    frozen_clock.advance(hours=24)
    sweeper.sweep(threading.Event())
    assert remembered() == [["account"], ["place"], ["place"]]
    frozen_clock.advance(seconds=1)
    sweeper.sweep(threading.Event())
    assert remembered() == [["place"]]
    frozen_clock.advance(days=90)
    sweeper.sweep(threading.Event())
    assert remembered() == []
