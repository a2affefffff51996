"""API keys: made and revoked by their owner, accepted wherever an access token is."""

from __future__ import annotations

import pytest

NOBODY = "019213f5-0000-7000-8000-000000000001"
NOT_A_USER = (403, "permission_denied", "an API key may not do this; sign in as its owner")
STRANGER = (403, "not_org_member", "the API key belongs to another organisation")
NOT_FOUND = (404, "api_key_not_found", "There is no such API key.")


@pytest.fixture
def acme(ann):
    return ann.make_org("acme")


def make(person, org=None, **body):
    answer = person.post("/api-keys", {"name": "robot", **body}, org=org)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("path", ["/api-keys", "/keys"])
def test_an_owner_makes_lists_and_revokes_one(frozen_clock, api, ann, bob, acme, path):
    asked = {"name": " robot ", "scopes": ["data:*:read", "*:b"], "expiresAt": "2999-01-31T12:00:00Z"}
    answer = ann.post(path, asked)
    made = answer.json()
    key = made.pop("key")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert (len(key), key[:8]) == (51, "rk_live_")
    assert made == {
        "id": made["id"],
        "name": "robot",
        "prefix": key[:12],
        "key_prefix": key[:12],
        "org_id": acme["id"],
        "scopes": ["*:b", "data:*:read"],
        "created_at": frozen_clock.now().isoformat(),
        "expires_at": "2999-01-31T12:00:00+00:00",
        "last_used_at": None,
    }
    whole = make(ann, name="whole")
    assert whole.pop("key") != key
    assert whole["scopes"] == ["*"]
    assert ann.get("/api-keys").json() == {"keys": [whole, made]}
    assert bob.get("/api-keys").json() == {"keys": []}
    api.refused(bob.delete(f"{path}/{made['id']}"), *NOT_FOUND)
    answer = ann.delete(f"{path}/{made['id']}")
    assert (answer.status_code, answer.json()) == (200, {"message": "The API key is revoked."})
    api.refused(ann.delete(f"{path}/{made['id']}"), *NOT_FOUND)
    api.refused(ann.delete(f"{path}/{NOBODY}"), *NOT_FOUND)
    problem = {"key_id": ["is not a UUID"]}
    api.refused(ann.delete(f"{path}/x"), 400, "validation_error", "key_id is not a UUID", fields=problem)
    assert ann.get("/api-keys").json() == {"keys": [whole]}
    assert "keys" in api.call("GET", "/keys").json()
    stored = api.sql("SELECT row_to_json(k)::text FROM _reactor_auth.api_keys k")
    assert not any(key[12:] in (cell or "") for row in stored for cell in row)


@pytest.mark.parametrize("header", ["Authorization", "X-Reactor-Api-Key"])
def test_it_is_accepted_with_its_own_organisation_and_scopes(api, ann, acme, header):
    ann.make_org("zoo")
    key = make(ann, scopes=["data:*:read", "auth:orgs:read"])["key"]
    sent = {header: f"bearer {key}" if header == "Authorization" else key}
    wanted = {"permissions": ["data:a:read", "data:a:write", "*"]}
    assert api.call("POST", "/permissions/check", json=wanted, headers=sent).json() == {
        "allowed": False,
        "missing": ["data:a:write", "*"],
    }
    assert api.call("GET", "/permissions", headers=sent).json()["permissions"] == ["auth:orgs:read", "data:*:read"]
    assert api.call("GET", "/permissions/ctx", headers=sent, org="ACME").json()["org"]["id"] == acme["id"]
    for answer in (
        api.call("GET", "/permissions", headers=sent, org="zoo"),
        api.call("GET", "/permissions", headers=sent, org="nope"),
        api.call("GET", "/permissions/ctx", headers=sent, org=NOBODY),
    ):
        api.refused(answer, *STRANGER)
    stranger = (403, "not_org_member", "The caller is not a member of this organisation.")
    api.refused(api.call("GET", "/permissions?org=zoo", headers=sent), *stranger)
    api.refused(api.call("GET", "/orgs/zoo", headers=sent), *stranger)
    assert api.call("GET", "/orgs/acme", headers=sent).json() == acme
    assert api.call("GET", "/orgs", headers=sent).json() == [acme]
    assert [org["org_slug"] for org in api.call("GET", "/me", headers=sent).json()["orgs"]] == ["acme"]
    assert api.call("GET", "/user", headers=sent).json()["id"] == ann.id


