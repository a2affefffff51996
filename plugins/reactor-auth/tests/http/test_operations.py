"""Boot, probes, health, the document, the client contract, the sweep."""

from __future__ import annotations

import threading

import pytest

from reactor_auth.plugin import AuthPlugin
from reactor_kernel.api import AuthClient, BootError, Forbidden, InvalidCredential, NotFound


def fault_lines(kernel_factory, section):
    with pytest.raises(BootError) as stopped:
        kernel_factory(AuthPlugin, config={"auth": section})
    assert stopped.value.exit_code == 2
    return [(fault.subject, fault.message) for fault in stopped.value.faults]


def test_every_problem_of_the_section_is_told_at_once(kernel_factory):
    section = {
        "data_key": "c2hvcnQ=",
        "public_url": "example.com",
        "jwt_issuer": "",
        "access_ttl_secs": 7200,
        "refresh_ttl_secs": 3600,
        "require_verified_email": True,
    }
    assert fault_lines(kernel_factory, section) == [
        ("auth.data_key", "must be base64 of exactly 32 bytes, not 5; make one with: openssl rand -base64 32"),
        ("auth.public_url", "must be an absolute URL such as https://api.example.com"),
        ("auth.jwt_issuer", "must not be empty"),
        ("auth.access_ttl_secs", "must not be longer than refresh_ttl_secs"),
        (
            "auth.require_verified_email",
            "needs mail: nobody could sign in; configure [auth.smtp]",
        ),
    ]


def test_where_browsers_are_sent_is_checked(kernel_factory, auth_config):
    auth_config["site_url"] = "app.example.com"
    auth_config["redirect_allow_list"] = ["https://app.example.com/x", "https://a.example/?x=1", "/x"]
    auth_config["pages"] = {"name": " ", "logo_url": "javascript:x", "css_url": "/style.css"}
    address = "must be an absolute URL such as https://cdn.example.com/file"
    assert fault_lines(kernel_factory, auth_config) == [
        ("auth.pages.name", "must be 1 to 100 printable characters"),
        ("auth.pages.logo_url", address),
        ("auth.pages.css_url", address),
    ]
    auth_config["pages"] = {}
    assert fault_lines(kernel_factory, auth_config) == [
        ("auth.site_url", "must be an absolute URL such as https://api.example.com"),
        ("auth.redirect_allow_list[1]", "must have no query and no fragment"),
        (
            "auth.redirect_allow_list[2]",
            "must be an absolute URL without user name and dot segments, such as https://app.example.com/signed-in",
        ),
    ]


def test_required_keys_are_named(kernel_factory):
    subjects = [subject for subject, _ in fault_lines(kernel_factory, {})]
    assert subjects == ["auth.data_key", "auth.public_url"]


BAD_URLS = [
    "",
    "localhost:8000",
    "ftp://a.example",
    "http://",
    "http://a.example:99999",
    "https://a.example/?x=1",
]


def test_a_bad_public_url_is_refused(kernel_factory, auth_config):
    for url in BAD_URLS:
        auth_config["public_url"] = url
        assert [subject for subject, _ in fault_lines(kernel_factory, auth_config)] == ["auth.public_url"]


def test_an_ill_plugin_shows_in_health(api, client):
    api.sql("UPDATE _reactor_auth.signing_keys SET rotated_at = now()")
    sick = client.get("/health")
    assert sick.status_code == 503
    assert {"name": "auth", "status": "unhealthy", "error": "no signing key is active"} in sick.json()["capabilities"]


def test_health_and_probes_look(api, kernel, client):
    assert client.get("/health").status_code == 200
    from reactor_kernel.api import Readiness

    def verdicts():
        return {owned.item.name: owned.item.check() for owned in kernel.collected.probes if owned.plugin.name == "auth"}

    [[kid]] = api.sql("SELECT kid FROM _reactor_auth.signing_keys")
    good = verdicts()
    assert good["auth tables"].status is Readiness.OK
    assert good["auth signing key"].status is Readiness.OK
    assert good["auth signing key"].message == f"signing key {kid} signs and verifies"

    api.sql("UPDATE _reactor_auth.signing_keys SET private_key_pem = 'xxxx'")
    assert verdicts()["auth signing key"].message == f"signing key {kid} cannot be decrypted: too short"
    api.sql("UPDATE _reactor_auth.signing_keys SET rotated_at = now()")
    assert verdicts()["auth signing key"].message == "no signing key is active"
    [check] = [owned.item.check for owned in kernel.collected.health if owned.plugin.name == "auth"]
    assert check() == "no signing key is active"


