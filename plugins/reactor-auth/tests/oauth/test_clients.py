"""Registered clients: made by organisations, and what their tokens may do."""

from __future__ import annotations

import base64

import pytest

CALLBACK = "http://localhost:7777/callback"
HTTPS = "https://app.example.com/callback"
NOT_FOUND = "There is no such OAuth client in this organisation."


def test_an_organisation_registers_changes_and_deletes_clients(api, ann, bob):
    org = ann.make_org("acme")
    made = ann.post("/oauth/clients", {"name": " Notes ", "redirect_uris": [HTTPS, HTTPS]}, org="acme")
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    body = made.json()
    secret = body.pop("client_secret")
    assert secret.startswith("rcs_")
    assert body == {
        "client_id": body["client_id"],
        "name": "Notes",
        "type": "confidential",
        "redirect_uris": [HTTPS],
        "post_logout_redirect_uris": [],
        "scopes": ["openid", "profile", "email", "offline_access"],
        "grants": ["authorization_code", "refresh_token"],
        "org_id": org["id"],
        "owner_id": ann.id,
        "logo_url": None,
        "first_party": False,
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
    }
    path = f"/oauth/clients/{body['client_id']}"
    assert ann.get("/oauth/clients", org="acme").json() == [body]
    assert ann.get(path).json() == body
    changed = ann.patch(path, {"name": "Papers", "scopes": ["openid", "data:notes:read"]}).json()
    assert (changed["name"], changed["scopes"]) == ("Papers", ["openid", "data:notes:read"])
    rotated = ann.post(f"{path}/secret").json()
    assert rotated["client_secret"] not in ("", secret)
    stored = api.sql("SELECT secret_hash, length(secret_hash) FROM _reactor_auth.oauth_clients")
    assert stored[0][1] == "32"
    # Whoever is not in the organisation does not learn that the client exists.
    for answer in (bob.get(path), bob.patch(path, {}), bob.delete(path), bob.post(f"{path}/secret")):
        api.refused(answer, 404, "oauth_client_not_found", NOT_FOUND)
    api.join(org, bob)
    needs = "this needs the role owner or admin, or the permission auth:clients:write"
    api.refused(bob.delete(path), 403, "permission_denied", needs)
    assert ann.delete(path).status_code == 204
    api.refused(ann.get(path), 404, "oauth_client_not_found", NOT_FOUND)
    trail = api.sql(
        "SELECT event_type FROM _reactor_auth.audit_events WHERE resource LIKE 'oauth_client:%' ORDER BY ts"
    )
    assert [row[0] for row in trail] == [
        "oauth_client.created",
        "oauth_client.updated",
        "oauth_client.secret_rotated",
        "oauth_client.deleted",
    ]


WRONG = [
    ({"name": ""}, "name", "must have 1 to 200 characters"),
    ({"redirect_uris": []}, "redirect_uris", "must name at least one address for the grant authorization_code"),
    (
        {"redirect_uris": ["http://app.example.com/"]},
        "redirect_uris",
        "holds 'http://app.example.com/', which must be https unless its host is localhost, 127.0.0.1 or [::1]",
    ),
    ({"redirect_uris": [HTTPS] * 21}, "redirect_uris", "must not have more than 20 entries"),
    ({"type": "secret"}, "type", "must be public or confidential"),
    ({"grants": []}, "grants", "must not be empty"),
    (
        {"type": "public", "grants": ["client_credentials"]},
        "grants",
        "must not hold client_credentials for a public client",
    ),
    (
        {"scopes": ["ops:*"]},
        "scopes",
        "holds 'ops:*', which is neither a permission nor one of openid, profile, email, offline_access",
    ),
    ({"logo_url": "http://localhost/logo"}, "logo_url", "must be an https address"),
]


def test_what_cannot_be_registered_says_why(api, ann):
    ann.make_org("acme")
    for wrong, field, problem in WRONG:
        answer = ann.post("/oauth/clients", {"name": "Notes", "redirect_uris": [HTTPS], **wrong}, org="acme")
        api.refused(answer, 400, "validation_error", f"{field} {problem}", fields={field: [problem]})
    unknown = {"name": "Notes", "redirect_uris": [HTTPS], "grants": ["password"]}
    assert ann.post("/oauth/clients", unknown, org="acme").status_code == 400
    assert api.sql("SELECT count(*) FROM _reactor_auth.oauth_clients") == [["0"]]


