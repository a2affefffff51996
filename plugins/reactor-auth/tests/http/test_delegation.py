"""Delegated tokens and the identities of services."""

from __future__ import annotations

import base64
import json

import pytest

from reactor_kernel.api import AuthClient, DbRole, IdentityKind, InvalidCredential, NotFound, ReactorError

NOBODY = "019213f5-0000-7000-8000-000000000001"
NOT_A_USER = (403, "permission_denied", "a delegated token may not do this; sign in as its user")


@pytest.fixture
def acme(ann):
    return ann.make_org("acme")


def delegate(person, *scopes, org=None, **body):
    answer = person.post("/tokens/delegate", {"scopes": list(scopes), **body}, org=org)
    assert answer.status_code == 200, answer.text
    return answer.json()


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_user_delegates_some_of_what_it_may(frozen_clock, kernel, api, ann, acme):
    answer = ann.post("/tokens/delegate", {"scopes": ["data:*:read", "data:*:read", "jobs:a:invoke"], "expires_in": 60})
    made = answer.json()
    token = made.pop("access_token")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert made == {
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": 60,
        "expires_at": made["expires_at"],
        "scope": "data:*:read jobs:a:invoke",
        "scopes": ["data:*:read", "jobs:a:invoke"],
        "org_id": acme["id"],
    }
    claims, now = claims_of(token), int(frozen_clock.now().timestamp())
    session_id = claims_of(ann.access_token)["session_id"]
    assert claims == {
        "sub": f"user_{ann.id}",
        "iss": "reactor-auth",
        "aud": "reactor",
        "exp": now + 60,
        "iat": now,
        "nbf": now,
        "jti": claims["jti"],
        "session_id": session_id,
        "email": "ann@example.com",
        "org_id": acme["id"],
        "scope": "data:*:read jobs:a:invoke",
        "delegated": True,
        "act": {"sub": f"session:{session_id}"},
    }
    found = kernel.service(AuthClient).resolve(token)
    assert (found.kind, found.subject, found.user_id) == (IdentityKind.DELEGATED, f"user_{ann.id}", ann.id)
    assert (found.org_id, found.org_role, found.session_id) == (acme["id"], None, session_id)
    assert (found.permissions, found.scopes) == (frozenset({"data:*:read", "jobs:a:invoke"}), frozenset())
    [details] = api.sql("SELECT details::text FROM _reactor_auth.audit_events WHERE event_type = 'token.delegated'")
    assert json.loads(details[0] or "") == {
        "scopes": ["data:*:read", "jobs:a:invoke"],
        "expires_in": 60,
        "audience": None,
    }


def test_it_is_verified_like_any_token(frozen_clock, api, ann, acme):
    token = delegate(ann, "auth:orgs:read", expires_in=60)["access_token"]
    assert api.call("GET", "/orgs/acme", token=token).json() == acme
    head, _, signature = token.split(".")
    forged = claims_of(token) | {"scope": "*"}
    payload = base64.urlsafe_b64encode(json.dumps(forged).encode()).rstrip(b"=").decode()
    answer = api.call("GET", "/orgs/acme", token=f"{head}.{payload}.{signature}")
    api.refused(answer, 401, "invalid_token", "the access token's signature does not match")
    frozen_clock.advance(seconds=91)
    assert api.call("GET", "/orgs/acme", token=token).json()["error"]["code"] == "token_expired"


def test_it_is_bound_to_its_organisation(api, ann, acme):
    zoo = ann.make_org("zoo")
    token = delegate(ann, "auth:*:read", org="zoo")["access_token"]
    named = ann.post("/tokens/delegate", {"scopes": ["auth:*:read"], "org": "zoo"}).json()
    assert named["org_id"] == zoo["id"]
    assert claims_of(token)["org_id"] == zoo["id"]
    assert api.call("GET", "/permissions/ctx", token=token).json()["org"]["slug"] == "zoo"
    assert api.call("GET", "/permissions/ctx", token=token, org="ZOO").status_code == 200
    refusal = (403, "not_org_member", "the delegated token is bound to another organisation")
    api.refused(api.call("GET", "/permissions/ctx", token=token, org="acme"), *refusal)
    stranger = (403, "not_org_member", "The caller is not a member of this organisation.")
    api.refused(api.call("GET", "/orgs/acme", token=token), *stranger)
    assert [org["slug"] for org in api.call("GET", "/orgs", token=token).json()] == ["zoo"]


