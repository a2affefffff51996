"""What ends with a consent, a client, or the organisation of one."""

from __future__ import annotations

import pytest


@pytest.fixture
def consented(browser, sent_back):
    """Allow an application; return the code it gets."""

    def run(app, email="ann@example.com"):
        page = browser.get("/authorize", **app.request(scope="openid offline_access"))
        if 'value="signin"' in page.text:
            page = browser.sign_in(page, email)
        page = browser.submit(page, "consent", decision="allow")
        return sent_back(page)["code"]

    return run


def ended(api):
    return api.sql(
        "SELECT actor_user_id, details->>'reason' FROM _reactor_auth.audit_events "
        "WHERE event_type = 'session.revoked' AND resource LIKE 'session:%' ORDER BY ts, id"
    )


SCOPES = ["openid", "offline_access"]
UNKNOWN = "The authorization code is unknown, used, expired, or belongs to another request."


def test_a_withdrawn_consent_takes_codes_that_wait_with_it(api, ann, register, consented):
    app = register(scopes=SCOPES)
    code = consented(app)
    assert ann.delete(f"/user/consents/{app.client_id}").status_code == 204
    answer = app.exchange(code)
    assert (answer.status_code, answer.json()["error_description"]) == (400, UNKNOWN)


def test_the_sessions_of_a_deleted_client_end_like_others(api, ann, bob, register, consented, captured_events):
    app = register(scopes=SCOPES)
    tokens = app.exchange(consented(app, "bob@example.com")).json()
    assert ann.delete(f"/oauth/clients/{app.client_id}").status_code == 204
    assert ended(api) == [[bob.id, "client_deleted"]]
    heard = [event.payload for event in captured_events.all() if event.topic == "auth.session.revoked"]
    assert [(event.user_id, event.reason) for event in heard] == [(bob.id, "client_deleted")]
    assert api.call("GET", "/userinfo", token=tokens["access_token"]).json()["error"]["code"] == "session_revoked"


@pytest.mark.parametrize("by_admin", [False, True])
def test_an_organisation_takes_the_sessions_of_its_clients_with_it(api, ann, bob, register, consented, by_admin):
    from reactor_kernel.testing.project import ADMIN_TOKEN

    app = register(scopes=SCOPES)
    # Bob is no member: the organisation's application only signs him in.
    tokens = app.exchange(consented(app, "bob@example.com")).json()
    assert api.call("GET", "/userinfo", token=tokens["access_token"]).status_code == 200
    answer = api.call("DELETE", "/_admin/orgs/acme", token=ADMIN_TOKEN) if by_admin else ann.delete("/orgs/acme")
    assert answer.status_code == 204
    assert api.call("GET", "/userinfo", token=tokens["access_token"]).json()["error"]["code"] == "session_revoked"
    assert ended(api) == [[bob.id, "client_deleted"]]
    assert [session["current"] for session in bob.get("/user/sessions").json()] == [True]


def test_an_organisation_has_a_hundred_clients_at_most(api, ann, register):
    app = register(scopes=["openid"])
    api.sql(
        "INSERT INTO _reactor_auth.oauth_clients (client_id, org_id, name, type, created_at, updated_at) "
        "SELECT 'c' || n, org_id, 'n', 'public', now(), now() FROM _reactor_auth.oauth_clients, "
        "generate_series(1, 99) n WHERE client_id = $1",
        app.client_id,
    )
    body = {"name": "One more", "redirect_uris": ["https://a.example/b"]}
    api.refused(
        ann.post("/oauth/clients", body, org="acme"),
        409,
        "too_many_oauth_clients",
        "an organisation may have no more than 100 OAuth clients",
        hint="Delete one that is not in use: DELETE /auth/v1/oauth/clients/{client_id}.",
    )


def test_trust_in_a_client_ends_where_it_reaches_further(api, ann, register, page_of, browser):
    from reactor_kernel.testing.project import ADMIN_TOKEN

    app = register(scopes=["openid", "data:*"], redirect_uris=["http://localhost:7777/callback", "https://a.example/b"])
    path = f"/oauth/clients/{app.client_id}"

    def change(**body):
        answer = ann.patch(path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()["first_party"]

    def trust():
        answer = api.call("PATCH", f"/_admin{path}", token=ADMIN_TOKEN, json={"first_party": True})
        assert answer.json()["first_party"] is True

    trust()
    assert change(name="Other", redirect_uris=["http://localhost:7777/callback"], scopes=["openid", "data:x:read"])
    assert not change(redirect_uris=["http://localhost:7777/callback", "https://elsewhere.example/b"])
    trust()
    assert not change(scopes=["openid", "email", "data:x:read"])
    page = browser.sign_in(browser.get("/authorize", **app.request(scope="openid")))
    assert page_of(page).form("consent")