def test_every_plugin_gets_its_identity(kernel, api, ann, bob, acme):
    from reactor_kernel.api import AuthClient, IdentityKind

    client = kernel.service(AuthClient)
    made = make(ann, scopes=["data:*:read"])
    found = client.resolve(made["key"], "acme")
    assert (found.kind, found.subject, found.user_id) == (IdentityKind.API_KEY, f"apikey:{made['id']}", ann.id)
    assert (found.org_id, found.org_role, found.api_key_id) == (acme["id"], None, made["id"])
    assert (found.permissions, found.scopes, found.session_id) == (frozenset({"data:*:read"}), frozenset(), None)
    whole = client.resolve(make(ann)["key"])
    assert (whole.permissions, whole.org_role) == (frozenset({"*"}), "owner")


def test_it_needs_what_plain_membership_allows(api, ann, acme):
    key = make(ann, scopes=["data:*"])["key"]
    for path, needed in (
        ("/orgs/acme", "auth:orgs:read"),
        ("/orgs", "auth:orgs:read"),
        ("/roles", "auth:roles:read"),
        ("/orgs/acme/roles", "auth:roles:read"),
        ("/orgs/acme/members", "auth:members:read"),
        (f"/orgs/acme/members/{ann.id}", "auth:members:read"),
    ):
        api.refused(
            api.call("GET", path, token=key),
            403,
            "permission_denied",
            f"this credential needs the permission {needed}",
            details={"missing": [needed]},
        )


