"""Addresses are confirmed: `/verify`, `/verify/resend`, `/resend`."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
REFUSED = "The link or code is wrong, was used before or has expired."
HINT = "Have a new one sent."


def token_of(api, mail):
    return parse_qs(urlsplit(api.link(mail)).query)["token"][0]


def audit(api, user_id):
    rows = api.sql(
        "SELECT event_type FROM _reactor_auth.audit_events WHERE resource = $1 ORDER BY ts, id", f"user:{user_id}"
    )
    return [name for [name] in rows]


def test_the_link_of_the_first_mail_confirms_the_address(api, ann, captured_events):
    [mail] = api.mails("ann@example.com")
    assert mail["template"] == "verification"
    link = api.link(mail)
    assert link.startswith("http://127.0.0.1:8000/auth/v1/verify?token=")
    token = token_of(api, mail)
    assert len(token) == 43
    assert api.sql(
        "SELECT count(*) FROM _reactor_auth.verification_tokens WHERE encode(token_hash, 'escape') = $1", token
    ) == [["0"]]

    answer = api.call("GET", "/verify", params={"token": token}, headers={"Accept": "application/json"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == {
        "verified": True,
        "email": "ann@example.com",
        "message": "the e-mail address is confirmed",
    }
    assert ann.get("/user").json()["email_verified"] is True
    assert audit(api, ann.id) == ["user.signup", "user.verified"]
    again = api.call("GET", "/verify", params={"token": token})
    api.refused(again, 401, "invalid_token", REFUSED, hint=HINT)


def test_a_scanner_that_opens_the_link_burns_nothing(api, ann):
    [mail] = api.mails("ann@example.com")
    token = token_of(api, mail)
    for _ in range(2):
        page = api.call("GET", "/verify", params={"token": token}, headers=BROWSER)
        assert page.status_code == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "form-action 'self' http://127.0.0.1:8000; frame-ancestors 'none'; base-uri 'none'" in policy
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "<script" not in page.text
        assert f'<input type="hidden" name="token" value="{token}">' in page.text
        assert '<form method="post" action="/auth/v1/verify">' in page.text
    assert ann.get("/user").json()["email_verified"] is False

    done = api.call("POST", "/verify", data={"token": token, "type": "signup"}, headers=BROWSER)
    assert done.status_code == 200
    assert "Your e-mail address is confirmed." in done.text
    assert ann.get("/user").json()["email_verified"] is True
    again = api.call("POST", "/verify", data={"token": token, "type": "signup"}, headers=BROWSER)
    assert again.status_code == 400
    assert REFUSED in again.text


def test_with_a_front_end_the_form_leads_there(auth_config, request):
    auth_config["site_url"] = "https://app.example.com/"
    api = request.getfixturevalue("api")
    api.sign_up("ann@example.com")
    token = token_of(api, api.mails("ann@example.com")[0])
    page = api.call("GET", "/verify", params={"token": token}, headers=BROWSER)
    assert "form-action 'self' https://app.example.com;" in page.headers["Content-Security-Policy"]
    done = api.call("POST", "/verify", data={"token": token})
    assert (done.status_code, done.headers["Location"]) == (303, "https://app.example.com?verified=true")
    again = api.call("POST", "/verify", data={"token": token})
    assert again.status_code == 303
    assert parse_qs(urlsplit(again.headers["Location"]).query) == {
        "error": ["invalid_token"],
        "error_description": [REFUSED],
    }


def test_programs_post_the_token_and_are_signed_in(api, ann):
    token = token_of(api, api.mails("ann@example.com")[0])
    body = api.call("POST", "/verify", json={"type": "signup", "token": token}).json()
    assert body["user"]["email_verified"] is True
    session = body["session"]
    assert api.call("GET", "/user", token=session["access_token"]).json() == body["user"]
    assert api.refresh(session["refresh_token"]).status_code == 200


def test_a_token_is_for_one_purpose_and_one_day(frozen_clock, api, ann):
    token = token_of(api, api.mails("ann@example.com")[0])
    for kind in ("recovery", "email_change", "magiclink"):
        answer = api.call("POST", "/verify", json={"type": kind, "token": token})
        api.refused(answer, 401, "invalid_token", REFUSED, hint=HINT)
    problem = "must be one of signup, recovery, magiclink, email_change, invite"
    api.refused(
        api.call("POST", "/verify", json={"type": "welcome", "token": token}),
        400,
        "validation_error",
        f"type {problem}",
        fields={"type": [problem]},
    )
    frozen_clock.advance(hours=24)
    answer = api.call("POST", "/verify", json={"type": "signup", "token": token})
    api.refused(answer, 401, "invalid_token", REFUSED, hint=HINT)


@pytest.mark.parametrize(
    "query",
    ["", "?token=", "?token=x&type=invite", "?token=x&redirect_to=https://evil.example/", "?token=x&type=%3Cb%3E"],
)
def test_a_broken_link_says_so_and_leads_nowhere(api, query):
    page = api.call("GET", f"/verify{query}", headers=BROWSER)
    assert page.status_code == 400
    assert "This link does not work" in page.text
    assert "evil" not in page.text
    assert "<b>" not in page.text


def test_markup_in_a_link_stays_text(api):
    page = api.call("GET", "/verify", params={"token": '"><script>alert(1)</script>'}, headers=BROWSER)
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "&quot;&gt;&lt;script&gt;" in page.text


def test_resending_answers_alike_for_everybody(api, ann):
    sent = {"sent": True, "message": "if the address belongs to an account, a mail is on its way"}
    for path in ("/verify/resend", "/resend"):
        for email in ("ann@example.com", "nobody@example.com"):
            answer = api.call("POST", path, json={"email": email})
            assert (answer.status_code, answer.json()) == (200, sent)
    mails = api.mails("ann@example.com", "verification")
    assert len(mails) == 3
    assert api.mails("nobody@example.com") == []
    assert api.sql("SELECT count(*) FROM _reactor_auth.mail_requests") == [["0"]]
    # Several may be outstanding, and each works.
    for mail in mails[:1]:
        assert api.call("POST", "/verify", json={"token": token_of(api, mail)}).status_code == 200
    assert api.call("POST", "/resend", json={"email": "ANN@example.com"}).json() == sent
    assert len(api.mails("ann@example.com", "verification")) == 3, "a confirmed address needs no mail"
    problem = "is not a valid e-mail address"
    api.refused(
        api.call("POST", "/resend", json={"email": "ann"}),
        400,
        "validation_error",
        f"email {problem}",
        fields={"email": [problem]},
    )


def test_a_disabled_user_confirms_nothing(api, ann):
    token = token_of(api, api.mails("ann@example.com")[0])
    api.sql("UPDATE _reactor_auth.users SET disabled_at = now()")
    answer = api.call("POST", "/verify", json={"token": token})
    api.refused(answer, 403, "user_disabled", "The user is disabled.")
    api.call("POST", "/resend", json={"email": "ann@example.com"})
    assert len(api.mails("ann@example.com")) == 1


class TestWithConfirmedAddressesOnly:
    @pytest.fixture
    def auth_config(self, auth_config):
        auth_config["require_verified_email"] = True
        auth_config["smtp"] = {"host": "127.0.0.1", "port": 9, "from": "a@example.com", "tls": "none"}
        return auth_config

    def read(self, api, to):
        """What waits for a relay that is not there."""
        api.do_mail_work()
        auth = api.auth()
        rows = api.sql(
            "SELECT id::text, template, recipient, variables_sealed FROM _reactor_auth.mail_outbox "
            "WHERE recipient = $1 ORDER BY created_at, id",
            to,
        )
        from uuid import UUID

        return [(row[1], auth.outbox.render(UUID(row[0]), row[1], row[2], row[3]).text) for row in rows]

    def sign_up(self, api, password="correct horse"):
        return api.call("POST", "/signup", json={"email": "ann@example.com", "password": password})

    def test_signing_up_opens_no_session_and_tells_nothing(self, api):
        first = self.sign_up(api)
        assert first.status_code == 201
        user = first.json()["user"]
        assert first.json()["session"] is None
        refusal = api.call("POST", "/login", json={"email": "ann@example.com", "password": "correct horse"})
        api.refused(
            refusal,
            403,
            "email_not_verified",
            "The e-mail address has not been confirmed yet.",
            hint="Follow the link in the mail, or have it sent again: POST /auth/v1/resend.",
        )
        wrong = api.call("POST", "/login", json={"email": "ann@example.com", "password": "wrong horse"})
        api.refused(wrong, 401, "invalid_credentials", "The e-mail address or the password is wrong.")

        [(template, text)] = self.read(api, "ann@example.com")
        assert template == "verification"
        token = text.split("token=")[1].split()[0]
        assert api.call("POST", "/verify", json={"token": token}).status_code == 200
        api.sign_in("ann@example.com")

        again = self.sign_up(api, "another password")
        assert again.status_code == first.status_code
        repeated = again.json()["user"]
        assert {**repeated, "id": user["id"], "created_at": user["created_at"]} == user
        assert repeated["id"] != user["id"]
        assert again.json()["session"] is None
        assert set(again.headers) == set(first.headers)
        assert [template for template, _ in self.read(api, "ann@example.com")] == ["verification", "account_exists"]
        assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["1"]]
        api.sign_in("ann@example.com")

    def test_changing_to_a_taken_address_tells_nothing(self, api):
        for email in ("ann@example.com", "bob@example.com"):
            api.call("POST", "/signup", json={"email": email, "password": "correct horse"})
        api.do_mail_work()
        api.sql("UPDATE _reactor_auth.users SET email_verified = true")
        ann = api.sign_in("ann@example.com")
        for email in ("bob@example.com", "free@example.com"):
            answer = ann.patch("/user", {"email": email})
            assert (answer.status_code, answer.json()) == (200, ann.user)
        assert self.read(api, "bob@example.com")[-1][0] == "account_exists"
        assert self.read(api, "free@example.com")[-1][0] == "email_change"
