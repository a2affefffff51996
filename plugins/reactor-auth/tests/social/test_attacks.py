"""What must not work: forged, replayed, mixed-up and misdirected answers."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

APP = "https://app.example.com"
STATE = "This sign-in was not begun in this browser, was used already, or took longer than ten minutes."
HINT = "Begin again: GET /auth/v1/authorize?provider=<name>&redirect_to=<url>."


def refused_state(api, answer):
    api.refused(answer, 400, "invalid_state", STATE, hint=HINT)


def parameter(path, name):
    return parse_qs(urlsplit(path).query)[name][0]


def nobody(api):
    return api.sql("SELECT count(*) FROM _reactor_auth.users") == [["0"]]


def test_a_state_is_good_for_one_answer(api, browser):
    path = browser.approve(browser.begin())
    cookies = list(browser.client.cookies.jar)
    assert browser.arrive(path).token
    refused_state(api, browser.client.get(path))
    # Even a browser that kept its cookie comes too late.
    browser.client.cookies.jar.set_cookie(cookies[0])
    refused_state(api, browser.client.get(path))


def test_the_cookie_is_this_browsers_and_only_for_the_callback(browser):
    answer = browser.client.get("/auth/v1/authorize", params={"provider": "acme"})
    cookie = answer.headers["Set-Cookie"]
    name, _, attributes = cookie.partition("=")
    assert name.startswith("reactor_oauth_")
    assert {part.strip() for part in attributes.split(";")[1:]} == {
        "HttpOnly",
        "Max-Age=600",
        "Path=/auth/v1/callback",
        "SameSite=Lax",
    }


def test_under_https_the_cookie_is_secure(kernel_factory, reactor_config, reactor_database_url):
    from reactor_auth.plugin import AuthPlugin

    config = {"auth": {**reactor_config["auth"], "public_url": "https://api.example.com/base"}}
    kernel = kernel_factory(AuthPlugin, config=config, database_url=reactor_database_url)
    transport = httpx.WSGITransport(app=kernel.app, remote_addr="127.0.0.1")
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        cookie = client.get("/auth/v1/authorize", params={"provider": "acme"}).headers["Set-Cookie"]
    assert cookie.startswith("__Secure-reactor_oauth_")
    assert "; Secure" in cookie
    assert "Path=/base/auth/v1/callback" in cookie


def test_the_state_of_another_browser_is_refused_and_burnt(api, browser, new_browser):
    """Login CSRF: the attacker's answer in the victim's browser would sign the victim in as the attacker."""
    attacker = new_browser()
    path = attacker.approve(attacker.begin())
    browser.begin()
    refused_state(api, browser.client.get(path))
    refused_state(api, attacker.client.get(path))
    assert nobody(api)


def test_states_that_are_none(api, browser):
    for path in ("", "?state=", "?code=x", "?state=unknown&code=x", f"?state={'x' * 5000}&code=x", "?state=%00&code=x"):
        refused_state(api, browser.client.get(f"/auth/v1/callback{path}"))
    answer = browser.client.get("/auth/v1/callback?state=a&state=b")
    api.refused(answer, 400, "validation_error", "state must be given once", fields={"state": ["must be given once"]})


def test_a_state_is_too_old_after_ten_minutes(api, frozen_clock, browser):
    path = browser.approve(browser.begin())
    frozen_clock.advance(seconds=600)
    refused_state(api, browser.client.get(path))


def test_an_answer_on_another_providers_path_is_refused(api, browser):
    path = browser.approve(browser.begin("acme"))
    refused_state(api, browser.client.get(path.replace("/callback/acme", "/callback/github")))
    assert nobody(api)


def test_the_path_without_a_provider_works_too(browser):
    path = browser.approve(browser.begin("acme"))
    # The provider still got the full path as redirect_uri; a proxy may have cut it.
    assert browser.arrive(path.replace("/callback/acme", "/callback")).token


@pytest.mark.parametrize("issuer", ["https://evil.example.com", None])
def test_a_mixed_up_answer_is_refused(api, browser, acme, issuer):
    """RFC 9207: this provider names itself in every answer, so another name or none is somebody else's."""
    acme.knobs.answer_iss = issuer
    assert browser.sign_in().error == ("provider_error", "the answer does not come from Acme")
    assert acme.seen["/token"] == 0
    assert nobody(api)


def test_a_code_injected_into_another_sign_in_is_worth_nothing(api, browser, new_browser, acme):
    """A stolen code of the victim in the attacker's own sign-in: the verifier does not fit."""
    stolen = parameter(new_browser().approve(browser.begin()), "code")
    attacker = new_browser()
    path = attacker.approve(attacker.begin())
    landing = attacker.arrive(path.replace(parameter(path, "code"), stolen))
    assert landing.error == ("provider_error", "Acme refused the code: invalid_grant")
    assert nobody(api)