def test_it_never_has_more_than_its_user(api, ann, bob, acme):
    api.join(acme, bob, "admin")
    token = delegate(bob, "data:todos:*", "functions:*", org="acme")["access_token"]

    def held():
        return api.call("GET", "/permissions", token=token).json()["permissions"]

    assert held() == ["data:todos:*", "functions:*"]
    ann.patch(f"/orgs/acme/members/{bob.id}", {"role_id": api.role_id(acme, "member")})
    assert held() == ["data:todos:read", "functions:*:invoke"]
    ann.delete(f"/orgs/acme/members/{bob.id}")
    answer = api.call("GET", "/permissions", token=token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_org_member")


def test_it_dies_with_the_session(api, ann, acme):
    token = delegate(ann, "auth:*:read")["access_token"]
    assert api.call("GET", "/orgs/acme", token=token).status_code == 200
    ann.post("/logout")
    api.refused(
        api.call("GET", "/orgs/acme", token=token),
        401,
        "session_revoked",
        "The session has been ended.",
        hint="Sign in again.",
    )


PERSONAL = [
    ("POST", "/tokens/delegate", {"scopes": ["data:*"]}),
    ("GET", "/api-keys", None),
    ("POST", "/api-keys", {"name": "more"}),
    ("POST", "/keys", {"name": "more"}),
    ("DELETE", f"/api-keys/{NOBODY}", None),
    ("POST", "/logout", None),
    ("PATCH", "/user", {"password": "battery staple"}),
    ("DELETE", "/user", None),
    ("POST", "/orgs", {"name": "New", "slug": "new"}),
    ("GET", "/invitations", None),
]


def test_even_a_whole_one_manages_neither_keys_nor_the_account(api, ann, acme):
    token = delegate(ann, "*")["access_token"]
    for method, path, body in PERSONAL:
        api.refused(api.call(method, path, token=token, json=body), *NOT_A_USER)
    assert api.call("PATCH", "/orgs/acme", token=token, json={"name": "New"}).status_code == 200
    [details] = api.sql("SELECT details::text FROM _reactor_auth.audit_events WHERE event_type = 'org.updated'")
    assert json.loads(details[0] or "") == {"changed": ["name"], "delegated": True}


def test_it_passes_for_no_platform_operator(kernel, api, ann, acme):
    """An owner holds `*` in the organisation, which is nothing on the platform."""
    token = delegate(ann, "ops:*", "ops:cluster_admin")["access_token"]
    claims = claims_of(token)
    assert "scopes" not in claims
    assert kernel.service(AuthClient).resolve(token).scopes == frozenset()


def test_one_for_another_audience_is_not_for_reactor(api, kernel, ann, acme):
    token = delegate(ann, "data:*", audience="https://api.example.com/v1")["access_token"]
    assert claims_of(token)["aud"] == "https://api.example.com/v1"
    assert claims_of(token)["act"] == {"sub": "https://api.example.com/v1"}
    answer = api.call("GET", "/permissions", token=token)
    api.refused(answer, 401, "invalid_token", "the access token is meant for another audience")


BAD = [
    ({}, "scopes", "is required"),
    ({"scopes": []}, "scopes", "must name at least one permission"),
    ({"scopes": ["a b"]}, "scopes[0]", "must be segments without spaces, joined by colons, such as data:todos:read"),
    (
        {"scopes": ["a:" + "b" * 190 + str(at) for at in range(50)]},
        "scopes",
        "must not be longer than 4096 bytes together",
    ),
    ({"scopes": ["a"], "expires_in": 0}, "expires_in", "must be a whole number from 1 to 900"),
    ({"scopes": ["a"], "expires_in": 901}, "expires_in", "must be a whole number from 1 to 900"),
    ({"scopes": ["a"], "expires_in": "1"}, "expires_in", "must be a number, not a string"),
]
BAD += [
    (
        {"scopes": ["a"], "audience": audience},
        "audience",
        "must be an absolute URL without a fragment, such as https://api.example.com",
    )
    for audience in (
        "reactor-cli",
        "",
        "https://",
        "https://x.example#y",
        "ftp://x.example",
        "http://[",
        "https://a\x00b",
    )
]


def test_bad_requests_are_refused(api, ann, bob, acme):
    for body, field, problem in BAD:
        answer = ann.post("/tokens/delegate", body)
        api.refused(answer, 400, "validation_error", f"{field} {problem}", fields={field: [problem]})
    hint = "Name one in the X-Reactor-Org header, or set default_org_id with PATCH /auth/v1/user."
    nowhere = bob.post("/tokens/delegate", {"scopes": ["data:*"]})
    api.refused(nowhere, 400, "org_required", "This request needs an organisation.", hint=hint)
    stranger = bob.post("/tokens/delegate", {"scopes": ["data:*"], "org": "acme"})
    api.refused(stranger, 403, "not_org_member", "The caller is not a member of this organisation.")
    api.join(acme, bob)
    wider = bob.post("/tokens/delegate", {"scopes": ["data:a:read", "data:*", "*"], "org": "acme"})
    api.refused(
        wider,
        403,
        "permission_denied",
        "you can delegate only what you hold, which does not cover: *, data:*",
        details={"missing": ["*", "data:*"]},
    )
    assert api.call("POST", "/tokens/delegate", json={"scopes": ["a"]}).json()["error"]["code"] == "unauthorized"


# -- token exchange ----------------------------------------------------------------------------------------------------

TOKEN = "urn:ietf:params:oauth:token-type:access_token"
EXCHANGE = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token_type": TOKEN}


@pytest.mark.parametrize("form", [True, False])
def test_an_access_token_is_exchanged_against_a_narrower_one(api, ann, acme, form):
    sent = {**EXCHANGE, "subject_token": ann.access_token, "scope": "data:*:read auth:orgs:read", "org": "acme"}
    answer = api.call("POST", "/token", **{"data" if form else "json": sent})
    made = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert (made["issued_token_type"], made["token_type"], made["expires_in"]) == (TOKEN, "Bearer", 300)
    assert made["scope"] == "auth:orgs:read data:*:read"
    held = api.call("GET", "/permissions", token=made["access_token"]).json()["permissions"]
    assert held == ["auth:orgs:read", "data:*:read"]
    # Neither it nor a key can be exchanged again.
    again = api.call("POST", "/token", json={**sent, "subject_token": made["access_token"]})
    api.refused(again, *NOT_A_USER)
    key = ann.post("/api-keys", {"name": "x"}).json()["key"]
    by_key = api.call("POST", "/token", json={**sent, "subject_token": key})
    api.refused(by_key, 403, "permission_denied", "an API key may not do this; sign in as its owner")
    forged = api.call("POST", "/token", json={**sent, "subject_token": "x"})
    assert (forged.status_code, forged.json()["error"]["code"]) == (401, "invalid_token")


BAD_EXCHANGES = [
    ({"subject_token": ""}, "subject_token", "is required"),
    ({"subject_token_type": None}, "subject_token_type", f"must be {TOKEN}"),
    ({"requested_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "requested_token_type", f"must be {TOKEN}"),
    ({"actor_token": "x"}, "actor_token", "is not supported; name who acts by audience"),
    ({"scope": None}, "scopes", "must name at least one permission"),
]


def test_bad_exchanges_are_refused(api, ann, acme):
    sent = {**EXCHANGE, "subject_token": ann.access_token, "scope": "data:*"}
    for change, field, problem in BAD_EXCHANGES:
        answer = api.call("POST", "/token", json={**sent, **change})
        api.refused(answer, 400, "validation_error", f"{field} {problem}", fields={field: [problem]})


# -- services ----------------------------------------------------------------------------------------------------------


def test_a_service_names_itself_with_organisation_and_scopes(frozen_clock, kernel, api, ann, acme):
    client = kernel.service(AuthClient)
    token = client.mint_service_identity("ACME", "functions", ["data:*:read", "storage:a:write"])
    claims, now = claims_of(token), int(frozen_clock.now().timestamp())
    assert claims == {
        "sub": "service:functions",
        "iss": "reactor-auth",
        "aud": "reactor",
        "exp": now + 300,
        "iat": now,
        "nbf": now,
        "jti": claims["jti"],
        "org_id": acme["id"],
        "scope": "data:*:read storage:a:write",
    }
    assert client.verify_token(token).subject == "service:functions"
    for org in (None, "acme", "ACME", acme["id"]):
        found = client.resolve(token, org)
        assert (found.kind, found.subject, found.db_role) == (
            IdentityKind.SERVICE,
            "service:functions",
            DbRole.AUTHENTICATED,
        )
        assert (found.user_id, found.org_id, found.org_role) == (None, acme["id"], None)
        assert found.permissions == {"data:*:read", "storage:a:write"}
    ann.make_org("zoo")
    for org in ("zoo", NOBODY):
        with pytest.raises(ReactorError) as refusal:
            client.resolve(token, org)
        assert refusal.value.error_code == "not_org_member"
    api.refused(api.call("GET", "/user", token=token), 403, "permission_denied", "only a user may do this")
    frozen_clock.advance(seconds=331)
    with pytest.raises(InvalidCredential) as late:
        client.resolve(token)
    assert late.value.error_code == "token_expired"


def test_a_services_token_ends_with_its_organisation(kernel, api, ann, acme):
    client = kernel.service(AuthClient)
    token = client.mint_service_identity("acme", "jobs", ["jobs:*"])
    assert client.resolve(token).org_id == acme["id"]
    ann.delete("/orgs/acme")
    with pytest.raises(NotFound) as refusal:
        client.resolve(token)
    assert refusal.value.error_code == "org_not_found"
    with pytest.raises(NotFound):
        client.mint_service_identity("acme", "jobs", ["jobs:*"])


@pytest.mark.parametrize(
    ("caller", "scopes", "problem"),
    [
        ("Jobs", ["a"], "caller must be lower-case letters, digits, hyphens and underscores"),
        ("", ["a"], "caller must be lower-case letters, digits, hyphens and underscores"),
        ("jobs", [], "scopes must name at least one permission"),
        ("jobs", ["a b"], "scopes[0] must be segments without spaces, joined by colons, such as data:todos:read"),
    ],
)
def test_a_service_asks_properly(kernel, ann, acme, caller, scopes, problem):
    with pytest.raises(ReactorError) as refusal:
        kernel.service(AuthClient).mint_service_identity("acme", caller, scopes)
    assert (refusal.value.error_code, refusal.value.message) == ("validation_error", problem)


def test_a_services_token_opens_internal_routes_only_to_what_it_may(
    kernel_factory, reactor_config, reactor_database_url
):
    """Another plugin's routes see it as they see any caller."""
    import httpx

    from reactor_auth.plugin import AuthPlugin
    from reactor_kernel.api import Access, Mount, OpenApiFragment, PluginInfo, hookimpl

    routes = (
        ("/other/v1/internal", Access.INTERNAL, None),
        ("/other/v1/a", Access.USER, "other:a:read"),
        ("/other/v1/b", Access.USER, "other:b:read"),
    )

    class Seen:
        def on_get(self, req, resp):
            resp.media = {"kind": req.context.identity.kind.value}

    class Other:
        info = PluginInfo(name="other", version="0", api=(1, 0), prefix="/other/v1", after=("auth",))

        @hookimpl
        def reactor_resources(self, ctx):
            for path, access, permission in routes:
                yield Mount(path, Seen(), access=access, permission=permission)

        @hookimpl
        def reactor_openapi(self, ctx):
            answers = {"get": {"responses": {"200": {"description": "Who calls"}}}}
            yield OpenApiFragment({"paths": {path: answers for path, _, _ in routes}})

    kernel = kernel_factory(
        AuthPlugin, Other, config={**reactor_config, "other": {}}, database_url=reactor_database_url
    )
    transport = httpx.WSGITransport(app=kernel.app, raise_app_exceptions=True, remote_addr="127.0.0.1")
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        signed = client.post("/auth/v1/signup", json={"email": "ann@example.com", "password": "correct horse"}).json()
        user = {"Authorization": f"Bearer {signed['session']['access_token']}"}
        client.post("/auth/v1/orgs", json={"name": "Acme", "slug": "acme"}, headers=user)
        token = kernel.service(AuthClient).mint_service_identity("acme", "jobs", ["other:a:*"])
        key = client.post("/auth/v1/api-keys", json={"name": "x", "scopes": ["other:a:*"]}, headers=user).json()["key"]

        def ask(path, credential):
            answer = client.get(f"/other/v1/{path}", headers={"Authorization": f"Bearer {credential}"})
            return answer.json()["kind"] if answer.status_code == 200 else answer.status_code

        assert [ask(path, token) for path in ("internal", "a", "b")] == ["service", "service", 403]
        assert [ask(path, key) for path in ("internal", "a", "b")] == [403, "api_key", 403]
