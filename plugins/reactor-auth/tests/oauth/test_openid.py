"""OpenID Connect with Authlib as a stock client that knows nothing but the discovery document."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.jwk import KeySet

ISSUER = "https://id.example.com/auth/v1"
RETURN = "https://app.example.com/bye"


@pytest.fixture
def strict(auth_config, frozen_clock):
    """A server whose issuer is its own address, as strict OpenID wants it, at a time that Authlib takes for now."""
    frozen_clock.set(datetime.fromtimestamp(int(time.time()), UTC))
    auth_config["public_url"] = "https://id.example.com"
    auth_config["jwt_issuer"] = "{public_url}/auth/v1"


def claims_of(id_token, keys, **wanted):
    opened = jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=["RS256"])
    claims = CodeIDToken(opened.claims, opened.header, {"iss": {"value": ISSUER}}, wanted)
    claims.validate(leeway=0)
    return claims


def test_a_stock_client_signs_in_from_discovery_alone(
    strict, frozen_clock, api, kernel, ann, browser, register, sent_back
):
    app = register(scopes=["openid", "profile", "email"], post_logout_redirect_uris=[RETURN])
    ann.patch("/user", {"metadata": {"name": "Ann", "avatar_url": "https://example.com/a.png"}})
    browser.http.base_url = "https://id.example.com"
    [probe] = [owned.item for owned in kernel.collected.probes if owned.item.name == "auth issuer"]
    assert probe.check().status.value == "ok"
    found = browser.http.get(f"{ISSUER}/.well-known/openid-configuration").json()
    assert found["issuer"] == ISSUER
    metadata = OpenIDProviderMetadata(found)
    metadata.validate()
    assert browser.http.get("/.well-known/oauth-authorization-server/auth/v1").json() == found
    for name in found:
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert found[name].startswith(f"{ISSUER}/")

    client = OAuth2Client(
        app.client_id,
        app.secret,
        scope="openid profile email",
        redirect_uri=app.redirect_uri,
        code_challenge_method="S256",
        transport=browser.http._transport,
    )
    url, state = client.create_authorization_url(
        found["authorization_endpoint"], code_verifier=app.verifier, nonce="n-0S6"
    )
    assert create_s256_code_challenge(app.verifier) in url
    page = browser.http.get(url)
    assert page.headers["Set-Cookie"].startswith("__Host-reactor_form=")
    assert "Secure" in page.headers["Set-Cookie"]
    page = browser.sign_in(page)
    answer = browser.submit(page, "consent", decision="allow")
    assert sent_back(answer)["iss"] == ISSUER
    token = client.fetch_token(
        found["token_endpoint"],
        authorization_response=answer.headers["Location"],
        state=state,
        code_verifier=app.verifier,
    )
    keys = browser.http.get(found["jwks_uri"]).json()
    claims = claims_of(
        token["id_token"],
        keys,
        nonce="n-0S6",
        client_id=app.client_id,
        access_token=token["access_token"],
        max_age=60,
    )
    assert claims["aud"] == app.client_id
    assert (claims["amr"], claims["acr"]) == (["pwd"], "urn:reactor:acr:1fa")
    assert claims["auth_time"] == int(frozen_clock.now().timestamp())
    userinfo = client.get(found["userinfo_endpoint"]).json()
    assert userinfo["sub"] == claims["sub"] == f"user_{ann.id}"
    assert userinfo["name"] == "Ann"
    assert userinfo["picture"] == "https://example.com/a.png"
    assert userinfo["email"] == "ann@example.com"
    told = client.introspect_token(found["introspection_endpoint"], token=token["access_token"])
    assert told.json()["active"] is True

    # Signed in here already, a second application is served without a password.
    second = register(type="public", scopes=["openid"])
    page = browser.http.get(found["authorization_endpoint"], params=second.request())
    other = second.exchange(sent_back(browser.submit(page, "consent", decision="allow"))["code"]).json()
    assert claims_of(other["id_token"], keys, client_id=second.client_id)["sub"] == claims["sub"]
    assert "email" not in claims_of(other["id_token"], keys, client_id=second.client_id)

    # RP-initiated logout: back to where the application registered, and nowhere else.
    hint = {"id_token_hint": token["id_token"], "state": "bye"}
    away = browser.http.get(
        found["end_session_endpoint"], params={**hint, "post_logout_redirect_uri": "https://evil.example/"}
    )
    assert away.status_code == 400
    frozen_clock.advance(minutes=30)
    ended = browser.http.get(found["end_session_endpoint"], params={**hint, "post_logout_redirect_uri": RETURN})
    assert ended.headers["Location"] == f"{RETURN}?state=bye"
    silent = browser.http.get(found["authorization_endpoint"], params=second.request(prompt="none"))
    assert sent_back(silent)["error"] == "login_required"
    assert client.get(found["userinfo_endpoint"]).status_code == 401
    assert api.call("GET", "/userinfo", token=other["access_token"]).status_code == 200


def test_signing_out_without_a_hint_asks_first(api, ann, browser, cli, sent_back, page_of):
    code = sent_back(browser.sign_in(browser.get("/authorize", **cli.request())))["code"]
    tokens = cli.exchange(code).json()
    page = browser.get("/logout")
    assert "You are signed in as ann@example.com" in page_of(page).text
    form = page_of(page).form("sign_out")
    forged = browser.http.post(form["action"], data={"step": "sign_out"})
    assert page_of(forged).form("sign_out")
    assert "code" in sent_back(browser.get("/authorize", **cli.request(prompt="none")))
    assert "You are signed out." in page_of(browser.submit(page, "sign_out")).text
    assert sent_back(browser.get("/authorize", **cli.request(prompt="none")))["error"] == "login_required"
    # The tokens of a client are its own; only its own logout ends them.
    assert api.call("GET", "/user", token=tokens["access_token"]).status_code == 200
    assert browser.get("/logout", id_token_hint="x").status_code == 400
    altered = tokens["id_token"][:-8] + "AAAAAAAA"
    assert browser.get("/logout", id_token_hint=altered).status_code == 400
    # An access token is no id token.
    assert browser.get("/logout", id_token_hint=tokens["access_token"]).status_code == 400
    assert browser.get("/logout", id_token_hint=tokens["id_token"]).status_code == 200
    assert api.call("GET", "/user", token=tokens["access_token"]).status_code == 401
    assert api.call("POST", "/logout", json={"refresh_token": ann.refresh_token}).status_code == 204


def test_doctor_says_where_strict_clients_will_not_start(kernel):
    [probe] = [owned.item for owned in kernel.collected.probes if owned.item.name == "auth issuer"]
    found = probe.check()
    assert found.status.value == "warn"
    assert found.message == (
        "jwt_issuer is reactor-auth, so strict OpenID clients refuse the discovery document of "
        'http://127.0.0.1:8000/auth/v1; set [auth] jwt_issuer = "{public_url}/auth/v1"'
    )


def test_the_administrator_may_spare_users_the_question(api, ann, browser, register, sent_back, kernel):
    app = register(scopes=["openid"])
    path = f"/_admin/oauth/clients/{app.client_id}"
    assert api.call("PATCH", path, json={"first_party": True}, token=ann.access_token).status_code == 401
    token = kernel.config.admin.token
    answer = api.call("PATCH", path, json={"first_party": True}, headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["first_party"] is True
    assert "code" in sent_back(browser.sign_in(browser.get("/authorize", **app.request())))
