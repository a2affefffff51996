"""Changed addresses, anonymous users, new devices, the export, deletion and erasure."""

from __future__ import annotations

import threading
from urllib.parse import parse_qs, urlsplit

import pytest

REFUSED = "The link or code is wrong, was used before or has expired."
HINT = "Have a new one sent."


def token_of(api, mail):
    return parse_qs(urlsplit(api.link(mail)).query)["token"][0]


def verify(api, kind, token):
    return api.call("POST", "/verify", json={"type": kind, "token": token})


def audit(api, user_id):
    rows = api.sql(
        "SELECT event_type FROM _reactor_auth.audit_events WHERE resource = $1 ORDER BY ts, id", f"user:{user_id}"
    )
    return [name for [name] in rows]


def test_a_new_address_waits_until_it_is_confirmed(api, ann, bob):
    first = token_of(api, api.mails("ann@example.com", "verification")[0])
    assert verify(api, "signup", first).status_code == 200
    reset = api.call("POST", "/password-reset/request", json={"email": "ann@example.com"})
    assert reset.status_code == 202
    old_link = token_of(api, api.mails("ann@example.com", "password_reset")[0])

    answer = ann.patch("/user", {"email": " Ann@New.example ", "metadata": {"plan": "x"}})
    assert answer.status_code == 200
    assert answer.json() == {**ann.user, "email_verified": True, "metadata": {"plan": "x"}}
    [mail] = api.mails("ann@new.example")
    assert mail["template"] == "email_change"
    assert api.mails("ann@example.com", "email_changed") == []
    api.sign_in("ann@example.com")

    body = verify(api, "email_change", token_of(api, mail)).json()
    assert body == {"user": {**answer.json(), "email": "ann@new.example"}}
    [notice] = api.mails("ann@example.com", "email_changed")
    assert "now uses ann@new.example instead of ann@example.com" in notice["text"]
    api.sign_in("ann@new.example")
    login = api.call("POST", "/login", json={"email": "ann@example.com", "password": "correct horse"})
    assert login.status_code == 401
    stale = api.call("POST", "/password-reset/confirm", json={"token": old_link, "new_password": "a new battery"})
    api.refused(stale, 401, "invalid_token", REFUSED, hint=HINT)
    assert audit(api, ann.id) == ["user.signup", "user.verified", "user.updated", "user.email_changed"]
    api.sign_up("ann@example.com")


def test_taken_and_unchanged_addresses(api, ann, bob):
    before = api.sql("SELECT count(*) FROM _reactor_auth.audit_events")
    assert ann.patch("/user", {"email": "ANN@example.com"}).json() == ann.user
    assert api.sql("SELECT count(*) FROM _reactor_auth.audit_events") == before
    taken = ann.patch("/user", {"email": "bob@example.com", "metadata": {"a": 1}})
    api.refused(taken, 409, "email_exists", "A user with this e-mail address exists already.")
    assert ann.get("/user").json()["metadata"] == {}
    assert ann.patch("/user", {"email": "new@example.com"}).status_code == 200
    token = token_of(api, api.mails("new@example.com")[0])
    api.sign_up("new@example.com")
    late = verify(api, "email_change", token)
    api.refused(late, 409, "email_exists", "A user with this e-mail address exists already.")
    assert ann.get("/user").json()["email"] == "ann@example.com"


def test_only_the_last_wish_counts(api, ann):
    for email in ("first@example.com", "second@example.com"):
        ann.patch("/user", {"email": email})
    first, second = (token_of(api, api.mails(f"{name}@example.com")[0]) for name in ("first", "second"))
    api.refused(verify(api, "email_change", first), 401, "invalid_token", REFUSED, hint=HINT)
    assert verify(api, "email_change", second).json()["user"]["email"] == "second@example.com"


def test_a_changed_password_is_told(api, ann):
    ann.patch("/user", {"password": "a new battery"})
    [mail] = api.mails("ann@example.com", "password_changed")
    assert "from 127.0.0.1" in mail["text"]


class TestWithoutMail:
    @pytest.fixture
    def reactor_config(self, auth_config):
        return {"auth": auth_config, "project": {"env": "production"}}

    def test_an_address_cannot_be_changed_and_no_token_is_made(self, api, ann):
        refusal = ann.patch("/user", {"email": "new@example.com"})
        api.refused(
            refusal,
            400,
            "email_disabled",
            "The e-mail address cannot be changed, because the new one cannot be confirmed by mail.",
            hint="This server sends no mail: configure [auth.smtp], or leave email out of the request.",
        )
        for path in ("/otp", "/resend", "/password-reset/request"):
            assert api.call("POST", path, json={"email": "ann@example.com"}).status_code in (200, 202)
        api.do_mail_work()
        assert api.sql("SELECT count(*) FROM _reactor_auth.verification_tokens") == [["0"]]
        assert api.sql("SELECT count(*) FROM _reactor_auth.mail_outbox") == [["0"]]


