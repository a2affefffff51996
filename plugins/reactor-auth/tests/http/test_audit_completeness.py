"""Every route that changes something writes its audit rows in the transaction of the change.

A new route must be listed in `CHANGES`, or in one of the lists after it for its reason; otherwise the first test fails and
names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from reactor_auth.http.mounts import mounts
from reactor_auth.tables import metadata
from reactor_kernel.testing.project import ADMIN_TOKEN

PASSWORD = "correct horse"
SECRET = "internal-secret-of-this-platform-0123456789"
INTERNAL = {"X-Reactor-Internal-Secret": SECRET}
# Counters, which are kept on purpose when the rest is rolled back, and the audit logs themselves.
APART = {"rate_windows", "sign_in_attempts", "audit_events", "ops_audit_log"}


@pytest.fixture
def auth_config(auth_config):
    # A name, because passkeys do not work under an IP address.
    auth_config |= {"public_url": "http://localhost:8000", "internal_secret": SECRET}
    auth_config["social"] = {
        "plain": {
            "client_id": "reactor",
            "authorize_url": "https://plain.example.com/authorize",
            "token_url": "https://plain.example.com/token",
            "userinfo_url": "https://plain.example.com/userinfo",
        }
    }
    return auth_config


class Stage:
    """A user `me` with an organisation and a second session, a member `other`; new for each change."""

    def __init__(self, api: Any, number: int, make_authenticator: Any) -> None:
        self.api = api
        self.authenticator = make_authenticator()
        # What `Change.prepare` returned.
        self.ready: Any = None
        self.number = number
        self.me = api.sign_up(f"me{number}@example.com")
        self.other = api.sign_up(f"other{number}@example.com")
        self.slug = f"org{number}"
        self.org = self.me.make_org(self.slug)
        api.join(self.org, self.other)
        self.elsewhere = api.sign_in(f"me{number}@example.com")

    def session_of(self, person: Any) -> str:
        return next(str(session["id"]) for session in person.get("/user/sessions").json() if session["current"])

    def admin(self, method: str, path: str, json: Any = None) -> httpx.Response:
        return self.api.call(method, f"/_admin{path}", token=ADMIN_TOKEN, json=json)

    def role(self, name: str) -> str:
        return str(self.api.role_id(self.org, name))

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer: httpx.Response = self.api.call(method, path, **options)
        return answer

    def made(self, person: Any, path: str, body: Any = None) -> Any:
        """What a POST in the organisation answers."""
        answer = person.post(path, body, org=self.slug)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    # -- what calls need to exist ----------------------------------------------------------------------------------

    def address(self, name: str = "me") -> str:
        return f"{name}{self.number}@example.com"

    def confirm(self, name: str = "me") -> None:
        self.api.sql("UPDATE _reactor_auth.users SET email_verified = true WHERE email = $1", self.address(name))

    def token_in_mail(self, template: str) -> str:
        link = self.api.link(self.api.mails(self.address(), template)[-1])
        return str(link.split("token=")[1].split("&")[0])

    def reset_token(self) -> str:
        self.confirm()
        self.call("POST", "/password-reset/request", json={"email": self.address()})
        return self.token_in_mail("password_reset")

    def invitation(self) -> tuple[Any, str, str]:
        """Somebody invited, the token in the link, and the invitation's id."""
        guest = self.api.sign_up(self.address("guest"))
        self.confirm("guest")
        made = self.made(self.me, f"/orgs/{self.slug}/invitations", {"email": self.address("guest")})
        return guest, made["invite_link"].partition("?invite_token=")[2], made["id"]

    def custom_role(self) -> str:
        return str(
            self.made(self.me, f"/orgs/{self.slug}/roles", {"name": "own", "permissions": ["data:a:read"]})["id"]
        )

    def key(self) -> str:
        return str(self.made(self.me, "/api-keys", {"name": "robot"})["id"])

    def client(self, **body: Any) -> Any:
        wanted = {"name": "Notes", "redirect_uris": ["https://notes.example.com/back"], "scopes": ["openid"], **body}
        return self.made(self.me, "/oauth/clients", wanted)

    def credentials_of_client(self) -> dict[str, str]:
        made = self.client()
        return {name: made[name] for name in ("client_id", "client_secret")}

    def consent(self) -> str:
        client_id = str(self.client()["client_id"])
        self.api.sql(
            "INSERT INTO _reactor_auth.oauth_consents (user_id, client_id, scopes, granted_at) "
            "VALUES ($1, $2, '{openid}', clock_timestamp())",
            self.me.id,
            client_id,
        )
        return client_id

    def app(self) -> tuple[str, str, str]:
        """An authenticator app that has yet to prove itself: its path, its code of now and the next one."""
        from pyotp import TOTP

        made = self.made(self.me, "/factors", {"factor_type": "totp"})
        # Taken now: half a minute later the first one may be too old.
        now, totp = self.api.kernel.clock.now(), TOTP(made["totp"]["secret"])
        return f"/factors/{made['id']}", totp.at(now), totp.at(now, counter_offset=1)

    def proven_app(self) -> tuple[str, list[str]]:
        """A verified authenticator app: its path, and the recovery codes."""
        path, code, _ = self.app()
        return path, self.made(self.me, f"{path}/verify", {"code": code})["recovery_codes"]

    def ceremony(self, kind: str) -> dict[str, Any]:
        """The body that finishes a ceremony with a passkey."""
        begun = self.made(self.me, f"/webauthn/{kind}/start", {})
        answer = self.authenticator.create if kind == "register" else self.authenticator.get
        return {"session_id": begun["session_id"], "credential": answer(begun["options"])}

    def passkey(self) -> str:
        self.made(self.me, "/webauthn/register/finish", self.ceremony("register"))
        self.made(self.me, "/webauthn/authenticate/finish", self.ceremony("authenticate"))
        [found] = self.me.get("/webauthn/credentials").json()["credentials"]
        return f"/webauthn/credentials/{found['id']}"

    def identity(self) -> str:
        self.api.sql(
            "INSERT INTO _reactor_auth.identities (id, user_id, provider, provider_uid, created_at, last_used_at) "
            "VALUES (gen_random_uuid(), $1, 'plain', $2, clock_timestamp(), clock_timestamp())",
            self.me.id,
            self.me.id,
        )
        [found] = self.me.get("/user/identities").json()
        return f"/user/identities/{found['id']}"

    def operator(self) -> str:
        """The token of the only operator there is, with a fresh second factor."""
        self.no_operator()
        assert self.ops("bootstrap", ADMIN_TOKEN, "me").status_code == 200
        self.me = self.api.sign_in(self.address())
        path, code, _ = self.app()
        return str(self.made(self.me, f"{path}/verify", {"code": code})["access_token"])

    def demotable(self) -> str:
        token = self.operator()
        assert self.ops("promote", token, "other").status_code == 200
        return token

    def no_operator(self) -> None:
        self.api.sql("DELETE FROM _reactor_auth.platform_memberships")

    def ops(self, act: str, token: str, name: str, prefix: str = "/auth/v1") -> httpx.Response:
        answer: httpx.Response = self.api.client.post(
            f"{prefix}/operators/{act}",
            json={"email": self.address(name)},
            headers={"Authorization": f"Bearer {token}"},
        )
        return answer


