"""The sign-in form asks for a second factor where the account has one."""

from __future__ import annotations

import pytest


class OneCode:
    """Stands for a service that verifies second factors, each code once."""

    def __init__(self) -> None:
        self.codes = ["123456"]

    def needed(self, tx, user):
        return user.email == "ann@example.com"

    def verified(self, tx, user, code):
        if code not in self.codes:
            return None
        self.codes.remove(code)
        return "totp"


@pytest.fixture
def factors(kernel, api):
    [owned] = [plugin for plugin in kernel.enabled if plugin.name == "auth"]
    provider = owned.instance._auth(kernel.context_for(owned)).provider
    provider.__dict__["factors"] = found = OneCode()
    return found


def test_the_password_alone_gives_no_code(api, factors, ann, bob, browser, other_browser, cli, sent_back, page_of):
    page = browser.sign_in(browser.get("/authorize", **cli.request(prompt="login")))
    seen = page_of(page)
    assert seen.form("factor")["inputs"] == ["code"]
    assert 'autocomplete="one-time-code"' in page.text
    silent = sent_back(browser.get("/authorize", **cli.request(prompt="none")))
    assert silent["error"] == "interaction_required"
    # Neither going on without it nor pretending to be a step further helps.
    assert page_of(browser.get("/authorize", **cli.request())).form("factor")
    jumped = browser.http.post(
        "/auth/v1/authorize", data={**seen.form("factor")["fields"], "step": "consent", "decision": "allow"}
    )
    assert page_of(jumped).form("factor")
    device = browser.get("/device", user_code="BBBB-BBBB")
    assert page_of(device).form("factor")
    wrong = browser.submit(page, "factor", code="000000")
    assert (wrong.status_code, page_of(wrong).problem) == (401, "The code is wrong, or was used before.")
    assert api.sql("SELECT count(*) FROM _reactor_auth.authorization_codes") == [["0"]]

    code = sent_back(browser.submit(wrong, "factor", code=" 123456 "))["code"]
    tokens = cli.exchange(code)
    assert tokens.status_code == 200
    [[amr]] = api.sql("SELECT amr::text FROM _reactor_auth.oauth_sessions")
    assert amr == "{pwd,totp}"
    assert "code" in sent_back(browser.get("/authorize", **cli.request(prompt="none")))
    # Another browser has proven nothing, and the code was used.
    page = other_browser.sign_in(other_browser.get("/authorize", **cli.request()))
    assert other_browser.submit(page, "factor", code="123456").status_code == 401
    other = other_browser.submit(page, "switch")
    assert "code" in sent_back(other_browser.sign_in(other, "bob@example.com"))


def test_a_server_under_an_address_offers_no_passkeys(ann, browser, page_of):
    page = browser.get("/account")
    assert [form["fields"]["step"] for form in page_of(page).forms] == ["signin", "signup_page"]
    fields = page_of(page).form("signin")["fields"]
    unavailable = "Passkeys cannot be used on this server, because its public_url names an IP address."
    refused = browser.http.post("/auth/v1/account", data={**fields, "step": "passkey"})
    assert (refused.status_code, page_of(refused).problem) == (401, unavailable)
    account = browser.sign_in(page)
    assert "Add a passkey" not in account.text
    refused = browser.http.post("/auth/v1/account", data={**fields, "step": "new_passkey"})
    assert (refused.status_code, page_of(refused).problem) == (400, unavailable)