def test_the_document_describes_the_mounted_routes(client):
    document = client.get("/_api/openapi.json").json()
    assert set(document["paths"]["/auth/v1/orgs/{ref}/members/{user_id}"]) >= {"get", "patch", "delete"}
    described = {
        reference.split("/")[-1]
        for reference in _references({path: item for path, item in document["paths"].items() if "/auth/" in path})
    }
    assert {name for name in described if name.startswith("Auth")} <= set(document["components"]["schemas"])


def _references(value):
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "$ref":
                yield item
            else:
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


@pytest.fixture
def auth_client(kernel):
    return kernel.service(AuthClient)


def test_the_client_contract(api, kernel, auth_client, ann, bob):
    org = ann.make_org("acme")
    client: AuthClient = auth_client
    claims = client.verify_token(ann.access_token)
    assert claims.subject == f"user_{ann.id}"
    assert claims.raw["email"] == "ann@example.com"
    identity = client.resolve(ann.access_token)
    assert (identity.user_id, identity.org_id, identity.org_role) == (ann.id, org["id"], "owner")
    assert client.resolve(ann.access_token) is identity
    assert client.check(identity, ["data:x:read"]) == {"data:x:read": True}
    assert client.resolve(bob.access_token).org_id is None
    assert client.check(client.resolve(bob.access_token), ["data:x:read"]) == {"data:x:read": False}
    record = client.user(ann.id)
    assert (record.email, record.default_org_id, record.disabled_at) == ("ann@example.com", org["id"], None)
    assert client.jwks() == api.call("GET", "/keys").json()

    for token in ("x", "rk_live_abc"):
        with pytest.raises(InvalidCredential):
            client.resolve(token)
    with pytest.raises(Forbidden) as stranger:
        client.resolve(bob.access_token, "acme")
    assert stranger.value.error_code == "not_org_member"
    for missing in ("nobody", "019213f5-0000-7000-8000-000000000001"):
        with pytest.raises(NotFound) as unknown:
            client.user(missing)
        assert unknown.value.error_code == "user_not_found"


def test_what_sql_sees_of_a_caller(api, auth_client, ann):
    import json

    org = ann.make_org("acme")
    published = json.loads(auth_client.resolve(ann.access_token, "ACME").claims_json)
    assert published["sub"] == f"user_{ann.id}"
    assert published["user_id"] == ann.id
    assert published["org_id"] == org["id"]
    assert published["org_role"] == "owner"
    assert published["permissions"] == ["*"]
    assert published["token_type"] == "user"
    assert published["email"] == "ann@example.com"


def test_the_sweep_removes_what_has_expired_and_nothing_else(frozen_clock, api, kernel, ann):
    from reactor_auth.sweeping import Sweeper

    sweeper = Sweeper(kernel.enabled[0].instance._auth(kernel.context_for(kernel.enabled[0])))

    def rows():
        counts = api.sql(
            "SELECT (SELECT count(*) FROM _reactor_auth.sessions), (SELECT count(*) FROM _reactor_auth.refresh_tokens), "
            "(SELECT count(*) FROM _reactor_auth.refresh_tokens WHERE successor_sealed IS NOT NULL)"
        )
        return [int(str(count)) for count in counts[0]]

    live = api.sign_in("ann@example.com")
    successor = api.refresh(ann.refresh_token).json()["refresh_token"]
    assert rows() == [2, 3, 1]
    sweeper.sweep(threading.Event())
    assert rows() == [2, 3, 1]
    frozen_clock.advance(seconds=11)
    sweeper.sweep(threading.Event())
    assert rows() == [2, 3, 0]
    ann.post("/logout")
    sweeper.sweep(threading.Event())
    api.refused(api.refresh(successor), 401, "session_revoked", "The session has been ended.", hint="Sign in again.")
    frozen_clock.advance(hours=2)
    sweeper.sweep(threading.Event())
    assert rows() == [1, 1, 0]
    frozen_clock.advance(days=29)
    assert api.refresh(live.refresh_token).status_code == 200
    frozen_clock.advance(days=31)
    sweeper.sweep(threading.Event())
    assert rows() == [0, 0, 0]