def test_a_sign_in_from_another_program_is_told(api, ann):
    def sign_in(agent):
        answer = api.call(
            "POST",
            "/login",
            json={"email": "ann@example.com", "password": "correct horse"},
            headers={"User-Agent": agent},
        )
        assert answer.status_code == 200

    sign_in("Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/140.0")
    [mail] = api.mails("ann@example.com", "new_device")
    assert "With: Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/140.0" in mail["text"]
    assert "From: 127.0.0.1" in mail["text"]
    sign_in("Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/141.2")
    api.sign_in("ann@example.com")
    assert len(api.mails("ann@example.com", "new_device")) == 1
    sign_in("curl/8.5")
    assert len(api.mails("ann@example.com", "new_device")) == 2


class TestAnonymous:
    @pytest.fixture
    def auth_config(self, auth_config):
        auth_config["anonymous_users_enabled"] = True
        return auth_config

    def come(self, api):
        answer = api.call("POST", "/signup", json={"anonymous": True, "metadata": {"cart": [1]}})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def test_anonymous_users_nobody_can_be_any_more_are_erased(self, frozen_clock, captured_events, api, ann):
        from reactor_auth.sweeping import Sweeper

        def guest():
            body = self.come(api)
            return body["user"]["id"], body["session"]

        def sweep():
            Sweeper(api.auth()).sweep(threading.Event())
            return {row[0] for row in api.sql("SELECT id::text FROM _reactor_auth.users WHERE email IS NULL")}

        (gone, _), (used, session), (member, _) = guest(), guest(), guest()
        org = ann.make_org("acme")
        api.sql(
            "INSERT INTO _reactor_auth.memberships (user_id, org_id, role_id, joined_at, updated_at) "
            "SELECT $1, $2, id, now(), now() FROM _reactor_auth.roles WHERE org_id = $2 AND name = 'member'",
            member,
            org["id"],
        )
        frozen_clock.advance(seconds=29 * 86400)
        session = api.refresh(session["refresh_token"]).json()
        assert sweep() == {gone, used, member}
        frozen_clock.advance(seconds=2 * 86400)
        # A month after the last use nobody holds a token of `gone`; `used` refreshed, and the organisation knows `member`.
        assert sweep() == {used, member}
        assert api.refresh(session["refresh_token"]).status_code == 200
        assert [event.payload.user_id for event in captured_events.all() if event.topic == "auth.user.erased"] == [gone]
        rows = api.sql("SELECT resource FROM _reactor_auth.audit_events WHERE event_type = 'user.erased'")
        assert rows == [[f"user:{gone}"]]

    def test_one_gets_an_address_later_and_stays_the_same_user(self, api):
        from reactor_kernel.api import AuthClient

        body = self.come(api)
        user, access = body["user"], body["session"]["access_token"]
        assert user == {
            "id": user["id"],
            "is_anonymous": True,
            "email": None,
            "email_verified": False,
            "metadata": {"cart": [1]},
            "default_org_id": None,
            "created_at": user["created_at"],
        }
        claims = api.kernel.service(AuthClient).verify_token(access).raw
        assert claims["amr"] == ["anonymous"]
        assert "email" not in claims
        assert api.call("GET", "/user", token=access).json() == user
        assert api.call("GET", "/me", token=access).json() == {"user_id": user["id"], "email": None, "orgs": []}
        assert api.refresh(body["session"]["refresh_token"]).status_code == 200
        assert self.come(api)["user"]["id"] != user["id"]

        changed = api.call(
            "PATCH", "/user", token=access, json={"email": "ann@example.com", "password": "correct horse"}
        )
        assert changed.json() == user
        token = token_of(api, api.mails("ann@example.com")[0])
        upgraded = verify(api, "email_change", token).json()["user"]
        del user["is_anonymous"]
        assert upgraded == {**user, "email": "ann@example.com", "email_verified": True}
        assert api.sign_in("ann@example.com").id == user["id"]

    def test_it_goes_without_address(self, api):
        answer = api.call("POST", "/signup", json={"anonymous": True, "email": "ann@example.com"})
        problem = "goes without email and password"
        api.refused(answer, 400, "validation_error", f"anonymous {problem}", fields={"anonymous": [problem]})


def test_anonymous_users_are_off_by_default(api):
    answer = api.call("POST", "/signup", json={"anonymous": True})
    api.refused(answer, 403, "anonymous_disabled", "Anonymous users are switched off on this server.")
    assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["0"]]