@dataclass(frozen=True)
class Change:
    """One call that changes something, and the events it is recorded as, in order."""

    call: Callable[[Stage], httpx.Response]
    events: list[str]
    prepare: Callable[[Stage], Any] = lambda stage: None
    # The audit row is all that a token leaves behind that is kept nowhere.
    only_told: bool = False
    # What an attempt uses up whatever comes of it.
    spends: str | None = None


def credentials(stage: Stage, name: str = "me") -> dict[str, str]:
    return {"email": f"{name}{stage.number}@example.com", "password": PASSWORD}


CHANGES: dict[str, Change] = {
    "POST /signup": Change(
        lambda s: s.api.call("POST", "/signup", json=credentials(s, "new")), ["user.signup", "session.created"]
    ),
    "POST /login": Change(lambda s: s.api.call("POST", "/login", json=credentials(s)), ["session.created"]),
    "POST /token": Change(lambda s: s.api.refresh(s.me.refresh_token), ["session.refreshed"]),
    "POST /logout": Change(lambda s: s.me.post("/logout"), ["session.revoked"]),
    "PATCH /user": Change(lambda s: s.me.patch("/user", {"metadata": {"a": 1}}), ["user.updated"]),
    "DELETE /user": Change(lambda s: s.other.delete("/user"), ["session.revoked", "user.deleted"]),
    "DELETE /user/sessions": Change(lambda s: s.me.delete("/user/sessions?scope=others"), ["session.revoked"]),
    "DELETE /user/sessions/{session_id}": Change(
        lambda s: s.me.delete(f"/user/sessions/{s.session_of(s.elsewhere)}"), ["session.revoked"]
    ),
    "POST /orgs": Change(
        lambda s: s.me.post("/orgs", {"name": "New", "slug": f"new{s.number}"}), ["org.created", "member.joined"]
    ),
    "PATCH /orgs/{ref}": Change(lambda s: s.me.patch(f"/orgs/{s.slug}", {"name": "New"}), ["org.updated"]),
    "DELETE /orgs/{ref}": Change(lambda s: s.me.delete(f"/orgs/{s.slug}"), ["org.deleted"]),
    "PATCH /orgs/{ref}/members/{user_id}": Change(
        lambda s: s.me.patch(f"/orgs/{s.slug}/members/{s.other.id}", {"role_id": s.role("admin")}),
        ["member.role_changed"],
    ),
    "PATCH /orgs/{ref}/members/{user_id}/role": Change(
        lambda s: s.me.patch(f"/orgs/{s.slug}/members/{s.other.id}/role", {"role_id": s.role("admin")}),
        ["member.role_changed"],
    ),
    "DELETE /orgs/{ref}/members/{user_id}": Change(
        lambda s: s.me.delete(f"/orgs/{s.slug}/members/{s.other.id}"), ["member.removed"]
    ),
    "POST /_admin/rotate-keys": Change(
        lambda s: s.api.call("POST", "/_admin/rotate-keys", token=ADMIN_TOKEN), ["signing_key.rotated"]
    ),
    # -- the admin token's -------------------------------------------------------------------------------------------
    "POST /_admin/users": Change(
        lambda s: s.admin("POST", "/users", {"email": f"made{s.number}@example.com", "password": PASSWORD}),
        ["user.signup"],
    ),
    "PATCH /_admin/users/{user}": Change(
        lambda s: s.admin("PATCH", f"/users/{s.other.id}", {"email_verified": True}), ["user.updated"]
    ),
    "DELETE /_admin/users/{user}": Change(
        lambda s: s.admin("DELETE", f"/users/{s.other.id}"), ["session.revoked", "user.deleted"]
    ),
    "DELETE /_admin/users/{user}/factors": Change(
        lambda s: s.admin("DELETE", f"/users/{s.me.id}/factors"), ["mfa.removed"], Stage.proven_app
    ),
    "DELETE /_admin/users/{user}/sessions": Change(
        lambda s: s.admin("DELETE", f"/users/{s.other.id}/sessions"), ["session.revoked"]
    ),
    "DELETE /_admin/users/{user}/sessions/{session_id}": Change(
        lambda s: s.admin("DELETE", f"/users/{s.me.id}/sessions/{s.session_of(s.elsewhere)}"), ["session.revoked"]
    ),
    "POST /_admin/orgs": Change(
        lambda s: s.admin("POST", "/orgs", {"name": "Made", "slug": f"made{s.number}", "owner": s.me.id}),
        ["org.created", "member.joined"],
    ),
    "PATCH /_admin/orgs/{ref}": Change(
        lambda s: s.admin("PATCH", f"/orgs/{s.slug}", {"name": "Renamed"}), ["org.updated"]
    ),
    "DELETE /_admin/orgs/{ref}": Change(lambda s: s.admin("DELETE", f"/orgs/{s.slug}"), ["org.deleted"]),
    "POST /_admin/orgs/{ref}/members": Change(
        lambda s: s.admin("POST", f"/orgs/{s.slug}/members", {"user_id": s.ready.id, "role": "member"}),
        ["member.joined"],
        lambda s: s.api.sign_up(f"third{s.number}@example.com"),
    ),
    "PATCH /_admin/orgs/{ref}/members/{user}": Change(
        lambda s: s.admin("PATCH", f"/orgs/{s.slug}/members/{s.other.id}", {"role": "admin"}), ["member.role_changed"]
    ),
    "DELETE /_admin/orgs/{ref}/members/{user}": Change(
        lambda s: s.admin("DELETE", f"/orgs/{s.slug}/members/{s.other.id}"), ["member.removed"]
    ),
    # -- mails and accounts ------------------------------------------------------------------------------------------
    "POST /verify": Change(
        lambda s: s.call("POST", "/verify", json={"type": "signup", "token": s.ready}),
        ["user.verified", "session.created"],
        lambda s: s.token_in_mail("verification"),
    ),
    "POST /password-reset/confirm": Change(
        lambda s: s.call("POST", "/password-reset/confirm", json={"token": s.ready, "new_password": "new horse"}),
        ["user.password_reset", "session.revoked", "session.revoked"],
        Stage.reset_token,
    ),
    "POST /reset": Change(
        lambda s: s.call("POST", "/reset", data={"token": s.ready, "new_password": "new horse"}),
        ["user.password_reset", "session.revoked", "session.revoked"],
        Stage.reset_token,
    ),
    # -- organisations -----------------------------------------------------------------------------------------------
    "POST /orgs/{ref}/roles": Change(
        lambda s: s.me.post(f"/orgs/{s.slug}/roles", {"name": "own", "permissions": ["data:a:read"]}), ["role.created"]
    ),
    "PATCH /orgs/{ref}/roles/{role_id}": Change(
        lambda s: s.me.patch(f"/orgs/{s.slug}/roles/{s.ready}", {"name": "mine"}), ["role.updated"], Stage.custom_role
    ),
    "DELETE /orgs/{ref}/roles/{role_id}": Change(
        lambda s: s.me.delete(f"/orgs/{s.slug}/roles/{s.ready}"), ["role.deleted"], Stage.custom_role
    ),
    "POST /orgs/{ref}/invitations": Change(
        lambda s: s.me.post(f"/orgs/{s.slug}/invitations", {"email": s.address("guest")}), ["invitation.created"]
    ),
    "DELETE /orgs/{ref}/invitations/{invitation}": Change(
        lambda s: s.me.delete(f"/orgs/{s.slug}/invitations/{s.ready[2]}"), ["invitation.revoked"], Stage.invitation
    ),
    "DELETE /invitations/{invitation}": Change(
        lambda s: s.me.delete(f"/invitations/{s.ready[2]}"), ["invitation.revoked"], Stage.invitation
    ),
    "POST /invitations/accept": Change(
        lambda s: s.ready[0].post("/invitations/accept", {"token": s.ready[1]}),
        ["invitation.accepted", "member.joined"],
        Stage.invitation,
    ),
    "POST /orgs/{ref}/invitations/{invitation}/accept": Change(
        lambda s: s.ready[0].post(f"/orgs/{s.slug}/invitations/{s.ready[1]}/accept"),
        ["invitation.accepted", "member.joined"],
        Stage.invitation,
    ),
    # -- keys and tokens ---------------------------------------------------------------------------------------------
    "POST /api-keys": Change(lambda s: s.me.post("/api-keys", {"name": "robot"}, org=s.slug), ["apikey.created"]),
    "POST /keys": Change(lambda s: s.me.post("/keys", {"name": "robot"}, org=s.slug), ["apikey.created"]),
    "DELETE /api-keys/{key_id}": Change(lambda s: s.me.delete(f"/api-keys/{s.ready}"), ["apikey.revoked"], Stage.key),
    "DELETE /keys/{key_id}": Change(lambda s: s.me.delete(f"/keys/{s.ready}"), ["apikey.revoked"], Stage.key),
    "POST /tokens/delegate": Change(
        lambda s: s.me.post("/tokens/delegate", {"scopes": ["data:a:read"]}, org=s.slug),
        ["token.delegated"],
        only_told=True,
    ),
    # -- second factors ----------------------------------------------------------------------------------------------
    "POST /factors": Change(lambda s: s.me.post("/factors", {"factor_type": "totp"}), ["mfa.enrolled"]),
    "POST /factors/{factor_id}/verify": Change(
        lambda s: s.me.post(f"{s.ready[0]}/verify", {"code": s.ready[1]}), ["mfa.verified"], Stage.app
    ),
    "DELETE /factors/{factor_id}": Change(lambda s: s.me.delete(s.ready[0]), ["mfa.removed"], Stage.proven_app),
    "POST /factors/recovery": Change(
        lambda s: s.me.post("/factors/recovery", {"code": s.ready[1][0]}), ["mfa.verified"], Stage.proven_app
    ),
    "POST /factors/recovery-codes": Change(
        lambda s: s.me.post("/factors/recovery-codes"), ["mfa.recovery_codes_renewed"], Stage.proven_app
    ),
    "POST /webauthn/register/finish": Change(
        lambda s: s.me.post("/webauthn/register/finish", s.ceremony("register")),
        ["mfa.enrolled"],
        spends="webauthn_challenges",
    ),
    "POST /webauthn/authenticate/finish": Change(
        lambda s: s.me.post("/webauthn/authenticate/finish", s.ceremony("authenticate")),
        ["mfa.verified"],
        Stage.passkey,
        spends="webauthn_challenges",
    ),
    "POST /webauthn/login/finish": Change(
        lambda s: s.call("POST", "/webauthn/login/finish", json=s.ceremony("login")),
        ["session.created"],
        Stage.passkey,
        spends="webauthn_challenges",
    ),
    "PATCH /webauthn/credentials/{credential_id}": Change(
        lambda s: s.me.patch(s.ready, {"name": "blue"}), ["mfa.renamed"], Stage.passkey
    ),
    "DELETE /webauthn/credentials/{credential_id}": Change(
        lambda s: s.me.delete(s.ready), ["mfa.removed"], Stage.passkey
    ),
    # -- OAuth -------------------------------------------------------------------------------------------------------
    "POST /oauth/clients": Change(
        lambda s: s.me.post("/oauth/clients", {"name": "Notes", "redirect_uris": ["https://a.example/b"]}, org=s.slug),
        ["oauth_client.created"],
    ),
    "PATCH /oauth/clients/{client_id}": Change(
        lambda s: s.me.patch(f"/oauth/clients/{s.ready['client_id']}", {"name": "Other"}),
        ["oauth_client.updated"],
        Stage.client,
    ),
    "PATCH /_admin/oauth/clients/{client_id}": Change(
        lambda s: s.call(
            "PATCH", f"/_admin/oauth/clients/{s.ready['client_id']}", token=ADMIN_TOKEN, json={"first_party": True}
        ),
        ["oauth_client.updated"],
        Stage.client,
    ),
    "POST /oauth/clients/{client_id}/secret": Change(
        lambda s: s.me.post(f"/oauth/clients/{s.ready['client_id']}/secret"),
        ["oauth_client.secret_rotated"],
        Stage.client,
    ),
    "DELETE /oauth/clients/{client_id}": Change(
        lambda s: s.me.delete(f"/oauth/clients/{s.ready['client_id']}"), ["oauth_client.deleted"], Stage.client
    ),
    "DELETE /user/consents/{client_id}": Change(
        lambda s: s.me.delete(f"/user/consents/{s.ready}"), ["oauth.consent_withdrawn"], Stage.consent
    ),
    "POST /device/code": Change(
        lambda s: s.call("POST", "/device/code", data={"client_id": "reactor-cli"}), ["oauth.device_requested"]
    ),
    # -- other providers, operators ----------------------------------------------------------------------------------
    "DELETE /user/identities/{identity}": Change(lambda s: s.me.delete(s.ready), ["identity.unlinked"], Stage.identity),
    **{
        f"POST {prefix}/operators/{act}": Change(
            lambda s, act=act, name=name, prefix=prefix: s.ops(  # type: ignore[misc]
                act, s.ready or ADMIN_TOKEN, name, prefix or "/auth/v1"
            ),
            recorded,
            prepare,
        )
        for prefix in ("", "/_ops/v1")
        for act, name, recorded, prepare in (
            ("bootstrap", "me", ["operator.granted"], Stage.no_operator),
            ("promote", "other", ["operator.granted"], Stage.operator),
            ("demote", "other", ["session.revoked", "operator.revoked"], Stage.demotable),
            ("remove-factors", "me", ["mfa.removed"], Stage.operator),
        )
    },
}
CHANGES_NOTHING: dict[str, Callable[[Stage], httpx.Response]] = {
    # Questions, asked with POST because they carry a list.
    "POST /permissions": lambda s: s.me.post("/permissions", {"permissions": ["data:x:read"]}, org=s.slug),
    "POST /permissions/check": lambda s: s.me.post("/permissions/check", {"permissions": ["a:b"]}, org=s.slug),
    # RFC 7662 asks with POST, because a token has no place in a URL; so does OpenID Connect.
    "POST /introspect": lambda s: s.call("POST", "/introspect", data={**s.ready, "token": "x"}),
    "POST /_internal/resolve_ctx": lambda s: s.call(
        "POST", "/_internal/resolve_ctx", headers=INTERNAL, json={"token": s.me.access_token}
    ),
    # A service names itself with a token that is kept nowhere; what it does with it is recorded there.
    "POST /_internal/service_token": lambda s: s.call(
        "POST", "/_internal/service_token", headers=INTERNAL, json={"org": s.slug, "caller": "x", "scopes": ["a:b"]}
    ),
}