def test_nobody_registers_a_client_that_may_do_more_than_they(api, ann, bob):
    org = ann.make_org("acme")
    api.join(org, bob, "admin")
    wanted = {"name": "Notes", "redirect_uris": [HTTPS], "scopes": ["openid", "data:*", "auth:orgs:write"]}
    api.refused(
        bob.post("/oauth/clients", wanted, org="acme"),
        403,
        "permission_denied",
        "a client may not do more than you: auth:orgs:write",
        details={"missing": ["auth:orgs:write"]},
    )
    assert bob.post("/oauth/clients", {**wanted, "scopes": ["data:*"]}, org="acme").status_code == 201
    api.refused(
        bob.post("/oauth/clients", {**wanted, "scopes": ["*"]}, org="acme"),
        403,
        "permission_denied",
        "a client may not do more than you: *",
        details={"missing": ["*"]},
    )


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_a_client_proves_who_it_is(api, ann, browser, register, sent_back):
    app = register(scopes=["openid"])
    public = register(type="public", scopes=["openid"])

    def code(of):
        page = browser.get("/authorize", **of.request())
        page = browser.sign_in(page) if 'value="signin"' in page.text else page
        page = browser.submit(page, "consent", decision="allow") if page.status_code == 200 else page
        return sent_back(page)["code"]

    def refused(answer, status, error, description):
        assert (answer.status_code, answer.json()) == (status, {"error": error, "error_description": description})
        assert answer.headers["Cache-Control"] == "no-store"

    unauthenticated = "The client is unknown, or its authentication failed."
    one = code(app)
    refused(app.exchange(one, client_secret=None), 401, "invalid_client", unauthenticated)
    refused(app.exchange(one, client_secret="wrong"), 401, "invalid_client", unauthenticated)
    refused(app.exchange(one, client_id="unknown"), 401, "invalid_client", unauthenticated)
    refused(
        public.exchange(code(public), client_secret="x"),
        401,
        "invalid_client",
        "a public client has no secret",
    )
    fields = {"grant_type": "authorization_code", "code": one, "code_verifier": app.verifier, "redirect_uri": CALLBACK}
    both = api.call("POST", "/token", data={**fields, "client_secret": "x"}, headers=basic(app.client_id, app.secret))
    refused(
        both,
        400,
        "invalid_request",
        "the client authenticates both in the Authorization header and in the body",
    )
    broken = api.call("POST", "/token", data=fields, headers={"Authorization": "Basic !"})
    refused(broken, 401, "invalid_client", "the Authorization header is not valid")
    # None of these burnt the code: whoever they were, they were not the client.
    good = api.call("POST", "/token", data=fields, headers=basic(app.client_id, app.secret))
    assert good.status_code == 200, good.text
    assert "refresh_token" not in good.json()
    assert "user" not in good.json()
    # A code of one client is nothing to another.
    refused(
        public.exchange(code(app), code_verifier=app.verifier),
        400,
        "invalid_grant",
        "The authorization code is unknown, used, expired, or belongs to another request.",
    )
    refused(
        app.token(grant_type="password", client_id=app.client_id),
        400,
        "invalid_request",
        "email is required",
    )
    unknown = app.token(grant_type="implicit", client_id=app.client_id)
    assert unknown.json()["error"] == "unsupported_grant_type"
    assert unknown.json()["error_description"].startswith("grant_type must be one of password, refresh_token, ")


@pytest.fixture
def consented(browser, sent_back):
    def run(app, scope, **changed):
        page = browser.get("/authorize", **app.request(scope=scope, **changed))
        if 'value="signin"' in page.text:
            page = browser.sign_in(page)
        if page.status_code == 200:
            page = browser.submit(page, "consent", decision="allow")
        answer = app.exchange(sent_back(page)["code"])
        assert answer.status_code == 200, answer.text
        return answer.json()

    return run


