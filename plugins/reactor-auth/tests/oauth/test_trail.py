"""What the forms of a browser leave in the audit log, and what ends what they gave."""

from __future__ import annotations

import pytest


@pytest.fixture
def told(api):
    """Return the events since the last call."""
    seen = 0

    def since():
        nonlocal seen
        rows = api.sql("SELECT event_type, resource FROM _reactor_auth.audit_events ORDER BY ts, id")
        fresh, seen = [row[0] for row in rows[seen:]], len(rows)
        return fresh

    return since


def test_each_step_is_recorded_once(api, ann, browser, cli, sent_back, told):
    told()
    page = browser.get("/authorize", **cli.request())
    assert told() == []
    page = browser.sign_in(page, password="wrong horse")
    assert told() == ["login.failed"]
    answer = browser.sign_in(page)
    assert told() == ["session.created", "oauth.authorized"]
    tokens = cli.exchange(sent_back(answer)["code"]).json()
    assert told() == ["session.created"]
    assert api.call("POST", "/userinfo", token=tokens["access_token"]).status_code == 200
    assert told() == []
    revoked = {"token": tokens["refresh_token"], "client_id": "reactor-cli"}
    assert api.call("POST", "/revoke", data=revoked).status_code == 200
    assert told() == ["session.revoked"]
    assert api.call("POST", "/revoke", data=revoked).status_code == 200
    assert told() == []