# What is only begun: rows that expire unless another route of these lists finishes what they are for. Each writes to this table.
BEGINS: dict[str, tuple[str, Callable[[Stage], httpx.Response]]] = {
    "POST /otp": ("mail_requests", lambda s: s.call("POST", "/otp", json={"email": s.address()})),
    "POST /resend": ("mail_requests", lambda s: s.call("POST", "/resend", json={"email": s.address()})),
    "POST /verify/resend": ("mail_requests", lambda s: s.call("POST", "/verify/resend", json={"email": s.address()})),
    "POST /recover": ("mail_requests", lambda s: s.call("POST", "/recover", json={"email": s.address()})),
    "POST /password-reset/request": (
        "mail_requests",
        lambda s: s.call("POST", "/password-reset/request", json={"email": s.address()}),
    ),
    "POST /webauthn/register/start": ("webauthn_challenges", lambda s: s.me.post("/webauthn/register/start", {})),
    "POST /webauthn/authenticate/start": (
        "webauthn_challenges",
        lambda s: s.me.post("/webauthn/authenticate/start", {}),
    ),
    "POST /webauthn/login/start": ("webauthn_challenges", lambda s: s.call("POST", "/webauthn/login/start")),
    "POST /user/identities/{identity}/link": ("oauth_states", lambda s: s.me.post("/user/identities/plain/link")),
}
# Forms of a browser, and what ends what they gave; the tests named follow them to the end and read the trail.
FOLLOWED: dict[str, str] = {
    "POST /authorize": "oauth/test_trail.py",
    "POST /device": "oauth/test_device.py",
    "POST /account": "oauth/test_account_pages.py",
    "POST /revoke": "oauth/test_trail.py",
    "POST /userinfo": "oauth/test_trail.py",
}


