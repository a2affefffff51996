"""`contracts.AuthClient`: every promise, kept by the client in process and by the one over HTTP alike."""

from __future__ import annotations

import re

import httpx
import pytest

from reactor_kernel.api import Forbidden, IdentityKind, InvalidCredential, NotFound, OrgRef, ValidationError


def refusal(call, kind):
    with pytest.raises(kind) as caught:
        call()
    return caught.value.error_code


def test_it_says_who_in_which_organisation_with_which_permissions(auth, api, ann, bob):
    org = ann.make_org("acme")
    identity = auth.resolve(ann.access_token)
    assert (identity.kind, identity.subject, identity.user_id) == (IdentityKind.USER, f"user_{ann.id}", ann.id)
    assert (identity.org_id, identity.org_role, identity.permissions) == (org["id"], "owner", frozenset({"*"}))
    assert identity.claims["email"] == "ann@example.com"
    assert identity.session_id == identity.claims["session_id"]
    assert auth.resolve(ann.access_token, OrgRef("ACME")) == identity
    assert auth.resolve(ann.access_token, OrgRef(org["id"])) == identity
    nowhere = auth.resolve(bob.access_token)
    assert (nowhere.org_id, nowhere.org_role, nowhere.permissions) == (None, None, frozenset())
    assert auth.check(identity, ["data:a:read", "jobs:create"]) == {"data:a:read": True, "jobs:create": True}
    assert auth.check(nowhere, ["data:a:read"]) == {"data:a:read": False}
    assert refusal(lambda: auth.resolve(bob.access_token, OrgRef("acme")), Forbidden) == "not_org_member"
    assert refusal(lambda: auth.resolve(bob.access_token, OrgRef("nowhere")), NotFound) == "org_not_found"


def test_claims_are_those_of_the_token(auth, ann):
    claims = auth.verify_token(ann.access_token)
    assert claims.subject == f"user_{ann.id}"
    assert claims.raw["amr"] == ["pwd"]
    assert claims.expires_at == claims.raw["exp"]
    assert auth.verify_token(ann.access_token) == claims


BAD = ["", "x", "a.b.c", "rk_live_unknown", "ü", "x" * 10_000]


def test_bad_credentials(auth, ann):
    header, payload, signature = ann.access_token.split(".")
    for token in (*BAD, f"{header}.{payload}.{signature[:-4]}AAAA", f"{header}.{payload}."):
        if token:
            assert refusal(lambda token=token: auth.resolve(token), InvalidCredential) == "invalid_token"
        assert refusal(lambda token=token: auth.verify_token(token), InvalidCredential) == "invalid_token"


def test_api_keys_and_delegated_tokens(auth, ann):
    ann.make_org("acme")
    made = ann.post("/api-keys", {"name": "robot", "scopes": ["data:*:read"]}, org="acme").json()
    key = auth.resolve(made["key"])
    assert (key.kind, key.user_id, key.api_key_id) == (IdentityKind.API_KEY, ann.id, made["id"])
    assert (key.org_id, key.permissions) == (made["org_id"], frozenset({"data:*:read"}))
    token = ann.post("/tokens/delegate", {"scopes": ["data:a:read"]}, org="acme").json()["access_token"]
    delegated = auth.resolve(token)
    assert (delegated.kind, delegated.org_id) == (IdentityKind.DELEGATED, made["org_id"])
    assert (delegated.permissions, delegated.scopes) == (frozenset({"data:a:read"}), frozenset())


def test_services_name_themselves(auth, ann):
    org = ann.make_org("acme")
    token = auth.mint_service_identity(OrgRef("ACME"), "functions", ["data:*:read"])
    service = auth.resolve(token)
    assert (service.kind, service.subject) == (IdentityKind.SERVICE, "service:functions")
    assert (service.org_id, service.permissions, service.scopes) == (org["id"], {"data:*:read"}, frozenset())
    assert refusal(lambda: auth.mint_service_identity(OrgRef("nowhere"), "jobs", ["a:b"]), NotFound) == "org_not_found"
    for caller, scopes in (("No Name", ["a:b"]), ("jobs", []), ("jobs", ["not a scope"])):
        asked = lambda caller=caller, scopes=scopes: auth.mint_service_identity(OrgRef("acme"), caller, scopes)  # noqa: E731
        assert refusal(asked, ValidationError) == "validation_error"


def test_an_ended_session_and_a_disabled_user(auth, api, ann, bob):
    ann.post("/logout")
    assert refusal(lambda: auth.resolve(ann.access_token), InvalidCredential) == "session_revoked"
    bob.delete("/user")
    assert refusal(lambda: auth.resolve(bob.access_token), Forbidden) == "user_disabled"


