"""Mail where no `[auth.smtp]` is configured."""

from __future__ import annotations

import logging

import pytest

from reactor_kernel.testing.project import ADMIN_TOKEN

LINK = "http://127.0.0.1:8000/auth/v1/verify?token=s3cr3t-t0k3n"


@pytest.fixture
def auth_config(auth_config):
    del auth_config["smtp"]
    return auth_config


def queue(api):
    with api.kernel.database.begin() as tx:
        api.auth().mailer.queue(tx, "verification", "ann@example.com", {"verify_link": LINK, "expires_hours": 24})


def outbox(api, query=""):
    return api.call("GET", f"/_admin/outbox{query}", token=ADMIN_TOKEN)


def test_in_development_it_is_logged_and_stays_readable(api, caplog):
    caplog.set_level(logging.INFO, "reactor_auth")
    queue(api)
    api.do_mail_work()
    assert "this mail to ann@example.com stays here: Confirm your e-mail address for Reactor\n" in caplog.text
    assert LINK in caplog.text
    [mail] = outbox(api).json()["mails"]
    assert (mail["template"], mail["to"], mail["state"]) == ("verification", "ann@example.com", "logged")
    assert mail["subject"] == "Confirm your e-mail address for Reactor"
    assert LINK in mail["text"]
    assert LINK in mail["html"]
    assert outbox(api, "?to=bob@example.com").json() == {"mails": []}


def test_only_an_operator_sees_the_outbox(api, ann):
    assert api.call("GET", "/_admin/outbox").status_code == 401
    assert api.call("GET", "/_admin/outbox", token=ann.access_token).status_code in (401, 403)
    api.refused(
        outbox(api, "?limit=0"),
        400,
        "validation_error",
        "limit must be a whole number from 1 to 500",
        fields={"limit": ["must be a whole number from 1 to 500"]},
    )


class TestInProduction:
    @pytest.fixture
    def reactor_config(self, auth_config):
        return {"auth": auth_config, "project": {"env": "production"}}

    def test_the_log_never_shows_a_token_and_nothing_is_kept(self, api, caplog):
        caplog.set_level(logging.DEBUG)
        queue(api)
        assert "text" not in outbox(api).json()["mails"][0]
        api.do_mail_work()
        assert "no [auth.smtp], so the mail verification to ann@example.com was not sent" in caplog.text
        assert "s3cr3t" not in caplog.text
        [mail] = outbox(api).json()["mails"]
        assert mail["state"] == "logged"
        assert "text" not in mail
        assert api.sql("SELECT variables_sealed FROM _reactor_auth.mail_outbox") == [[None]]