def parts(kernel: Any) -> Any:
    return kernel.enabled[0].instance._auth(kernel.context_for(kernel.enabled[0]))


def state(api: Any) -> dict[str, str | None]:
    """Return a digest of every table but those apart."""
    found = {}
    for table in metadata.sorted_tables:
        if table.name not in APART:
            [[digest]] = api.sql(
                f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM _reactor_auth.{table.name} t"
            )
            found[table.name] = digest
    return found


def events(api: Any) -> list[str]:
    return [str(row[0]) for row in api.sql("SELECT event_type FROM _reactor_auth.audit_events ORDER BY ts, id")]


def test_every_route_is_listed(kernel):
    auth = parts(kernel)
    mounted = {
        f"{method} {mount.path.removeprefix(auth.prefix)}"
        for mount in mounts(auth)
        for method in ("POST", "PUT", "PATCH", "DELETE")
        if hasattr(mount.resource, f"on_{method.lower()}{f'_{mount.suffix}' if mount.suffix else ''}")
    }
    listed = {*CHANGES, *CHANGES_NOTHING, *BEGINS, *FOLLOWED}
    assert mounted - listed == set(), "list these routes in CHANGES with the events they write"
    assert {route for route in listed if not route.startswith("GET ")} - mounted == set(), "these are mounted no more"