def test_users(auth, api, ann):
    found = auth.user(ann.id)
    assert (found.id, found.email, found.email_verified) == (ann.id, "ann@example.com", False)
    assert (found.metadata, found.default_org_id, found.disabled_at) == ({}, None, None)
    assert found.created_at.isoformat() == ann.user["created_at"]
    ann.delete("/user")
    assert auth.user(ann.id).disabled_at is not None
    for unknown in ("019213f5-0000-7000-8000-000000000001", "nonsense", "..", "a/b", ""):
        assert refusal(lambda unknown=unknown: auth.user(unknown), NotFound) == "user_not_found"


def test_the_key_set(auth, api):
    assert auth.jwks() == api.call("GET", "/keys").json()


def test_who_a_user_would_be_without_a_session(auth, ann, bob):
    org = ann.make_org("acme")
    real, described = auth.resolve(ann.access_token), auth.identity_of(ann.id)
    for name in ("kind", "subject", "db_role", "user_id", "org_id", "org_role", "permissions"):
        assert getattr(described, name) == getattr(real, name), name
    assert (described.session_id, described.claims) == (
        None,
        {"amr": [], "email": "ann@example.com", "orgs": [org["id"]], "default_org": org["id"]},
    )
    assert auth.identity_of(ann.id, OrgRef("ACME")) == described
    assert auth.identity_of(f"user_{ann.id}") == described
    assert (auth.identity_of(bob.id).org_id, auth.identity_of(bob.id).permissions) == (None, frozenset())
    assert refusal(lambda: auth.identity_of(bob.id, OrgRef("acme")), Forbidden) == "not_org_member"
    assert refusal(lambda: auth.identity_of(bob.id, OrgRef("nowhere")), NotFound) == "org_not_found"
    for nobody in (org["id"], "nobody"):
        assert refusal(lambda nobody=nobody: auth.identity_of(nobody), NotFound) == "user_not_found"
    bob.delete("/user")
    assert refusal(lambda: auth.identity_of(bob.id), Forbidden) == "user_disabled"


CALLBACK = "http://localhost:7777/callback"


def token_of_application(api, owner, scopes):
    """Register a client, sign the owner in to it in a browser, and return the access token it gets."""
    wanted = ["authorization_code", "client_credentials"]
    body = {"name": "Notes", "redirect_uris": [CALLBACK], "scopes": scopes, "grants": wanted}
    made = owner.post("/oauth/clients", body).json()
    client = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
    # The S256 challenge of the verifier in RFC 7636, appendix B.
    verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    page = api.call(
        "GET",
        "/authorize",
        params={
            "client_id": client["client_id"],
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "code_challenge": challenge,
            "scope": " ".join(scopes),
        },
    )
    for step in (
        {"step": "signin", "email": "ann@example.com", "password": "correct horse"},
        {"step": "consent", "decision": "allow"},
    ):
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
        page = api.call("POST", "/authorize", data={**fields, **step})
    sent = {"grant_type": "authorization_code", "code": httpx.URL(page.headers["Location"]).params["code"]}
    answer = api.call("POST", "/token", data={**sent, **client, "code_verifier": verifier, "redirect_uri": CALLBACK})
    assert answer.status_code == 200, answer.text
    own = api.call("POST", "/token", data={**client, "grant_type": "client_credentials"})
    return answer.json()["access_token"], own.json()["access_token"]


def test_an_applications_token_is_good_for_what_its_scopes_name(auth, api, ann):
    org = ann.make_org("acme")
    for token in token_of_application(api, ann, ["openid", "data:notes:read", "jobs:*"]):

        def denied(token=token, **asked):
            with pytest.raises(Forbidden) as caught:
                auth.resolve(token, **asked)
            return caught.value.error_code, caught.value.message

        reading = auth.resolve(token, capability="data", writes=False)
        assert (reading.kind, reading.org_id) == (IdentityKind.DELEGATED, org["id"])
        assert auth.resolve(token, OrgRef("acme"), capability="jobs") == reading
        assert auth.resolve(token) == reading
        no_scope = "the access token has no scope that lets its application"
        assert denied(capability="data") == ("permission_denied", f"{no_scope} write to data")
        assert denied(capability="storage", writes=False) == ("permission_denied", f"{no_scope} read from storage")
    # Whoever is no application is asked nothing of the kind.
    assert auth.resolve(ann.access_token, capability="storage") == auth.resolve(ann.access_token)
