"""Organisations that demand a second factor of roles (decision 42)."""

from __future__ import annotations

import pytest

from reactor_auth.plugin import AuthPlugin
from reactor_kernel.api import (
    Access,
    AuthClient,
    Forbidden,
    Mount,
    OpenApiFragment,
    PluginContext,
    PluginInfo,
    hookimpl,
)

HINT = (
    "Verify one in this session: POST /auth/v1/factors/{id}/verify, or /auth/v1/webauthn/authenticate/start. "
    "Without one yet, enrol: POST /auth/v1/factors, or /auth/v1/webauthn/register/start."
)


class WhoResource:
    """Says in which organisation a caller acts."""

    def on_get(self, req, resp):
        identity = req.context.identity
        resp.media = {"org": identity.org_id, "mfa_at": identity.claims.get("mfa_at"), "amr": identity.claims["amr"]}


class WhoPlugin:
    """Any other capability."""

    info = PluginInfo(name="who", version="1.0", api=(1, 0), summary="Says who calls")

    @hookimpl
    def reactor_resources(self, ctx: PluginContext):
        yield Mount("/who/v1/me", WhoResource(), access=Access.USER)

    @hookimpl
    def reactor_openapi(self, ctx: PluginContext):
        answer = {"get": {"summary": "Who calls", "responses": {"200": {"description": "The caller"}}}}
        yield OpenApiFragment({"paths": {"/who/v1/me": answer}})


@pytest.fixture
def reactor_plugins():
    return [AuthPlugin, WhoPlugin]


@pytest.fixture
def reactor_config(auth_config):
    return {"auth": auth_config, "who": {}}


def test_a_key_works_as_long_as_its_owner_has_a_factor(api, ann, bob, enrol, client):
    org = ann.make_org("acme")
    api.join(org, bob)
    key = bob.post("/api-keys", {"name": "robot"}, org="acme").json()["key"]
    own = ann.post("/api-keys", {"name": "mine"}, org="acme").json()["key"]

    def call(key):
        return client.get("/who/v1/me", headers={"Authorization": f"Bearer {key}"})

    assert call(key).json()["org"] == org["id"]
    strong = enrol(ann).tokens["access_token"]
    demand = {"mfa_required_roles": ["member", "owner"]}
    assert api.call("PATCH", "/orgs/acme", token=strong, json=demand).status_code == 200
    # Made before the demand, and for every capability, this one's own routes included.
    hint = "The owner enrols one: POST /auth/v1/factors, or /auth/v1/webauthn/register/start."
    message = "the role member needs a second factor in this organisation, and the API key's owner has none"
    for answer in (call(key), api.call("GET", "/orgs/acme", token=key), api.call("GET", "/me", token=key)):
        api.refused(answer, 403, "mfa_required", message, hint=hint)
    assert call(own).json()["org"] == org["id"]
    # An app that has not proved itself is none.
    assert bob.post("/factors", {"factor_type": "totp"}).status_code == 201
    assert call(key).status_code == 403
    app = enrol(bob)
    assert call(key).json()["org"] == org["id"]
    headers = {"Authorization": f"Bearer {app.tokens['access_token']}"}
    assert client.delete(f"/auth/v1/factors/{app.id}", headers=headers).status_code == 204
    assert call(key).json()["error"]["code"] == "mfa_required"


def refused(api, answer, role="member"):
    message = f"the role {role} needs a second factor in this organisation"
    api.refused(answer, 403, "mfa_required", message, hint=HINT)


def who(person, org=None):
    headers = {"Authorization": f"Bearer {person.access_token}", **({} if org is None else {"X-Reactor-Org": org})}
    return person.api.client.get("/who/v1/me", headers=headers)


def enforce(person, *roles):
    return person.patch("/orgs/acme", {"mfa_required_roles": list(roles)})