FORGERIES = {
    "another nonce": ({"nonce": "x" * 32}, "the ID token of Acme belongs to another sign-in"),
    "no nonce": ({"drop_nonce": True}, "the ID token of Acme belongs to another sign-in"),
    "another audience": ({"aud": "another-client"}, "the ID token of Acme is not valid: invalid_claim"),
    "several audiences": (
        {"aud": ["reactor-at-acme", "another-client"]},
        "the ID token of Acme has several audiences and names no authorized party",
    ),
    "another party": ({"azp": "another-client"}, "the ID token of Acme was issued to another client"),
    "another issuer": ({"iss": "https://evil.example.com"}, "the ID token of Acme is not valid: invalid_claim"),
    "expired": ({"exp": -60}, "the ID token of Acme is not valid: expired_token"),
    "another key": ({"forged": True}, "the ID token of Acme is not valid: bad_signature"),
    "no token": ({"id_token": "eyJhbGciOiJub25lIn0.e30."}, None),
    "no JWT": ({"id_token": "a.b"}, None),
    "too long": ({"id_token": "a" * 70000}, "the ID token of Acme is too long"),
    "no bearer": ({"token_type": "mac"}, "Acme issued no bearer token"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_answers_sign_nobody_in(api, browser, acme, forgery):
    knobs, message = FORGERIES[forgery]
    for name, value in knobs.items():
        setattr(acme.knobs, name, value)
    code, said = browser.sign_in().error
    assert code == "provider_error"
    assert said.startswith("the ID token of Acme is not valid") if message is None else said == message
    assert nobody(api)


def test_a_token_signed_with_the_client_secret_is_refused(api, browser, acme):
    from joserfc import jwt
    from joserfc.jwk import OctKey

    claims = {"iss": acme.url, "aud": "reactor-at-acme", "sub": "x", "exp": 4102444800, "iat": 1}
    secret = OctKey.import_key("acme secret, with a : and a %")
    acme.knobs.id_token = jwt.encode({"alg": "HS256"}, claims, secret, algorithms=["HS256"])
    assert browser.sign_in().error[0] == "provider_error"
    assert nobody(api)


ELSEWHERE = [
    "https://evil.example.com/",
    "https://app.example.com.evil.com/welcome",
    "https://app.example.com@evil.com/welcome",
    "https://app.example.com/welcome/../other",
    "https://app.example.com/welcome/%2e%2e/other",
    "https://app.example.com/welcomed",
    "http://app.example.com/welcome",
    "https://app.example.com:8443/welcome",
    "https://app.example.com\\@evil.com/welcome",
    "https://app.example.com/welcome\t",
    "https://app.example.com/welcome#fragment",
    "//app.example.com/welcome",
    "/welcome",
    "javascript:alert(1)",
    "https:app.example.com/welcome",
]


def test_browsers_are_sent_to_allowed_places_only(api, browser):
    problem = "is not an allowed place; see [auth] site_url and redirect_allow_list"
    for place in ELSEWHERE:
        answer = browser.client.get("/auth/v1/authorize", params={"provider": "acme", "redirect_to": place})
        api.refused(answer, 400, "validation_error", f"redirect_to {problem}", fields={"redirect_to": [problem]})
    assert api.sql("SELECT count(*) FROM _reactor_auth.oauth_states") == [["0"]]


def test_a_place_with_a_query_keeps_it(browser, acme):
    place = f"{APP}/welcome/back?tab=1"
    assert browser.sign_in(redirect_to=place).url.startswith(f"{place}#access_token=")
    acme.knobs.error = "access_denied"
    assert browser.sign_in(redirect_to=place).url == (
        f"{place}&error=access_denied&error_description=Acme+refused%3A+access_denied"
    )


def test_what_a_provider_says_in_an_error_is_not_passed_on(browser, acme):
    acme.knobs.error = "<script>alert(1)</script>"
    assert browser.sign_in().error == ("provider_error", "Acme refused: unknown_error")
    acme.knobs.error = "server_error"
    assert browser.sign_in().error == ("provider_error", "Acme refused: server_error")


def test_unknown_and_dormant_providers(api, browser):
    hint = "GET /auth/v1/providers lists the providers; more are configured under [auth.social.<name>]."
    for name in ("nobody", "dormant", "../acme"):
        answer = browser.client.get("/auth/v1/authorize", params={"provider": name})
        api.refused(answer, 404, "provider_not_found", "There is no such sign-in provider.", hint=hint)
    # Without a provider it is the page of Reactor's own clients.
    answer = browser.client.get("/auth/v1/authorize")
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (400, "text/html")
    twice = browser.client.get("/auth/v1/authorize?provider=acme&provider=github")
    api.refused(
        twice, 400, "validation_error", "provider must be given once", fields={"provider": ["must be given once"]}
    )


def test_nothing_of_a_sign_in_is_logged(browser, caplog, acme):
    caplog.set_level("DEBUG", logger="reactor_auth")
    caplog.set_level("DEBUG", logger="reactor_kernel")
    path = browser.approve(browser.begin())
    landing = browser.arrive(path)
    acme.knobs.forged = True
    browser.sign_in()
    own = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("reactor"))
    for secret in (parameter(path, "code"), parameter(path, "state"), landing.token, "acme secret"):
        assert secret not in own
