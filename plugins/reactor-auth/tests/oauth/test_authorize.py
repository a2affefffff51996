"""`/authorize` for the built-in clients (contract auth.md §3.4)."""

from __future__ import annotations


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