def test_a_role_that_demands_a_second_factor_is_closed_without_one_on_every_route(
    api, kernel, ann, bob, enrol, begin_app, frozen_clock
):
    org = ann.make_org("acme")
    assert org["mfa_required_roles"] == []
    api.join(org, bob)
    assert bob.patch("/user", {"default_org_id": org["id"]}).status_code == 200
    assert who(bob).json() == {"org": org["id"], "mfa_at": None, "amr": ["pwd"]}
    changed = enforce(ann, "member")
    assert changed.status_code == 200, changed.text
    assert changed.json()["mfa_required_roles"] == ["member"]
    assert ann.get("/orgs/acme").json()["mfa_required_roles"] == ["member"]

    # In the organisation: by header, by default, by path, by query and by body, here and in another plugin.
    for ref in (None, "acme", "ACME", org["id"]):
        refused(api, who(bob, ref))
    for path in ("/orgs/acme", f"/orgs/{org['id']}/members", "/orgs/ACME/roles", f"/orgs/acme/members/{bob.id}"):
        refused(api, bob.get(path))
    refused(api, bob.delete(f"/orgs/acme/members/{bob.id}"))
    for path in ("/permissions", "/permissions/ctx", "/roles"):
        refused(api, bob.get(path))
        refused(api, bob.get(path, org="acme"))
    with pytest.raises(Forbidden) as closed:
        kernel.service(AuthClient).resolve(bob.access_token)
    assert closed.value.error_code == "mfa_required"

    # Outside of it nothing changed, and the own account is always open.
    bob.make_org("other", "Other")
    assert who(bob, "other").status_code == 200
    assert bob.get("/permissions", org="other").status_code == 200
    refused(api, bob.get("/permissions", org="other", params={"org": "acme"}))
    refused(api, bob.post("/permissions/check", {"permissions": ["x"], "org": "acme"}, org="other"))
    for path in ("/user", "/me", "/orgs", "/factors", "/webauthn/credentials"):
        assert bob.get(path).status_code == 200
    assert {item["slug"] for item in bob.get("/orgs").json()} == {"acme", "other"}
    api.refused(bob.get("/orgs/nothing"), 404, "org_not_found", "There is no such organisation.")
    # The owner's role demands nothing.
    assert who(ann, "acme").status_code == 200

    app = begin_app(bob)
    refused(api, who(bob))
    assert bob.post(f"/factors/{app.id}/verify", {"code": app.code()}).status_code == 200
    now = int(frozen_clock.now().timestamp())
    assert who(bob).json() == {"org": org["id"], "mfa_at": now, "amr": ["pwd", "totp"]}
    assert bob.get("/orgs/acme").status_code == 200
    assert bob.get("/roles").status_code == 200
    # Another session of the same user has to prove it itself.
    refused(api, who(api.sign_in("bob@example.com")))
    # Without the factor the door closes again, at once.
    assert bob.delete(f"/factors/{app.id}").status_code == 204
    refused(api, who(bob))
    assert enforce(ann).json()["mfa_required_roles"] == []
    assert who(bob).status_code == 200


def test_nobody_locks_themselves_or_all_owners_out(api, ann, bob, enrol, frozen_clock):
    org = ann.make_org("acme")
    api.join(org, bob, "admin")
    api.refused(
        enforce(bob, "member"), 403, "permission_denied", "this needs the role owner, or the permission auth:orgs:write"
    )
    for roles in (["owner"], ["admin", "owner"]):
        api.refused(enforce(ann, *roles), 403, "mfa_required", "This needs a second factor.", hint=HINT)
    assert ann.get("/orgs/acme").json()["mfa_required_roles"] == []
    problem = "names no role of this organisation: nobody, nothing"
    api.refused(
        enforce(ann, "nothing", "member", "nobody"),
        400,
        "validation_error",
        f"mfa_required_roles {problem}",
        fields={"mfa_required_roles": [problem]},
    )

    app = enrol(ann)
    assert enforce(ann, "owner", "admin", "owner").json()["mfa_required_roles"] == ["admin", "owner"]
    assert who(ann, "acme").status_code == 200
    assert ann.patch("/orgs/acme", {"name": "New"}).json()["mfa_required_roles"] == ["admin", "owner"]
    # Changing it, like the factors themselves, needs a fresh one.
    frozen_clock.advance(minutes=6)
    message = "this needs a second factor verified in the last 300 s"
    api.refused(enforce(ann), 403, "mfa_required", message, hint=HINT, details={"within": 300})
    ann.post(f"/factors/{app.id}/verify", {"code": app.code()})
    assert enforce(ann, "owner").status_code == 200

    # Somebody else with the right may not close the door on owners that have no factor.
    other = api.sign_in("ann@example.com")
    refused(api, other.patch("/orgs/acme", {"mfa_required_roles": []}), "owner")
    assert enforce(ann).status_code == 200
    assert ann.delete(f"/factors/{app.id}").status_code == 204
    api.sql(
        "INSERT INTO _reactor_auth.role_permissions (role_id, permission) VALUES ($1, 'auth:orgs:write')",
        api.role_id(org, "admin"),
    )
    message = "no owner of this organisation has a second factor yet"
    api.refused(enforce(bob, "owner"), 403, "mfa_required", message, hint=HINT)
    assert enforce(bob, "member").status_code == 200
    rows = api.sql(
        "SELECT details->'changed'->>0, count(*) FROM _reactor_auth.audit_events WHERE event_type = 'org.updated' GROUP BY 1"
    )
    assert sorted(rows) == [["mfa_required_roles", "4"], ["name", "1"]]


def test_a_route_of_any_plugin_may_demand_a_fresh_second_factor(api, kernel, ann, enrol, frozen_clock):
    auth = kernel.enabled[0].instance._auth(kernel.context_for(kernel.enabled[0]))
    client = kernel.service(AuthClient)
    with pytest.raises(Forbidden) as missing:
        auth.demand_step_up(client.resolve(ann.access_token))
    assert missing.value.error_code == "mfa_required"
    enrol(ann)
    auth.demand_step_up(client.resolve(ann.access_token))
    frozen_clock.advance(seconds=271)
    auth.demand_step_up(client.resolve(ann.access_token), within=600)
    with pytest.raises(Forbidden) as stale:
        auth.demand_step_up(client.resolve(ann.access_token))
    assert stale.value.details == {"within": 300}