def test_a_user_is_asked_once_and_can_take_it_back(api, ann, browser, register, sent_back, page_of):
    app = register(scopes=["openid", "email", "data:*:read", "offline_access"])
    page = browser.sign_in(browser.get("/authorize", **app.request(scope="openid email")))
    seen = page_of(page)
    assert "Allow Notes?" in seen.text
    assert "See your e-mail address" in seen.text
    assert [button.get("value") for button in seen.form("consent")["buttons"]] == ["allow", "deny"]
    denied = sent_back(browser.submit(page, "consent", decision="deny"))
    assert denied == {
        "error": "access_denied",
        "error_description": "the user denied the request",
        "state": "st&te=1 é",
    }
    silent = browser.get("/authorize", **app.request(scope="openid", prompt="none"))
    assert sent_back(silent)["error"] == "consent_required"
    scope = "openid email offline_access"
    page = browser.get("/authorize", **app.request(scope=scope))
    tokens = app.exchange(sent_back(browser.submit(page, "consent", decision="allow"))["code"]).json()
    assert tokens["scope"] == scope
    assert "code" in sent_back(browser.get("/authorize", **app.request(scope="email", prompt="none")))
    # More than was allowed is asked again, and so is whoever wants to be asked.
    assert page_of(browser.get("/authorize", **app.request(scope="openid data:notes:read"))).form("consent")
    assert page_of(browser.get("/authorize", **app.request(scope="openid", prompt="consent"))).form("consent")
    beyond = sent_back(browser.get("/authorize", **app.request(scope="openid data:notes:write")))
    assert beyond["error_description"] == "the client may not have data:notes:write"
    assert beyond["error"] == "invalid_scope"

    narrower = app.token(
        grant_type="refresh_token",
        client_id=app.client_id,
        client_secret=app.secret,
        refresh_token=tokens["refresh_token"],
        scope="openid",
    ).json()
    assert narrower["scope"] == "openid"
    nobodys = api.refresh(narrower["refresh_token"])
    api.refused(
        nobodys,
        401,
        "invalid_refresh_token",
        "the refresh token belongs to a client, which must name itself",
        hint="Sign in again.",
    )
    wider = app.token(
        grant_type="refresh_token",
        client_id=app.client_id,
        client_secret=app.secret,
        refresh_token=narrower["refresh_token"],
        scope="openid data:x:read",
    )
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")

    [listed] = ann.get("/user/consents").json()
    assert (listed["client_id"], listed["name"], listed["scopes"]) == (app.client_id, "Notes", scope.split())
    assert ann.delete(f"/user/consents/{app.client_id}").status_code == 204
    assert ann.get("/user/consents").json() == []
    api.refused(
        ann.delete(f"/user/consents/{app.client_id}"),
        404,
        "consent_not_found",
        "The caller has given no consent to this client.",
    )
    ended = app.token(
        grant_type="refresh_token",
        client_id=app.client_id,
        client_secret=app.secret,
        refresh_token=narrower["refresh_token"],
    )
    assert ended.json() == {"error": "invalid_grant", "error_description": "The session has been ended."}
    assert page_of(browser.get("/authorize", **app.request(scope="openid"))).form("consent")


