"""Sign-in without a password: `POST /otp`, the link of the mail, and grant `otp`."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

BROWSER = {"Accept": "text/html"}
REFUSED = "The link or code is wrong, was used before or has expired."
HINT = "Have a new one sent."
SENT = {"message": "if the address belongs to an account, a mail is on its way"}


def ask(api, email="ann@example.com", **more):
    answer = api.call("POST", "/otp", json={"email": email, **more})
    assert (answer.status_code, answer.json()) == (202, SENT)


def code_of(mail):
    found = re.search(r"\b\d{6}\b", mail["text"])
    assert found
    return found[0]


def newest(api, email="ann@example.com"):
    return api.mails(email, "magic_link")[-1]


def exchange(api, code, email="ann@example.com"):
    return api.call("POST", "/token", json={"grant_type": "otp", "email": email, "token": code})


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_a_code_signs_in_once(api, ann):
    api.sql("UPDATE _reactor_auth.users SET email_verified = true")
    ask(api)
    code = code_of(newest(api))
    answer = exchange(api, code, " ANN@example.com")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "refresh_token", "expires_in", "expires_at", "user"}
    assert body["user"] == {**ann.user, "email_verified": True}
    from reactor_kernel.api import AuthClient

    assert api.kernel.service(AuthClient).verify_token(body["access_token"]).raw["amr"] == ["otp"]
    api.refused(exchange(api, code), 401, "invalid_token", REFUSED, hint=HINT)
    # Somebody who has shown that the address is theirs keeps the password.
    api.sign_in("ann@example.com")


def test_forms_and_link_tokens_are_taken_too(api, ann):
    ask(api)
    token = parse_qs(urlsplit(api.link(newest(api))).query)["token"][0]
    api.refused(exchange(api, token, "bob@example.com"), 401, "invalid_token", REFUSED, hint=HINT)
    assert exchange(api, token).status_code == 200
    ask(api)
    form = {"grant_type": "otp", "email": "ann@example.com", "token": code_of(newest(api))}
    assert api.call("POST", "/token", data=form).status_code == 200
    for missing in ("email", "token"):
        refusal = api.call("POST", "/token", data={**form, missing: ""})
        api.refused(refusal, 400, "validation_error", f"{missing} is required", fields={missing: ["is required"]})


def test_five_wrong_codes_end_the_right_one(api, ann):
    ask(api)
    code = code_of(newest(api))
    for _ in range(4):
        api.refused(exchange(api, wrong(code)), 401, "invalid_token", REFUSED, hint=HINT)
    ask(api, "bob@example.com")
    assert exchange(api, code).status_code == 200

    ask(api)
    code = code_of(newest(api))
    for _ in range(5):
        exchange(api, wrong(code))
    api.refused(exchange(api, code), 401, "invalid_token", REFUSED, hint=HINT)


def test_parallel_guesses_are_counted_each(api, ann):
    ask(api)
    code = code_of(newest(api))
    with ThreadPoolExecutor(10) as pool:
        statuses = set(pool.map(lambda number: exchange(api, f"{number:06}").status_code, _others(code, 10)))
    assert statuses == {401}
    assert api.sql("SELECT attempts FROM _reactor_auth.verification_tokens WHERE code_mac IS NOT NULL") == [["5"]]
    assert exchange(api, code).status_code == 401


def _others(code, count):
    return [number for number in range(count + 1) if f"{number:06}" != code][:count]


def test_a_newer_code_ends_the_older_one_and_ten_minutes_end_all(frozen_clock, api, ann):
    ask(api)
    first = newest(api)
    ask(api)
    second = newest(api)
    if code_of(first) != code_of(second):
        assert exchange(api, code_of(first)).status_code == 401
    frozen_clock.advance(minutes=10)
    api.refused(exchange(api, code_of(second)), 401, "invalid_token", REFUSED, hint=HINT)


def test_a_stranger_becomes_a_user_by_signing_in_and_not_before(api):
    ask(api, "new@example.com")
    assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["0"]]
    user = exchange(api, code_of(newest(api, "new@example.com")), "new@example.com").json()["user"]
    assert (user["email"], user["email_verified"]) == ("new@example.com", True)
    refusal = api.call("POST", "/login", json={"email": "new@example.com", "password": ""})
    assert refusal.status_code == 401
    ask(api, "other@example.com", create_user=False)
    assert api.mails("other@example.com") == []


def test_without_sign_up_strangers_get_no_mail(auth_config, request):
    auth_config["signup_enabled"] = False
    api = request.getfixturevalue("api")
    ask(api, "new@example.com")
    assert api.mails("new@example.com") == []


def test_whoever_signed_up_with_a_foreign_address_is_out_once_its_owner_comes(api):
    squatter = api.sign_up("ann@example.com", "squatters password")
    ask(api)
    body = exchange(api, code_of(newest(api))).json()
    assert body["user"]["id"] == squatter.id
    assert squatter.get("/user").status_code == 401
    assert api.refresh(squatter.refresh_token).status_code == 401
    login = api.call("POST", "/login", json={"email": "ann@example.com", "password": "squatters password"})
    api.refused(login, 401, "invalid_credentials", "The e-mail address or the password is wrong.")


class TestLink:
    @pytest.fixture
    def auth_config(self, auth_config):
        auth_config["site_url"] = "https://app.example.com/home"
        auth_config["redirect_allow_list"] = ["http://localhost:3000/cb"]
        return auth_config

    def follow(self, api, **more):
        ask(api, **more)
        link = urlsplit(api.link(newest(api)))
        query = {name: values[0] for name, values in parse_qs(link.query).items()}
        page = api.call("GET", "/verify", params=query, headers=BROWSER)
        assert page.status_code == 200
        for name, value in query.items():
            assert f'name="{name}" value="{value}"' in page.text
        return query, page

    def test_the_button_leads_to_an_allowed_place_with_tokens_in_the_fragment(self, api, ann):
        query, page = self.follow(api, redirect_to="http://localhost:3000/cb?next=%2Fx")
        assert query["type"] == "magiclink"
        assert "form-action 'self' http://localhost:3000;" in page.headers["Content-Security-Policy"]
        done = api.call("POST", "/verify", data=query, headers=BROWSER)
        assert done.status_code == 303
        goal = urlsplit(done.headers["Location"])
        assert (goal.scheme, goal.netloc, goal.path, goal.query) == ("http", "localhost:3000", "/cb", "next=%2Fx")
        fragment = {name: values[0] for name, values in parse_qs(goal.fragment).items()}
        assert set(fragment) == {"access_token", "refresh_token", "expires_at", "expires_in", "token_type", "type"}
        assert fragment["expires_at"].endswith("+00:00")
        assert api.call("GET", "/user", token=fragment["access_token"]).json()["email_verified"] is True
        assert api.refresh(fragment["refresh_token"]).status_code == 200
        again = api.call("POST", "/verify", data=query, headers=BROWSER)
        assert again.headers["Location"].startswith("http://localhost:3000/cb?next=%2Fx&error=invalid_token&")

    def test_a_scanner_that_accepts_anything_burns_no_sign_in(self, api, ann):
        query, _ = self.follow(api)
        assert "<form" in api.call("GET", "/verify", params=query, headers={"Accept": "*/*"}).text
        answer = api.call("GET", "/verify", params=query, headers={"Accept": "application/json"})
        assert answer.json()["session"]["access_token"]

    def test_without_a_wish_it_leads_to_the_site(self, api, ann):
        query, _ = self.follow(api)
        done = api.call("POST", "/verify", data=query)
        assert done.headers["Location"].startswith("https://app.example.com/home#access_token=")

    def test_no_other_place_is_led_to(self, api, ann):
        problem = "is not a place this server sends anybody to"
        expected = {
            "fields": {"redirect_to": [problem]},
            "hint": "Add its origin and the beginning of its path to [auth] redirect_allow_list.",
        }
        for evil in ("https://evil.example/", "//evil.example", "javascript:alert(1)", "http://localhost:3000/cbx", ""):
            refusal = api.call("POST", "/otp", json={"email": "ann@example.com", "redirect_to": evil})
            api.refused(refusal, 400, "validation_error", f"redirect_to {problem}", **expected)
        query, _ = self.follow(api)
        forged = api.call("POST", "/verify", data={**query, "redirect_to": "https://evil.example/"})
        api.refused(forged, 400, "validation_error", f"redirect_to {problem}", **expected)
        assert api.call("POST", "/verify", data=query).status_code == 303, "the forged one used nothing up"


def test_a_disabled_user_gets_no_code_and_no_session(api, ann):
    ask(api)
    code = code_of(newest(api))
    api.sql("UPDATE _reactor_auth.users SET disabled_at = now()")
    api.refused(exchange(api, code), 403, "user_disabled", "The user is disabled.")
    ask(api)
    assert len(api.mails("ann@example.com", "magic_link")) == 1


def test_codes_are_not_found_in_the_database(api, ann):
    ask(api)
    code = code_of(newest(api))
    import hashlib

    [[mac, token_id]] = api.sql(
        "SELECT encode(code_mac, 'hex'), id::text FROM _reactor_auth.verification_tokens WHERE code_mac IS NOT NULL"
    )
    guesses = {hashlib.sha256(text.encode()).hexdigest() for text in (code, token_id + code, code + token_id)}
    assert mac not in guesses
    assert exchange(api, "١٢٣٤٥٦").status_code == 401
    assert exchange(api, "12345\x00").status_code == 401