def test_the_export_holds_everything_the_account_owns_and_no_secret(api, ann, bob):
    org = ann.make_org("acme")
    ann.patch("/user", {"metadata": {"plan": "x"}})
    api.do_mail_work()
    answer = ann.get("/user/export")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="account.json"'
    document = answer.json()
    assert document["user"]["email"] == "ann@example.com"
    assert document["user"]["metadata"] == {"plan": "x"}
    [membership] = document["memberships"]
    assert (membership["org_id"], membership["org_slug"], membership["role"]) == (org["id"], "acme", "owner")
    [session] = document["sessions"]
    assert (session["ip"], session["amr"]) == ("127.0.0.1", ["pwd"])
    assert [mail["template"] for mail in document["mail_outbox"]] == ["verification"]
    events = [event["event_type"] for event in document["audit_events"]]
    assert events[0] == "user.signup"
    assert events[-1] == "user.exported"
    assert "bob@example.com" not in answer.text
    for secret in api.sql(
        "SELECT password_hash FROM _reactor_auth.users UNION ALL SELECT variables_sealed FROM _reactor_auth.mail_outbox"
    ):
        assert secret[0] not in answer.text
    assert api.call("GET", "/user/export").status_code == 401


def test_the_export_leaves_out_every_column_that_proves_or_opens_something():
    from uuid import uuid4

    from reactor_auth.queries import export
    from reactor_auth.tables import metadata

    statements = {"user": export.user(uuid4()), **export.owned(uuid4())}
    shown = {column.name for statement in statements.values() for column in statement.selected_columns}
    secrets = {column.name for table in metadata.tables.values() for column in table.c if export.is_secret(column.name)}
    assert {"password_hash", "token_hash", "variables_sealed", "successor_sealed", "code_mac"} <= secrets
    assert shown & secrets == set()
    # Whatever table hangs on a user is in it. Organisations and their clients only name who made them.
    hanging = {
        table.name
        for table in metadata.tables.values()
        if any(key.column.table.name == "users" for key in table.foreign_keys)
        and table.name not in ("orgs", "oauth_clients")
    }
    assert hanging - set(statements) == {"verification_tokens", "known_agents"}


def test_a_deleted_account_is_erased_after_its_grace(frozen_clock, captured_events, api, ann, bob):
    from reactor_auth.sweeping import Sweeper

    sweeper = Sweeper(api.auth())
    ann.post("/logout")
    ann = api.sign_in("ann@example.com")
    assert ann.delete("/user").status_code == 204
    [mail] = api.mails("ann@example.com", "account_deleted")
    assert "erased on 2026-01-31" in mail["text"]
    taken = api.call("POST", "/signup", json={"email": "ann@example.com", "password": "correct horse"})
    assert taken.status_code == 409
    api.sql(
        "INSERT INTO _reactor_auth.ops_audit_log (ts, actor_user_id, actor_ip, actor_user_agent, action, status, details, "
        "step_up_used) VALUES (now(), $1, '192.0.2.1', 'curl', 'operators.status', 'success', '{}', false)",
        ann.id,
    )
    frozen_clock.advance(days=29)
    sweeper.sweep(threading.Event())
    assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["2"]]

    api.sql("UPDATE _reactor_auth.users SET disabled_at = NULL WHERE email = 'ann@example.com'")
    frozen_clock.advance(days=2)
    sweeper.sweep(threading.Event())
    assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["2"]], "a restored account stays"

    api.sql("UPDATE _reactor_auth.users SET disabled_at = now() WHERE email = 'ann@example.com'")
    sweeper.sweep(threading.Event())
    assert api.sql("SELECT count(*) FROM _reactor_auth.users") == [["2"]], "as does one an operator disables"

    api.sql("UPDATE _reactor_auth.users SET disabled_at = deleted_at WHERE email = 'ann@example.com'")
    sweeper.sweep(threading.Event())
    assert api.sql("SELECT email FROM _reactor_auth.users") == [["bob@example.com"]]
    assert api.sql("SELECT count(*) FROM _reactor_auth.mail_outbox WHERE recipient = 'ann@example.com'") == [["0"]]
    left = api.sql(
        "SELECT DISTINCT ip, user_agent, details::text FROM _reactor_auth.audit_events WHERE actor_user_id = $1", ann.id
    )
    assert left == [[None, None, "{}"]]
    operations = api.sql(
        "SELECT actor_user_id::text, actor_ip::text, actor_user_agent FROM _reactor_auth.ops_audit_log"
    )
    assert operations == [[ann.id, None, None]]
    assert audit(api, ann.id)[-1] == "user.erased"
    assert [event.user_id for event in captured_events.of("auth.user.erased")] == [ann.id]
    assert bob.user["email"] == "bob@example.com"
    api.sign_up("ann@example.com")
