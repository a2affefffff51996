"""Every route for every kind of caller: one table says who may, and one boot asks them all.

The table is written from the contract (auth.md §3.0, decisions 12 and 42 to 45) and the README, not from the mounts: a
route that is mounted and not listed fails here, and so does one that is listed and not mounted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from reactor_kernel.api import AuthClient
from reactor_kernel.testing.project import ADMIN_TOKEN

SECRET = "an internal secret of more than thirty-two characters"
CALLBACK = "http://localhost:7777/callback"
NOBODY = "019213f5-0000-7000-8000-00000000dead"
OK = "ok"

# People with an account, by what they are in the organisation `acme`; a clerk has a role of its own with `auth:*`.
MEMBERS = ("member", "admin", "clerk", "owner")
PEOPLE = ("stranger", *MEMBERS, "operator")
# What acts for the owner of `acme`: a key with all it may (`key`), one for data only, a delegated token that may read
# the organisation, the token of an OAuth client.
PROXIES = ("key", "data_key", "delegated", "app")
MACHINES = ("client", "service")
NOBODIES = ("anonymous", "disabled", "ended", "admin_token", "platform")
CALLERS = (*PEOPLE, *PROXIES, *MACHINES, *NOBODIES)

Rule = Mapping[str, str]


def rule(base: Mapping[str, str], outcome: str, *callers: str, **single: str) -> dict[str, str]:
    """`base`, but these callers get `outcome`, and single ones what stands beside their name."""
    assert set(callers) | set(single) <= set(CALLERS)
    return {**base, **dict.fromkeys(callers, outcome), **single}


DENIED = "403 permission_denied"
ANYONE = dict.fromkeys(CALLERS, OK)
# Whoever needs a credential and has none, or one that is worth nothing any more, or one that is for something else.
REFUSED = rule(
    dict.fromkeys(CALLERS, DENIED),
    "401 unauthorized",
    "anonymous",
    "platform",
    disabled="403 user_disabled",
    ended="401 session_revoked",
    admin_token="401 invalid_token",
)
# People only: what manages accounts, keys, tokens, sessions and factors (README, "API keys, delegated tokens, services").
PERSON = rule(REFUSED, OK, *PEOPLE)
# Also what acts for a person, except an application, which learns of an account what userinfo tells.
ACCOUNT = rule(PERSON, OK, "key", "data_key", "delegated")
OUTSIDE = rule(REFUSED, "403 not_org_member", "stranger", "operator")
# Membership suffices for people, the rest needs the permission to read.
ORG_READ = rule(OUTSIDE, OK, *MEMBERS, "key", "delegated")
# What everybody may know of the own permissions, in the active organisation.
OWN_PERMISSIONS = rule(OUTSIDE, OK, *MEMBERS, *PROXIES)
# `own`, `adm` of §3.0, each with the permission that does as well.
OWNERS = rule(OUTSIDE, OK, "owner", "clerk", "key")
ADMINS = rule(OWNERS, OK, "admin")
# Making credentials, or clients, in the active organisation.
MEMBERS_THEMSELVES = rule(OUTSIDE, OK, *MEMBERS)
CLIENT_ADMINS = rule(OUTSIDE, OK, "owner", "admin", "clerk")
# By id and without an organisation: strangers do not learn that it exists.
CLIENT_BY_ID = rule(CLIENT_ADMINS, "404 oauth_client_not_found", "stranger", "operator")
ADMIN_TOKEN_ONLY = rule(dict.fromkeys(CALLERS, "401 unauthorized"), OK, "admin_token")
PLATFORM_ONLY = rule(dict.fromkeys(CALLERS, "401 unauthorized"), OK, "platform")
# kernel.md §4.6: a user, then its scope; everybody else is told to sign in as one. Tokens of applications are turned away
# before that: none of their scopes is for a route of this plugin.
OPERATORS = rule(
    rule(REFUSED, "403 missing_scope", *PEOPLE),
    "401 authentication_required",
    *("key", "data_key", "delegated", "service", "anonymous", "platform"),
    operator=OK,
)
# The admin token stands in the Authorization header here, so any other credential is a wrong one.
BOOTSTRAP = rule(
    dict.fromkeys(CALLERS, "401 invalid_token"),
    "401 authentication_required",
    "anonymous",
    "platform",
    admin_token="400 validation_error",
)
# Anonymous callers are told what signing up would join; others join, if it was sent to them.
ACCEPT = rule(REFUSED, "403 invitation_email_mismatch", *PEOPLE, anonymous=OK, platform=OK)


def own(code: str, holder: str = "owner") -> dict[str, str]:
    """What belongs to one person; to others it does not exist."""
    return rule(PERSON, f"404 {code}", *(person for person in PEOPLE if person != holder))


class Route:
    """A row: who may, with what request, and what whoever may gets (`ok`: any success)."""

    def __init__(self, path: str, rule: Rule, *, ok: str = OK, org: str | None = None, **request: Any) -> None:
        self.method, self.path = path.split(" ")
        self.refuses = {caller for caller, outcome in rule.items() if outcome != OK}
        self.expected = {caller: ok if outcome == OK else outcome for caller, outcome in rule.items()}
        self.org = org
        self.request = request


AUTH = "/auth/v1"
AUTHORIZE = {
    "client_id": "reactor-cli",
    "response_type": "code",
    "redirect_uri": CALLBACK,
    "code_challenge": "a" * 43,
    "scope": "openid",
}
TABLE: list[Route] = []


def routes(prefix: str, *rows: Route) -> None:
    for row in rows:
        row.path = prefix + row.path
        TABLE.append(row)


routes(
    AUTH,
    Route("POST /signup", ANYONE, json={"email": "new@example.com", "password": "correct horse"}),
    Route("POST /login", ANYONE, json={"email": "mate@example.com", "password": "correct horse"}),
    Route(
        "POST /token",
        ANYONE,
        json={"grant_type": "password", "email": "mate@example.com", "password": "correct horse"},
    ),
    Route("GET /logout", ANYONE),
    # By the refresh token in the body for whoever has no session of its own; keys and delegated tokens manage no sessions.
    Route(
        "POST /logout",
        rule(ANYONE, DENIED, "key", "data_key", "delegated"),
        json={"refresh_token": "{refresh_token}"},
    ),
    Route("GET /verify", ANYONE, ok="401 invalid_token", params={"token": "x"}),
    Route("POST /verify", ANYONE, ok="401 invalid_token", json={"token": "x"}),
    Route("POST /verify/resend", ANYONE, json={"email": "mate@example.com"}),
    Route("POST /resend", ANYONE, json={"email": "mate@example.com"}),
    Route("POST /password-reset/request", ANYONE, json={"email": "mate@example.com"}),
    Route("POST /recover", ANYONE, json={"email": "mate@example.com"}),
    Route(
        "POST /password-reset/confirm",
        ANYONE,
        ok="401 invalid_token",
        json={"token": "x", "new_password": "battery staple"},
    ),
    Route("GET /reset", ANYONE),
    Route("POST /reset", ANYONE, data={"email": "mate@example.com"}),
    Route("POST /otp", ANYONE, json={"email": "mate@example.com"}),
    Route("GET /authorize", ANYONE, params=AUTHORIZE),
    # Browsers carry no bearer: the form's own token decides, and these forms have none.
    Route("POST /authorize", ANYONE, ok="403 page", data=AUTHORIZE),
    Route("GET /device", ANYONE),
    Route("POST /device", ANYONE, ok="403 page", data={"user_code": "BCDF-GHJK"}),
    Route("GET /account", ANYONE),
    Route("POST /account", ANYONE, ok="403 page", data={"step": "app"}),
    Route("POST /device/code", ANYONE, data={"client_id": "reactor-cli"}),
    Route("GET /callback", ANYONE, ok="400 invalid_state", params={"state": "x"}),
    Route("GET /callback/{provider}", ANYONE, ok="400 invalid_state", params={"state": "x"}),
    Route("GET /providers", ANYONE),
    # The client proves itself in the body.
    Route(
        "POST /introspect",
        ANYONE,
        data={"client_id": "{client_id}", "client_secret": "{client_secret}", "token": "x"},
    ),
    Route("POST /revoke", ANYONE, data={"client_id": "{client_id}", "client_secret": "{client_secret}", "token": "x"}),
    Route("POST /webauthn/login/start", ANYONE, json={}),
    Route("POST /webauthn/login/finish", ANYONE, ok="401 invalid_token", json={"session_id": "x", "credential": {}}),
    Route("GET /keys", ANYONE),
    Route("GET /.well-known/jwks.json", ANYONE),
    Route("GET /.well-known/openid-configuration", ANYONE),
    Route("GET /health", ANYONE),
    Route("GET /openapi.json", ANYONE),
    Route("POST /invitations/accept", ACCEPT, json={"token": "{invite_token}"}),
    Route("POST /orgs/{ref}/invitations/{invite_token}/accept", ACCEPT),
    # The account.
    Route("GET /me", ACCOUNT),
    Route("GET /user", ACCOUNT),
    Route("PATCH /user", PERSON, json={"metadata": {}}),
    # Owners of an organisation leave it to somebody first; whoever has a second factor has it fresh here.
    Route("DELETE /user", rule(PERSON, "403 last_owner", "owner", "stranger")),
    Route("GET /user/sessions", PERSON),
    Route("DELETE /user/sessions", PERSON, params={"scope": "all"}),
    Route("DELETE /user/sessions/{session_id}", own("session_not_found")),
    Route("GET /user/export", PERSON),
    Route("GET /user/identities", PERSON),
    Route("DELETE /user/identities/{identity}", PERSON, ok="404 identity_not_found"),
    Route("POST /user/identities/{provider}/link", PERSON, json={}),
    Route("GET /user/consents", PERSON),
    Route("DELETE /user/consents/{client_id}", PERSON, ok="404 consent_not_found"),
    Route("GET /userinfo", rule(ACCOUNT, OK, "app")),
    Route("POST /userinfo", rule(ACCOUNT, OK, "app")),
    Route("GET /api-keys", PERSON),
    Route("POST /api-keys", MEMBERS_THEMSELVES, org="acme", json={"name": "k"}),
    Route("POST /keys", MEMBERS_THEMSELVES, org="acme", json={"name": "k"}),
    Route("DELETE /api-keys/{key_id}", own("api_key_not_found")),
    Route("DELETE /keys/{key_id}", own("api_key_not_found")),
    Route("POST /tokens/delegate", MEMBERS_THEMSELVES, org="acme", json={"scopes": ["auth:orgs:read"]}),
    Route("GET /factors", PERSON),
    Route("POST /factors", PERSON, json={"factor_type": "totp"}),
    Route("POST /factors/recovery", PERSON, ok="401 invalid_code", json={"code": "aaaaa-aaaaa"}),
    # Codes replace a second factor, so whoever has none is asked for it.
    Route("POST /factors/recovery-codes", rule(PERSON, "403 mfa_required", "stranger", *MEMBERS)),
    Route("DELETE /factors/{factor_id}", own("factor_not_found", "operator")),
    Route("POST /factors/{factor_id}/verify", own("factor_not_found", "operator"), json={"code": "{code}"}),
    Route("POST /webauthn/register/start", PERSON, json={}),
    Route("POST /webauthn/register/finish", PERSON, ok="401 invalid_token", json={"session_id": "x", "credential": {}}),
    Route("POST /webauthn/authenticate/start", PERSON, ok="400 validation_error", json={}),
    Route(
        "POST /webauthn/authenticate/finish", PERSON, ok="401 invalid_token", json={"session_id": "x", "credential": {}}
    ),
    Route("GET /webauthn/credentials", PERSON),
    Route("PATCH /webauthn/credentials/{credential_id}", PERSON, ok="404 credential_not_found", json={"name": "n"}),
    Route("DELETE /webauthn/credentials/{credential_id}", PERSON, ok="404 credential_not_found"),
    # Organisations.
    Route("GET /orgs", rule(ACCOUNT, DENIED, "data_key")),
    Route("POST /orgs", PERSON, json={"name": "New", "slug": "new"}),
    Route("GET /orgs/{ref}", ORG_READ),
    Route("PATCH /orgs/{ref}", OWNERS, json={"name": "Acme"}),
    Route("DELETE /orgs/{ref}", OWNERS),
    Route("GET /roles", ORG_READ, org="acme"),
    Route("GET /orgs/{ref}/roles", ORG_READ),
    # Owners and `auth:roles:write`, which administrators hold.
    Route("POST /orgs/{ref}/roles", ADMINS, json={"name": "new", "permissions": ["auth:orgs:read"]}),
    Route("PATCH /orgs/{ref}/roles/{role_id}", ADMINS, json={"description": "d"}),
    Route("DELETE /orgs/{ref}/roles/{role_id}", ADMINS),
    Route("GET /orgs/{ref}/members", ORG_READ),
    Route("GET /orgs/{ref}/members/{user_id}", ORG_READ),
    Route("PATCH /orgs/{ref}/members/{user_id}", ADMINS, json={"role_id": "{role_id}"}),
    Route("PATCH /orgs/{ref}/members/{user_id}/role", ADMINS, json={"role_id": "{role_id}"}),
    Route("DELETE /orgs/{ref}/members/{user_id}", ADMINS),
    Route("GET /orgs/{ref}/invitations", ADMINS),
    Route("POST /orgs/{ref}/invitations", ADMINS, json={"email": "x@example.com", "role_id": "{role_id}"}),
    Route("DELETE /orgs/{ref}/invitations/{invitation}", ADMINS),
    Route("GET /invitations", PERSON),
    Route("DELETE /invitations/{invitation}", rule(ADMINS, "404 invitation_not_found", "stranger", "operator")),
    # Decision 45: owners and `auth:audit:read`, which administrators hold.
    Route("GET /orgs/{ref}/audit", ADMINS),
    Route("GET /permissions", OWN_PERMISSIONS, org="acme"),
    Route("POST /permissions", OWN_PERMISSIONS, org="acme", json={"permissions": ["a:b"]}),
    Route("POST /permissions/check", OWN_PERMISSIONS, org="acme", json={"permissions": ["a:b"]}),
    Route("GET /permissions/ctx", OWN_PERMISSIONS, org="acme"),
    # OAuth clients are credentials too, so only people manage them.
    Route("GET /oauth/clients", CLIENT_ADMINS, org="acme"),
    Route("POST /oauth/clients", CLIENT_ADMINS, org="acme", json={"name": "n", "redirect_uris": [CALLBACK]}),
    Route("GET /oauth/clients/{client_id}", CLIENT_BY_ID),
    Route("PATCH /oauth/clients/{client_id}", CLIENT_BY_ID, json={"name": "n"}),
    Route("DELETE /oauth/clients/{client_id}", CLIENT_BY_ID),
    Route("POST /oauth/clients/{client_id}/secret", CLIENT_BY_ID),
    # Other processes of the platform.
    Route("POST /_internal/resolve_ctx", PLATFORM_ONLY, json={"token": "{access_token}"}),
    Route("POST /_internal/service_token", PLATFORM_ONLY, json={"org": "acme", "caller": "jobs", "scopes": ["data:*"]}),
    Route("GET /users/{user_id}", PLATFORM_ONLY),
)
routes(
    "",
    Route("GET /.well-known/oauth-authorization-server/auth/v1", ANYONE),
    Route("POST /_internal/resolve_ctx", PLATFORM_ONLY, json={"token": "{access_token}"}),
)
routes(
    f"{AUTH}/_admin",
    Route("POST /rotate-keys", ADMIN_TOKEN_ONLY, json={}),
    Route("GET /outbox", ADMIN_TOKEN_ONLY),
    Route("PATCH /oauth/clients/{client_id}", ADMIN_TOKEN_ONLY, json={"first_party": True}),
    Route("GET /users", ADMIN_TOKEN_ONLY),
    Route("POST /users", ADMIN_TOKEN_ONLY, json={"email": "x@example.com"}),
    Route("GET /users/{user_id}", ADMIN_TOKEN_ONLY),
    Route("PATCH /users/{user_id}", ADMIN_TOKEN_ONLY, json={"metadata": {}}),
    Route("DELETE /users/{user_id}", ADMIN_TOKEN_ONLY),
    Route("DELETE /users/{user_id}/factors", ADMIN_TOKEN_ONLY),
    Route("GET /users/{user_id}/sessions", ADMIN_TOKEN_ONLY),
    Route("DELETE /users/{user_id}/sessions", ADMIN_TOKEN_ONLY),
    Route("DELETE /users/{user_id}/sessions/{session_id}", ADMIN_TOKEN_ONLY),
    Route("GET /orgs", ADMIN_TOKEN_ONLY),
    Route("POST /orgs", ADMIN_TOKEN_ONLY, json={"name": "x", "slug": "x", "owner": "mate@example.com"}),
    Route("GET /orgs/{ref}", ADMIN_TOKEN_ONLY),
    Route("PATCH /orgs/{ref}", ADMIN_TOKEN_ONLY, json={"name": "x"}),
    Route("DELETE /orgs/{ref}", ADMIN_TOKEN_ONLY),
    Route("GET /orgs/{ref}/roles", ADMIN_TOKEN_ONLY),
    Route("GET /orgs/{ref}/members", ADMIN_TOKEN_ONLY),
    Route("POST /orgs/{ref}/members", ADMIN_TOKEN_ONLY, json={"user_id": "stranger@example.com"}),
    Route("PATCH /orgs/{ref}/members/{user_id}", ADMIN_TOKEN_ONLY, json={"role": "admin"}),
    Route("DELETE /orgs/{ref}/members/{user_id}", ADMIN_TOKEN_ONLY),
)
for surface in (AUTH, "/_ops/v1"):
    routes(
        f"{surface}/operators",
        Route("GET /status", rule(OPERATORS, OK, "admin_token")),
        Route("POST /bootstrap", BOOTSTRAP, json={"email": "mate@example.com"}),
        Route("POST /promote", OPERATORS, json={"email": "mate@example.com"}),
        Route("POST /demote", OPERATORS, ok="404 user_not_found", json={"email": "mate@example.com"}),
        Route("POST /remove-factors", OPERATORS, json={"email": "mate@example.com"}),
    )
routes("/_ops/v1", Route("GET /audit", OPERATORS))


@pytest.fixture
def auth_config(auth_config: dict[str, Any], frozen_clock: Any) -> dict[str, Any]:
    github = {"client_id": "reactor", "client_secret": "shared with github"}
    return auth_config | {
        "public_url": "http://localhost:8000",
        "internal_secret": SECRET,
        "social": {"github": github},
    }


class Stage:
    """One organisation with all callers, put back as it was after every call that may have changed something."""

    def __init__(self, api: Any, enrol: Callable[[Any], Any]) -> None:
        self.api = api
        self.tokens: dict[str, str | None] = {"anonymous": None, "platform": None, "admin_token": ADMIN_TOKEN}
        people = {name: api.sign_up(f"{name}@example.com") for name in (*PEOPLE, "mate", "disabled", "ended")}
        owner = people["owner"]
        acme = owner.make_org("acme")
        people["stranger"].make_org("zoo")
        made = owner.post("/orgs/acme/roles", {"name": "clerk", "permissions": ["auth:*"]})
        spare = owner.post("/orgs/acme/roles", {"name": "spare", "permissions": ["auth:orgs:read"]})
        assert (made.status_code, spare.status_code) == (201, 201)
        for name, role in (("member", "member"), ("admin", "admin"), ("clerk", "clerk"), ("mate", "member")):
            api.join(acme, people[name], role)
        api.join(acme, people["disabled"], "owner")
        api.join(acme, people["ended"], "admin")
        first = {"email": "operator@example.com"}
        answer = api.call("POST", "/operators/bootstrap", token=ADMIN_TOKEN, json=first)
        assert answer.status_code == 200, answer.text
        factor = enrol(api.sign_in("operator@example.com"))
        self.tokens |= {name: person.access_token for name, person in people.items()}
        self.tokens["operator"] = factor.tokens["access_token"]

        other = api.sign_in("owner@example.com")
        [[session_id]] = api.sql(
            "SELECT id::text FROM _reactor_auth.sessions ORDER BY created_at DESC, id DESC LIMIT 1"
        )
        key = self.made(owner.post("/api-keys", {"name": "all"}))
        spare_key = self.made(owner.post("/api-keys", {"name": "spare"}))
        self.tokens["key"] = key["key"]
        self.tokens["data_key"] = self.made(owner.post("/api-keys", {"name": "d", "scopes": ["data:*:read"]}))["key"]
        reads = ["auth:orgs:read", "auth:members:read", "auth:roles:read"]
        delegated = owner.post("/tokens/delegate", {"scopes": reads})
        self.tokens["delegated"] = delegated.json()["access_token"]
        registered = self.made(
            owner.post(
                "/oauth/clients",
                {
                    "name": "Notes",
                    "redirect_uris": [CALLBACK],
                    "scopes": ["openid", "auth:orgs:write", "data:*"],
                    "grants": ["authorization_code", "refresh_token", "client_credentials"],
                },
            )
        )
        client = {"client_id": registered["client_id"], "client_secret": registered["client_secret"]}
        self.tokens["app"] = self.token_of_app(client)
        own = api.call("POST", "/token", data={**client, "grant_type": "client_credentials"})
        self.tokens["client"] = own.json()["access_token"]
        self.tokens["service"] = api.kernel.service(AuthClient).mint_service_identity("acme", "jobs", ["*"])
        invited = self.made(owner.post("/orgs/acme/invitations", {"email": "guest@example.com"}))

        for name, change in (("disabled", {"disabled": True}), ("ended", None)):
            if change is None:
                answer = people[name].post("/logout")
            else:
                answer = api.call("PATCH", f"/_admin/users/{people[name].id}", token=ADMIN_TOKEN, json=change)
            assert answer.status_code in (200, 204), answer.text
        self.values = {
            "ref": "acme",
            "user_id": people["mate"].id,
            "role_id": spare.json()["id"],
            "session_id": session_id,
            "key_id": spare_key["id"],
            "invitation": invited["id"],
            "invite_token": invited["invite_link"].split("invite_token=")[1],
            "factor_id": factor.id,
            "code": factor.code(),
            "identity": NOBODY,
            "credential_id": NOBODY,
            "provider": "github",
            "access_token": other.access_token,
            "refresh_token": people["mate"].refresh_token,
            **client,
        }
        self.remember()

    @staticmethod
    def made(answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def token_of_app(self, client: Mapping[str, str]) -> str:
        """Sign the owner in to a client on the pages; the server's administrator spares the question of consent."""
        path = f"/_admin/oauth/clients/{client['client_id']}"
        assert self.api.call("PATCH", path, token=ADMIN_TOKEN, json={"first_party": True}).status_code == 200
        # The S256 challenge of the verifier in RFC 7636, appendix B.
        verifier, challenge = (
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        )
        asked = AUTHORIZE | {
            "client_id": client["client_id"],
            "code_challenge": challenge,
            "scope": "openid auth:orgs:write data:*",
        }
        page = self.api.call("GET", "/authorize", params=asked)
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
        page = self.api.call(
            "POST",
            "/authorize",
            data={**fields, "step": "signin", "email": "owner@example.com", "password": "correct horse"},
        )
        assert page.status_code == 303, page.text
        code = httpx.URL(page.headers["Location"]).params["code"]
        sent = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": CALLBACK}
        answer = self.api.call("POST", "/token", data={**sent, **client})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def remember(self) -> None:
        """Keep a copy of every table, and a function that puts the copies back."""
        self.api.sql("CREATE SCHEMA stage")
        self.api.sql(
            "DO $$ DECLARE t text; BEGIN "
            "FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = '_reactor_auth' LOOP "
            "EXECUTE format('CREATE TABLE stage.%1$I AS TABLE _reactor_auth.%1$I', t); END LOOP; END $$"
        )
        # Rows come back in any order, so foreign keys are looked at last. A role is kept by its members even then.
        self.api.sql(
            "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint "
            "WHERE contype = 'f' AND connamespace = '_reactor_auth'::regnamespace LOOP "
            "EXECUTE format('ALTER TABLE %s ALTER CONSTRAINT %I DEFERRABLE', c.t, c.conname); END LOOP; END $$"
        )
        self.api.sql(
            "CREATE FUNCTION stage.restore() RETURNS void LANGUAGE plpgsql AS $$ DECLARE t text; BEGIN "
            "SET CONSTRAINTS ALL DEFERRED; DELETE FROM _reactor_auth.memberships; "
            "FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'stage' LOOP "
            "EXECUTE format('DELETE FROM _reactor_auth.%1$I', t); END LOOP; "
            "FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'stage' LOOP "
            "EXECUTE format('INSERT INTO _reactor_auth.%1$I OVERRIDING SYSTEM VALUE TABLE stage.%1$I', t); "
            "END LOOP; END $$"
        )

    def filled(self, value: Any) -> Any:
        """Put the ids of the stage in the place of their names."""
        if isinstance(value, str):
            return re.sub(r"\{(\w+)\}", lambda found: self.values[found[1]], value)
        if isinstance(value, dict):
            return {name: self.filled(item) for name, item in value.items()}
        return value

    def call(self, caller: str, route: Route, *, body: bytes | None = None) -> str:
        """Call a route, with its own request or another body; return what became of it."""
        headers = {"X-Reactor-Internal-Secret": SECRET} if caller == "platform" else {}
        if self.tokens[caller] is not None:
            headers["Authorization"] = f"Bearer {self.tokens[caller]}"
        if route.org is not None:
            headers["X-Reactor-Org"] = route.org
        self.api.client.cookies.clear()
        sent = {name: self.filled(value) for name, value in route.request.items()}
        if body is not None:
            headers["Content-Type"] = "application/json"
            sent = {"content": body}
        answer = self.api.client.request(route.method, self.filled(route.path), headers=headers, **sent)
        if route.method != "GET" and answer.status_code < 400:
            self.api.sql("SELECT stage.restore()")
        return outcome(answer)


