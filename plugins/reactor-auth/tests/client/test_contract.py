"""`contracts.AuthClient`: every promise, kept by the client in process and by the one over HTTP alike."""

from __future__ import annotations

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
    assert (auth.identity_of(bob.id).org_id, auth.identity_of(bob.id).permissions) == (None, frozenset())
    assert refusal(lambda: auth.identity_of(bob.id, OrgRef("acme")), Forbidden) == "not_org_member"
    assert refusal(lambda: auth.identity_of(bob.id, OrgRef("nowhere")), NotFound) == "org_not_found"
    for nobody in (org["id"], "nobody"):
        assert refusal(lambda nobody=nobody: auth.identity_of(nobody), NotFound) == "user_not_found"
    bob.delete("/user")
    assert refusal(lambda: auth.identity_of(bob.id), Forbidden) == "user_disabled"
