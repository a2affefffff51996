"""`/authorize` for the built-in clients (contract auth.md §3.4)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest


def test_a_browser_signs_in_and_the_command_line_gets_its_tokens(api, ann, browser, cli, sent_back, page_of):
    page = browser.get("/authorize", **cli.request())
    assert page.status_code == 200
    seen = page_of(page)
    assert "Sign in to continue to Reactor command line." in seen.text
    form = seen.form("signin")
    assert form["inputs"] == ["email", "password"]
    answer = browser.sign_in(page)
    query = sent_back(answer)
    assert answer.headers["Location"].startswith("http://localhost:7777/callback?code=")
    assert query["state"] == "st&te=1 é"
    assert set(query) == {"code", "state"}
    assert len(query["code"]) == 43
    tokens = cli.exchange(query["code"])
    assert tokens.status_code == 200, tokens.text
    assert tokens.headers["Cache-Control"] == "no-store"
    body = tokens.json()
    assert set(body) == {
        *("access_token", "token_type", "refresh_token", "expires_in", "expires_at", "scope", "id_token", "user")
    }
    assert (body["token_type"], body["scope"], body["user"]) == ("Bearer", "openid", ann.user)
    assert api.call("GET", "/user", token=body["access_token"]).json() == ann.user
    again = cli.token(grant_type="refresh_token", client_id="reactor-cli", refresh_token=body["refresh_token"])
    assert again.status_code == 200, again.text
    assert again.json()["scope"] == "openid"


CANNOT = "This link does not work"
UNLISTED = [
    "http://localhost:7777/callback/",
    "http://localhost:7777/callback?x=1",
    "http://localhost:7777/callback#x",
    "http://localhost:7777/other",
    "https://localhost:7777/callback",
    "http://localhost:7777@evil.example/callback",
    "http://localhost.evil.example/callback",
    "http://localhost:99999/callback",
    "http://localhost:7777\\@evil.example/callback",
    "http://evil.example/http://localhost/callback",
    "//localhost/callback",
    "javascript:alert(1)",
    "http://127.0.0.2/callback",
    "http://localhost:7777/callback\n",
]


def test_nobody_is_sent_to_an_address_that_is_not_registered(browser, cli, page_of):
    cases = [cli.request(redirect_uri=uri) for uri in UNLISTED]
    cases += [
        cli.request(redirect_uri=None),
        cli.request(client_id=None),
        cli.request(client_id="nobody"),
        cli.request(client_id="\x00"),
        # Only its own front end may be the address of the built-in web client.
        cli.request(client_id="reactor-web"),
        cli.request(client_id="reactor-web", redirect_uri="http://127.0.0.1:8000/signed-in#x"),
    ]
    for params in cases:
        for answer in (
            browser.http.get("/auth/v1/authorize", params=params),
            browser.http.post("/auth/v1/authorize", data=params),
        ):
            assert answer.status_code == 400, params
            assert "Location" not in answer.headers
            assert CANNOT in page_of(answer).text
    twice = browser.http.get("/auth/v1/authorize", params=[*cli.request().items(), ("state", "b")])
    assert twice.status_code == 400
    assert "names state more than once" in page_of(twice).text
    assert browser.http.post("/auth/v1/authorize", json={}).status_code == 400
    web = {"client_id": "reactor-web", "redirect_uri": "http://127.0.0.1:8000/signed-in"}
    assert browser.get("/authorize", **cli.request(**web)).status_code == 200


REFUSED = [
    ({"response_type": "token"}, "unsupported_response_type", "response_type must be code"),
    ({"response_type": None}, "unsupported_response_type", "response_type must be code"),
    ({"code_challenge_method": "plain"}, "invalid_request", "code_challenge_method must be S256"),
    (
        {"code_challenge": None},
        "invalid_request",
        "code_challenge must be the 43 characters of an S256 challenge",
    ),
    (
        {"code_challenge": "a" * 42},
        "invalid_request",
        "code_challenge must be the 43 characters of an S256 challenge",
    ),
    ({"response_mode": "fragment"}, "invalid_request", "response_mode must be query"),
    ({"request": "x"}, "request_not_supported", "request is not supported"),
    ({"request_uri": "https://x"}, "request_uri_not_supported", "request_uri is not supported"),
    ({"scope": 'a"b'}, "invalid_scope", "scope is not a list of scopes"),
    ({"prompt": "none login"}, "invalid_request", "prompt none goes with no other prompt"),
    (
        {"prompt": "sing"},
        "invalid_request",
        "prompt knows only consent, login, none, select_account",
    ),
    ({"max_age": "-1"}, "invalid_request", "max_age must be a number of seconds"),
    ({"nonce": "n" * 513}, "invalid_request", "nonce must be text of at most 512 characters"),
    ({"prompt": "none"}, "login_required", "the user must sign in"),
]


def test_other_faults_are_sent_back_to_the_client(browser, cli, sent_back):
    for changed, code, description in REFUSED:
        answer = browser.get("/authorize", **cli.request(**changed))
        assert sent_back(answer) == {"error": code, "error_description": description, "state": "st&te=1 é"}, changed
        assert answer.headers["Location"].startswith("http://localhost:7777/callback?error=")
    long = sent_back(browser.get("/authorize", **cli.request(state="s" * 2049)))
    assert long == {"error": "invalid_request", "error_description": "state is over 2048 characters"}


def test_a_form_is_only_taken_from_the_browser_it_was_given_to(
    api, ann, browser, other_browser, cli, page_of, sent_back
):
    page = browser.get("/authorize", **cli.request())
    form = page_of(page).form("signin")
    filled = {**form["fields"], "email": "ann@example.com", "password": "correct horse"}
    stolen = other_browser.http.post(form["action"], data=filled)
    assert stolen.status_code == 403
    assert page_of(stolen).problem == ("This form was open for too long, or came from another page. Please try again.")
    # As the seed's clients posted it: no token, no session.
    bare = {**cli.request(), "email": "ann@example.com", "password": "correct horse"}
    assert browser.http.post("/auth/v1/authorize", data=bare).status_code == 403
    # Everything is read anew: what was right in the first form must still be right.
    moved = browser.http.post(form["action"], data={**filled, "redirect_uri": "https://evil.example/cb"})
    assert moved.status_code == 400
    downgraded = browser.http.post(form["action"], data={**filled, "code_challenge_method": "plain"})
    assert sent_back(downgraded)["error"] == "invalid_request"
    assert api.sql("SELECT count(*) FROM _reactor_auth.browser_sessions") == [["0"]]
    assert api.sql("SELECT count(*) FROM _reactor_auth.authorization_codes") == [["0"]]
    assert "code" in sent_back(browser.http.post(form["action"], data=filled))


def test_a_wrong_password_shows_the_form_again(api, ann, browser, cli, page_of):
    page = browser.get("/authorize", **cli.request())
    for email, password in (("ann@example.com", "wrong"), ("nobody@example.com", "correct horse"), ("<b>", "")):
        answer = browser.sign_in(page, email, password)
        assert answer.status_code == 401
        seen = page_of(answer)
        assert seen.problem == "The e-mail address or the password is wrong."
        fields = {values.get("name"): values for tag, values in seen.tags if tag == "input"}
        assert fields["email"]["value"] == email
        assert fields["email"]["aria-describedby"] == "problem"
        assert fields["password"]["value"] == ""
    assert api.sql("SELECT count(*) FROM _reactor_auth.browser_sessions") == [["0"]]
    ann.delete("/user")
    gone = browser.sign_in(page)
    api.refused(gone, 403, "user_disabled", "The user is disabled.")


def test_the_pages_run_nothing_and_nobody_frames_them(browser, cli):
    answer = browser.get("/authorize", **cli.request())
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self' http://localhost:7777"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "<script" not in answer.text
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert '<html lang="en">' in answer.text
    assert 'autocomplete="username"' in answer.text
    assert 'autocomplete="current-password"' in answer.text


def test_signing_in_once_serves_several_requests(frozen_clock, api, ann, browser, cli, sent_back, page_of):
    sent_back(browser.sign_in(browser.get("/authorize", **cli.request())))
    assert "code" in sent_back(browser.get("/authorize", **cli.request()))
    assert "code" in sent_back(browser.get("/authorize", **cli.request(prompt="none")))
    again = browser.get("/authorize", **cli.request(prompt="login"))
    assert page_of(again).form("signin")["fields"]["email"] == "ann@example.com"
    frozen_clock.advance(seconds=61)
    assert "code" in sent_back(browser.get("/authorize", **cli.request(max_age="61")))
    old = sent_back(browser.get("/authorize", **cli.request(prompt="none", max_age="60")))
    assert old["error"] == "login_required"
    assert "code" in sent_back(browser.sign_in(browser.get("/authorize", **cli.request(prompt="login", max_age="60"))))
    assert page_of(browser.get("/authorize", **cli.request(max_age="0"))).form("signin")
    # The cookie of a new sign-in takes the place of the old one.
    assert api.sql("SELECT count(*) FROM _reactor_auth.browser_sessions") == [["1"]]
    # A changed password, like every other end of all sessions, ends browsers too.
    ann.post("/logout?scope=global")
    assert sent_back(browser.get("/authorize", **cli.request(prompt="none")))["error"] == "login_required"
    sent_back(browser.sign_in(browser.get("/authorize", **cli.request())))
    frozen_clock.advance(hours=12)
    assert sent_back(browser.get("/authorize", **cli.request(prompt="none")))["error"] == "login_required"
    assert api.sql("SELECT count(*) FROM _reactor_auth.browser_sessions WHERE length(token_hash) <> 32") == [["0"]]


def test_signing_up_on_the_page(api, browser, cli, sent_back, page_of):
    page = browser.submit(browser.get("/authorize", **cli.request()), "signup_page")
    weak = browser.submit(page, "signup", email="new@example.com", password="short")
    assert weak.status_code == 400
    assert page_of(weak).problem == "Password must have at least 8 characters."
    bad = browser.submit(page, "signup", email="nobody", password="correct horse")
    assert page_of(bad).problem == "Email is not a valid e-mail address."
    code = sent_back(browser.submit(page, "signup", email="new@example.com", password="correct horse"))["code"]
    assert cli.exchange(code).json()["user"]["email"] == "new@example.com"
    taken = browser.submit(page, "signup", email="new@example.com", password="correct horse")
    assert taken.status_code == 409


class TestWithConfirmedAddressesOnly:
    @pytest.fixture
    def auth_config(self, auth_config):
        auth_config["require_verified_email"] = True
        auth_config["smtp"] = {"host": "127.0.0.1", "port": 9, "from": "reactor@example.com"}
        return auth_config

    def test_the_page_does_not_tell_which_addresses_are_taken(self, api, browser, other_browser, cli, page_of):
        seen = []
        for visitor in (browser, other_browser):
            page = visitor.submit(visitor.get("/authorize", **cli.request()), "signup_page")
            answer = visitor.submit(page, "signup", email="new@example.com", password=f"horse of {len(seen)} kinds")
            seen.append((answer.status_code, page_of(answer).problem, sorted(answer.headers)))
        assert seen[0] == seen[1]
        assert seen[0][:2] == (403, "The e-mail address has not been confirmed yet.")


def test_a_code_gives_tokens_once_and_its_second_use_ends_them(api, ann, browser, cli, sent_back):
    hint = "Start over at /auth/v1/authorize."
    refusal = "The authorization code is unknown, used, expired, or belongs to another request."
    code = sent_back(browser.sign_in(browser.get("/authorize", **cli.request())))["code"]
    tokens = cli.exchange(code).json()
    assert api.call("GET", "/user", token=tokens["access_token"]).status_code == 200
    api.refused(cli.exchange(code), 401, "invalid_token", refusal, hint=hint)
    ended = api.call("GET", "/user", token=tokens["access_token"])
    api.refused(ended, 401, "session_revoked", "The session has been ended.", hint="Sign in again.")
    assert ann.get("/user").status_code == 200

    def fresh():
        return sent_back(browser.get("/authorize", **cli.request()))["code"]

    for changed in (
        {"code_verifier": "w" * 43},
        {"code_verifier": "short"},
        {"redirect_uri": "http://127.0.0.1:7777/callback"},
        {"client_id": "reactor-web"},
    ):
        code = fresh()
        api.refused(cli.exchange(code, **changed), 401, "invalid_token", refusal, hint=hint)
        # Burnt: what is right comes too late.
        api.refused(cli.exchange(code), 401, "invalid_token", refusal, hint=hint)
    api.refused(cli.exchange("unknown"), 401, "invalid_token", refusal, hint=hint)
    for missing in ("code", "code_verifier", "redirect_uri"):
        api.refused(
            cli.exchange(fresh(), **{missing: None}),
            400,
            "validation_error",
            f"{missing} is required",
            fields={missing: ["is required"]},
        )
    sessions = api.sql("SELECT count(*) FROM _reactor_auth.oauth_sessions")
    assert sessions == [["1"]]


def test_a_code_expires_and_a_disabled_user_gets_nothing(frozen_clock, api, ann, browser, cli, sent_back):
    old = sent_back(browser.sign_in(browser.get("/authorize", **cli.request())))["code"]
    frozen_clock.advance(minutes=10)
    assert cli.exchange(old).status_code == 401
    code = sent_back(browser.get("/authorize", **cli.request()))["code"]
    ann.api.sql("UPDATE _reactor_auth.users SET disabled_at = now()")
    api.refused(cli.exchange(code), 403, "user_disabled", "The user is disabled.")


def test_a_refresh_token_belongs_to_its_client(api, ann, browser, cli, sent_back):
    code = sent_back(browser.sign_in(browser.get("/authorize", **cli.request())))["code"]
    token = cli.exchange(code).json()["refresh_token"]
    other = cli.token(grant_type="refresh_token", client_id="reactor-web", refresh_token=token)
    api.refused(
        other,
        401,
        "invalid_refresh_token",
        "the refresh token belongs to another client",
        hint="Sign in again.",
    )
    # The JavaScript client names none.
    assert api.refresh(token).status_code == 200


@pytest.fixture
def few_sign_ins(auth_config):
    auth_config["limits"]["login_per_account"] = 3


def test_too_many_wrong_passwords_are_slowed_down(few_sign_ins, ann, browser, cli, page_of):
    page = browser.get("/authorize", **cli.request())
    for _ in range(3):
        answer = browser.sign_in(page, password="wrong")
    assert answer.status_code == 401
    limited = browser.sign_in(page, password="wrong")
    assert limited.status_code == 429
    seconds = limited.headers["Retry-After"]
    assert page_of(limited).problem == f"Too many attempts. Try again in {seconds} seconds."


def test_of_many_who_present_one_code_one_gets_tokens_and_loses_them(api, ann, browser, cli, sent_back):
    code = sent_back(browser.sign_in(browser.get("/authorize", **cli.request())))["code"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: cli.exchange(code), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    [tokens] = [answer.json() for answer in answers if answer.status_code == 200]
    # Somebody else had the code too.
    assert api.call("GET", "/user", token=tokens["access_token"]).status_code == 401
    assert api.sql("SELECT count(*) FROM _reactor_auth.oauth_sessions") == [["1"]]