def outcome(answer: httpx.Response) -> str:
    """`ok`, or the status with the code, or with what stands in a code's place."""
    if answer.status_code < 400:
        return OK
    if not answer.headers["Content-Type"].startswith("application/json"):
        return f"{answer.status_code} page"
    error = answer.json()["error"]
    return f"{answer.status_code} {error if isinstance(error, str) else error['code']}"


@pytest.fixture
def stage(api: Any, enrol: Callable[[Any], Any]) -> Stage:
    return Stage(api, enrol)


def decided_by_kind(route: Route, caller: str) -> bool:
    """Tell whether a refusal is about what the credential is; rights in an organisation are looked at with its rows."""
    if caller not in route.refuses or (caller in PEOPLE and route.expected[caller] != "403 missing_scope"):
        return False
    return caller not in PROXIES or all(route.expected[proxy] == DENIED for proxy in PROXIES)


def shape(path: str) -> str:
    """A path with its parameters' names left out."""
    return re.sub(r"\{\w+\}", "{}", path)


def test_every_route_is_listed(kernel):
    mounted = {(route.method, shape(route.path)) for route in kernel.app.routes() if route.plugin == "auth"}
    listed = [(route.method, shape(route.path)) for route in TABLE]
    assert sorted(mounted - set(listed)) == [], "mounted, but nobody said who may call it"
    assert sorted(set(listed) - mounted) == [], "listed, but not mounted"
    assert len(listed) == len(set(listed))


def test_every_caller_gets_what_the_table_says(stage):
    surprises = []
    for route in TABLE:
        for caller in CALLERS:
            found = stage.call(caller, route)
            if found != route.expected[caller]:
                surprises.append(f"{route.method} {route.path} as {caller}: {found}, not {route.expected[caller]}")
            # The admin token may stand in the body of bootstrap, so that one is read first.
            if "json" in route.request and decided_by_kind(route, caller) and not route.path.endswith("/bootstrap"):
                found = stage.call(caller, route, body=b"{")
                if found != route.expected[caller]:
                    surprises.append(f"{route.method} {route.path} as {caller} looks at the body first: {found}")
    assert surprises == [], "\n".join(["", *surprises])