def test_a_clients_token_does_what_user_and_scopes_allow(api, ann, bob, register, consented):
    app = register(scopes=["openid", "email", "data:*:read"])
    tokens = consented(app, "openid email data:notes:read")
    token = tokens["access_token"]
    assert api.call("GET", "/userinfo", token=token).json() == {
        "sub": f"user_{ann.id}",
        "email": "ann@example.com",
        "email_verified": False,
    }
    # The account is not the application's.
    for method, path in (
        ("GET", "/user"),
        ("PATCH", "/user"),
        ("DELETE", "/user"),
        ("GET", "/orgs"),
        ("GET", "/user/consents"),
        ("GET", "/oauth/clients"),
    ):
        answer = api.call(method, path, token=token, json={} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied"), path
    from reactor_kernel.api import AuthClient, Forbidden, IdentityKind

    client = api.kernel.service(AuthClient)
    identity = client.resolve(token)
    assert identity.kind is IdentityKind.DELEGATED
    assert identity.permissions == {"data:notes:read"}
    assert identity.org_role is None
    assert identity.may("data:notes:read")
    assert not identity.may("data:notes:write")
    ann.make_org("other")
    with pytest.raises(Forbidden) as elsewhere:
        client.resolve(token, "other")
    assert elsewhere.value.error_code == "not_org_member"

    only = consented(app, "data:notes:read")
    assert "id_token" not in only
    refused = api.call("GET", "/userinfo", token=only["access_token"])
    api.refused(refused, 403, "insufficient_scope", "the access token lacks the scope openid")
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="openid"'

    # Deleting the client ends its sessions at once.
    assert ann.delete(f"/oauth/clients/{app.client_id}").status_code == 204
    gone = api.call("GET", "/userinfo", token=token)
    api.refused(gone, 401, "session_revoked", "The session has been ended.", hint="Sign in again.")


def test_a_token_reaches_only_the_capabilities_its_scopes_name():
    from reactor_auth.client_tokens import demand_reach
    from reactor_kernel.api import DbRole, Identity, IdentityKind, PermissionDenied

    def reaches(scope, owner, method="GET", kind=IdentityKind.DELEGATED, path="/x"):
        claims = {"client_id": "x", "scope": scope}
        identity = Identity(kind, "user_x", DbRole.AUTHENTICATED, claims=claims)
        try:
            demand_reach(identity, owner, "auth", method, path)
        except PermissionDenied:
            return False
        return True

    assert reaches("openid", "auth", path="/userinfo")
    assert reaches("openid", "auth", path="/permissions/check")
    assert not reaches("*", "auth", path="/user")
    assert not reaches("*", "auth", path="/userinfo-of-all")
    assert not reaches("openid", "data")
    assert reaches("openid data:notes:read", "data")
    assert not reaches("openid data:notes:read", "data", "POST")
    assert reaches("data:notes:write", "data", "DELETE")
    assert not reaches("data:*", "storage")
    assert reaches("*", "storage", "PUT")
    assert reaches("", "data", "POST", IdentityKind.USER)


def test_introspection_and_revocation(api, ann, register, consented):
    app = register(scopes=["openid", "offline_access"])
    public = register(type="public", scopes=["openid", "offline_access"])
    tokens = consented(app, "openid offline_access")
    theirs = consented(public, "openid offline_access")

    def ask(path, token, of=app):
        fields = {"token": token, "client_id": of.client_id, "client_secret": of.secret}
        return api.call("POST", path, data={name: value for name, value in fields.items() if value})

    told = ask("/introspect", tokens["access_token"]).json()
    assert (told["active"], told["scope"], told["client_id"]) == (True, "openid offline_access", app.client_id)
    assert (told["sub"], told["username"], told["token_type"]) == (f"user_{ann.id}", "ann@example.com", "Bearer")
    assert ask("/introspect", tokens["refresh_token"]).json()["active"] is True
    # A resource server may ask about its organisation's other clients, and about nobody else.
    assert ask("/introspect", theirs["access_token"]).json()["active"] is True
    assert ask("/introspect", ann.access_token).json() == {"active": False}
    assert ask("/introspect", ann.refresh_token).json() == {"active": False}
    assert ask("/introspect", "nonsense").json() == {"active": False}
    assert ask("/introspect", theirs["access_token"], public).json() == {
        "error": "unauthorized_client",
        "error_description": "only a client with a secret may introspect tokens",
    }
    stolen = ask("/revoke", theirs["refresh_token"])
    assert stolen.json() == {
        "error": "unauthorized_client",
        "error_description": "the token was not issued to this client",
    }
    assert ask("/revoke", "nonsense").status_code == 200
    assert ask("/revoke", tokens["refresh_token"]).status_code == 200
    assert ask("/revoke", tokens["refresh_token"]).status_code == 200
    assert ask("/introspect", tokens["access_token"]).json() == {"active": False}
    assert ask("/introspect", tokens["refresh_token"]).json() == {"active": False}
    assert ask("/revoke", theirs["access_token"], public).status_code == 200
    assert ask("/introspect", theirs["refresh_token"]).json() == {"active": False}


def test_a_client_acts_for_itself_in_its_organisation(api, ann, register):
    from reactor_kernel.api import AuthClient, Forbidden, IdentityKind

    app = register(grants=["client_credentials"], redirect_uris=[], scopes=["openid", "data:*:read", "jobs:create"])

    def ask(**fields):
        return app.token(grant_type="client_credentials", client_id=app.client_id, client_secret=app.secret, **fields)

    body = ask().json()
    assert set(body) == {"access_token", "token_type", "expires_in", "expires_at", "scope"}
    assert body["scope"] == "data:*:read jobs:create"
    assert 3590 <= body["expires_in"] <= 3600
    resolve = api.kernel.service(AuthClient).resolve
    identity = resolve(body["access_token"])
    org = ann.get("/orgs").json()[0]
    assert (identity.user_id, identity.org_id) == (None, org["id"])
    assert identity.subject == f"service:client-{app.client_id}"
    assert identity.permissions == {"data:*:read", "jobs:create"}
    # No service of the platform, whatever it calls itself.
    assert identity.kind is IdentityKind.DELEGATED
    for path in ("/user", "/orgs", "/oauth/clients", "/userinfo"):
        assert api.call("GET", path, token=body["access_token"]).status_code == 403, path
    ann.make_org("other")
    with pytest.raises(Forbidden):
        resolve(body["access_token"], "other")
    narrow = ask(scope="data:notes:read").json()
    assert resolve(narrow["access_token"]).permissions == {"data:notes:read"}
    for scope, problem in (
        ("data:notes:write", "the client may not have data:notes:write for itself"),
        ("openid", "the client may not have openid for itself"),
    ):
        assert ask(scope=scope).json() == {"error": "invalid_scope", "error_description": problem}
    told = api.call(
        "POST",
        "/introspect",
        data={"token": narrow["access_token"], "client_id": app.client_id, "client_secret": app.secret},
    ).json()
    assert (told["active"], told["scope"]) == (True, "data:notes:read")
    # What is taken from the client is taken from its tokens, and with the client they all go.
    ann.patch(f"/oauth/clients/{app.client_id}", {"scopes": ["jobs:create"]})
    assert resolve(body["access_token"]).permissions == {"jobs:create"}
    other = register(scopes=["openid"])
    refused = other.token(grant_type="client_credentials", client_id=other.client_id, client_secret=other.secret)
    assert refused.json()["error"] == "unauthorized_client"
    assert ann.delete(f"/oauth/clients/{app.client_id}").status_code == 204
    gone = api.call("GET", "/user", token=body["access_token"])
    api.refused(gone, 401, "invalid_token", "the access token's client does not exist")