def test_a_change_and_its_audit_rows_stand_and_fall_together(api, make_authenticator):
    """Each change twice: while no audit row can be written, then as it should be."""
    for number, (route, change) in enumerate(CHANGES.items()):
        stage = Stage(api, number, make_authenticator)
        stage.ready = change.prepare(stage)
        before, told = state(api), events(api)
        api.sql("ALTER TABLE _reactor_auth.audit_events ADD CONSTRAINT nothing CHECK (false) NOT VALID")
        answer = change.call(stage)
        assert answer.status_code == 500, f"{route} did not need its audit row: {answer.text}"
        api.sql("ALTER TABLE _reactor_auth.audit_events DROP CONSTRAINT nothing")
        changed = {table for table, digest in state(api).items() if digest != before[table]}
        assert changed - {change.spends} == set(), f"{route} changed something without its audit row"
        answer = change.call(stage)
        assert 200 <= answer.status_code < 400, f"{route}: {answer.text}"
        assert (state(api) == before) is change.only_told, f"{route} changed nothing, or more than it says"
        assert events(api)[len(told) :] == change.events, route


def test_what_changes_nothing_writes_nothing(api, make_authenticator):
    stage = Stage(api, 1, make_authenticator)
    stage.ready = stage.credentials_of_client()
    for route, call in CHANGES_NOTHING.items():
        before, told = state(api), events(api)
        answer = call(stage)
        assert answer.status_code == 200, f"{route}: {answer.text}"
        assert (state(api), events(api)) == (before, told), route


def test_what_is_only_begun_touches_nothing_else(api, make_authenticator):
    stage = Stage(api, 1, make_authenticator)
    stage.passkey()
    for route, (table, call) in BEGINS.items():
        before, told = state(api), events(api)
        answer = call(stage)
        assert 200 <= answer.status_code < 300, f"{route}: {answer.text}"
        after = state(api)
        assert [name for name in after if after[name] != before[name]] == [table], route
        assert events(api) == told, route