def test_a_narrow_one_has_none_of_the_powers_of_a_roles_name(api, ann, bob, acme):
    """An owner's key with two scopes is no owner."""
    api.join(acme, bob)
    key = make(ann, scopes=["auth:members:*", "data:*:read", "auth:roles:write"])["key"]
    path = f"/orgs/acme/members/{bob.id}"
    for role in ("owner", "admin"):
        answer = api.call("PATCH", path, token=key, json={"role_id": api.role_id(acme, role)})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
    for method, target, body in (
        ("PATCH", "/orgs/acme", {"name": "x"}),
        ("DELETE", "/orgs/acme", None),
        ("DELETE", f"/orgs/acme/members/{ann.id}", None),
        ("GET", "/orgs/acme/audit", None),
        ("GET", "/orgs/acme/invitations", None),
        ("POST", "/orgs/acme/invitations", {"email": "x@example.com"}),
        ("POST", "/orgs/acme/roles", {"name": "x", "permissions": ["data:*"]}),
    ):
        answer = api.call(method, target, token=key, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied"), target
    made = api.call("POST", "/orgs/acme/roles", token=key, json={"name": "x", "permissions": ["data:a:read"]})
    assert made.status_code == 201
    assert api.call("DELETE", path, token=key).status_code == 204
    [actors] = api.sql(
        "SELECT actor_user_id::text, actor_apikey_id::text FROM _reactor_auth.audit_events "
        "WHERE event_type = 'member.removed'"
    )
    assert actors == [ann.id, ann.get("/api-keys").json()["keys"][0]["id"]]


PERSONAL = [
    ("GET", "/api-keys", None),
    ("POST", "/api-keys", {"name": "more"}),
    ("POST", "/keys", {"name": "more"}),
    ("DELETE", f"/api-keys/{NOBODY}", None),
    ("DELETE", f"/keys/{NOBODY}", None),
    ("POST", "/tokens/delegate", {"scopes": ["data:*"]}),
    ("POST", "/logout", None),
    ("POST", "/logout?scope=global", None),
    ("PATCH", "/user", {"password": "battery staple"}),
    ("PATCH", "/user", {"metadata": {}}),
    ("DELETE", "/user", None),
    ("POST", "/orgs", {"name": "New", "slug": "new"}),
    ("GET", "/invitations", None),
    ("POST", "/invitations/accept", {"token": "x"}),
]


def test_even_a_whole_one_manages_neither_keys_nor_the_account(api, ann, acme):
    key = make(ann)["key"]
    for method, path, body in PERSONAL:
        answer = api.call(method, path, token=key, json=body)
        api.refused(answer, *NOT_A_USER)
    assert api.call("GET", "/permissions", token=key).json()["permissions"] == ["*"]
    assert ann.get("/user").status_code == 200


def test_it_never_has_more_than_its_owner(api, ann, bob, acme):
    api.join(acme, bob, "admin")
    narrow = make(bob, "acme", scopes=["data:todos:*", "functions:*"])["key"]
    whole = make(bob, "acme")["key"]

    def held(key):
        return api.call("GET", "/permissions", token=key).json()["permissions"]

    assert held(narrow) == ["data:todos:*", "functions:*"]
    assert "jobs:*" in held(whole)
    ann.patch(f"/orgs/acme/members/{bob.id}", {"role_id": api.role_id(acme, "member")})
    assert held(narrow) == ["data:todos:read", "functions:*:invoke"]
    assert held(whole) == bob.get("/permissions", org="acme").json()["permissions"]
    shown = bob.get("/api-keys").json()["keys"]
    assert [key["scopes"] for key in shown] == [held(whole), ["data:todos:*", "functions:*"]]
    ann.patch(f"/orgs/acme/members/{bob.id}", {"role_id": api.role_id(acme, "owner")})
    assert (held(narrow), held(whole)) == (["data:todos:*", "functions:*"], ["*"])


def test_it_ends_with_its_owners_membership_account_and_organisation(api, ann, bob, acme):
    api.join(acme, bob)
    key = make(bob, "acme")["key"]
    assert api.call("GET", "/orgs", token=key).status_code == 200
    ann.delete(f"/orgs/acme/members/{bob.id}")
    gone = (403, "not_org_member", "the API key's owner is not a member of its organisation")
    api.refused(api.call("GET", "/user", token=key), *gone)
    api.join(acme, bob)
    assert api.call("GET", "/orgs", token=key).status_code == 200
    bob.delete("/user")
    api.refused(api.call("GET", "/orgs", token=key), 403, "user_disabled", "the API key's owner is disabled")
    own = make(ann)["key"]
    assert api.call("GET", "/orgs", token=own).status_code == 200
    ann.delete("/orgs/acme")
    for dead in (key, own):
        api.refused(api.call("GET", "/orgs", token=dead), 401, "invalid_token", "the API key is not known")


def test_a_revoked_one_is_dead_at_once(api, ann, acme):
    made = make(ann)
    assert api.call("GET", "/orgs", token=made["key"]).status_code == 200
    ann.delete(f"/api-keys/{made['id']}")
    api.refused(api.call("GET", "/orgs", token=made["key"]), 401, "invalid_token", "the API key has been revoked")


def test_it_expires_to_the_second(frozen_clock, api, ann, acme):
    from datetime import timedelta

    ends = frozen_clock.now() + timedelta(hours=1)
    key = make(ann, expires_at=ends.isoformat())["key"]
    frozen_clock.advance(minutes=59, seconds=59)
    assert api.call("GET", "/orgs", token=key).status_code == 200
    frozen_clock.advance(seconds=1)
    for _ in range(2):
        api.refused(api.call("GET", "/orgs", token=key), 401, "invalid_token", "the API key has expired")
        frozen_clock.advance(seconds=31)


def test_what_is_none_is_401(api, ann, acme):
    key = make(ann)["key"]
    for wrong in (key[:-1], key + "a", key[:-1] + "=", "rk_live_"):
        api.refused(api.call("GET", "/user", token=wrong), 401, "invalid_token", "the API key is malformed")
    other = key[:-1] + ("A" if key[-1] != "A" else "E")
    api.refused(api.call("GET", "/user", token=other), 401, "invalid_token", "the API key is not known")
    answer = api.call("GET", "/user", headers={"X-Reactor-Api-Key": ann.access_token})
    api.refused(answer, 401, "invalid_token", "X-Reactor-Api-Key must hold an API key")
    # A bearer token goes before a key.
    both = api.call("GET", "/user", token="nonsense", headers={"X-Reactor-Api-Key": key})
    assert both.status_code == 401


def test_its_use_is_noted_at_most_once_a_minute(frozen_clock, kernel, api, ann, acme):
    made = make(ann)
    keys = kernel.enabled[0].instance._auth(kernel.context_for(kernel.enabled[0])).key_resolver

    def used():
        api.call("GET", "/orgs", token=made["key"])
        keys.flush()
        return ann.get("/api-keys").json()["keys"][0]["last_used_at"]

    first = frozen_clock.now().isoformat()
    assert used() == first
    frozen_clock.advance(seconds=59)
    assert used() == first
    frozen_clock.advance(seconds=1)
    assert used() == frozen_clock.now().isoformat()
    keys.flush()


def test_the_organisation_is_the_body_s_else_the_active_one(api, ann, bob, acme):
    zoo = ann.make_org("zoo")
    assert make(ann)["org_id"] == acme["id"]
    assert make(ann, "zoo")["org_id"] == zoo["id"]
    assert make(ann, "zoo", org_id=acme["id"])["org_id"] == acme["id"]
    refusal = (403, "not_org_member", "The caller is not a member of this organisation.")
    api.refused(bob.post("/api-keys", {"name": "x"}, org="acme"), *refusal)
    api.refused(bob.post("/api-keys", {"name": "x", "org_id": acme["id"]}), *refusal)
    hint = "Name one in the X-Reactor-Org header, or set default_org_id with PATCH /auth/v1/user."
    api.refused(
        bob.post("/api-keys", {"name": "x"}), 400, "org_required", "This request needs an organisation.", hint=hint
    )


BAD = [
    ({}, "name", "is required"),
    ({"name": " "}, "name", "must have 1 to 200 characters"),
    ({"name": "x", "scopes": "data"}, "scopes", "must be a list or null, not a string"),
    (
        {"name": "x", "scopes": ["a:"]},
        "scopes[0]",
        "must be segments without spaces, joined by colons, such as data:todos:read",
    ),
    ({"name": "x", "org_id": "acme"}, "org_id", "is not a UUID"),
    (
        {"name": "x", "expires_at": "soon"},
        "expires_at",
        "must be an instant with an offset, such as 2030-01-31T12:00:00Z",
    ),
    (
        {"name": "x", "expires_at": "2999-01-01T00:00:00"},
        "expires_at",
        "must be an instant with an offset, such as 2030-01-31T12:00:00Z",
    ),
    ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "must be in the future"),
    ({"name": "x", "expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at", "must be between the years 2 and 9998"),
    ({"name": "x", "expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at", "must be between the years 2 and 9998"),
]


def test_bad_keys_are_refused(api, ann, bob, acme):
    for body, field, problem in BAD:
        answer = ann.post("/api-keys", body)
        api.refused(answer, 400, "validation_error", f"{field} {problem}", fields={field: [problem]})
    api.join(acme, bob)
    answer = bob.post("/api-keys", {"name": "x", "scopes": ["data:a:read", "data:*", "*"]}, org="acme")
    api.refused(
        answer,
        403,
        "permission_denied",
        "a key can do only what you can, which does not cover: *, data:*",
        details={"missing": ["*", "data:*"]},
    )
    assert ann.get("/api-keys").json() == bob.get("/api-keys").json() == {"keys": []}


def test_there_are_at_most_a_hundred(api, ann, acme):
    api.sql(
        "INSERT INTO _reactor_auth.api_keys (id, user_id, org_id, name, key_hash, prefix, created_at) "
        "SELECT gen_random_uuid(), $1, $2, 'x', sha256(n::text::bytea), 'rk_live_AAAA', now() "
        "FROM generate_series(1, 99) n",
        ann.id,
        acme["id"],
    )
    make(ann)
    api.refused(
        ann.post("/api-keys", {"name": "x"}),
        409,
        "too_many_api_keys",
        "there may be no more than 100 API keys",
        hint="Delete one that is not in use: DELETE /auth/v1/api-keys/{id}.",
    )
