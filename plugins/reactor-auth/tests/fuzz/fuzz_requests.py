"""Requests that succeed, each with people and things of its own, so that it does so whatever the fuzz has destroyed."""

from __future__ import annotations

import itertools
import json
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.second_factors import Authenticator

from reactor_kernel.testing.project import ADMIN_TOKEN

INTERNAL_SECRET = "internal-secret-0123456789abcdefghijklmnop"
CALLBACK = "http://localhost:7777/callback"
PASSWORD = "correct horse"
# RFC 7636, appendix B.
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
INTERNAL = {"X-Reactor-Internal-Secret": INTERNAL_SECRET}
AUTHORIZE = {
    "client_id": "reactor-cli",
    "response_type": "code",
    "redirect_uri": CALLBACK,
    "code_challenge": CHALLENGE,
    "scope": "openid",
}


@dataclass
class Ready:
    """A request: parameters of the path, query, body and headers."""

    path: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = JSON


class World:
    """Makes people and what they own through the routes; by SQL only what another server or the post would bring."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self._numbers = itertools.count()

    def name(self, word: str = "n") -> str:
        return f"{word}-{next(self._numbers)}-{secrets.token_hex(4)}"

    def person(self) -> Any:
        return self.api.sign_up(f"{self.name('p')}@example.com")

    def bearer(self, person: Any, org: Mapping[str, Any] | None = None) -> dict[str, str]:
        active = {} if org is None else {"X-Reactor-Org": org["id"]}
        return {"Authorization": f"Bearer {person.access_token}", **active}

    def org(self) -> tuple[Any, dict[str, Any], dict[str, str]]:
        """An owner, the organisation, and the owner's headers in it."""
        owner = self.person()
        org = owner.make_org(self.name("org"))
        return owner, org, self.bearer(owner, org)

    def team(self) -> tuple[Any, dict[str, Any], dict[str, str]]:
        """A member, the organisation, and the owner's headers in it."""
        _, org, headers = self.org()
        member = self.person()
        self.api.join(org, member)
        return member, org, headers

    def client(self) -> tuple[Any, dict[str, Any], dict[str, str]]:
        """An owner, a client of the owner's organisation, and the owner's headers in it."""
        owner, org, headers = self.org()
        body = {"name": "App", "redirect_uris": [CALLBACK], "org_id": org["id"]}
        return owner, made(owner.post("/oauth/clients", body)), headers

    def invited(self) -> tuple[Any, dict[str, Any], str, dict[str, Any]]:
        """Somebody invited, the organisation, the token in the link, and the invitation."""
        owner, org, _ = self.org()
        guest = self.person()
        self.api.sql("UPDATE _reactor_auth.users SET email_verified = true WHERE id = $1", guest.id)
        invitation = made(owner.post(f"/orgs/{org['id']}/invitations", {"email": guest.user["email"]}))
        return guest, org, invitation["invite_link"].rpartition("=")[2], invitation

    def mailed(self, purpose: str) -> str:
        """A token as somebody's mail would carry it."""
        token, person = secrets.token_urlsafe(32), self.person()
        self.api.sql(
            "INSERT INTO _reactor_auth.verification_tokens (id, user_id, email, token_hash, token_type, created_at, expires_at) "
            "VALUES (gen_random_uuid(), $1, $2, sha256(convert_to($3, 'UTF8')), $4, now(), now() + interval '1 hour')",
            person.id,
            person.user["email"],
            token,
            purpose,
        )
        return token

    def app(self, person: Any) -> tuple[str, str]:
        """A new authenticator app: its id and its code."""
        from pyotp import TOTP

        begun = made(person.post("/factors", {"factor_type": "totp"}))
        return begun["id"], TOTP(begun["totp"]["secret"]).at(self.api.kernel.clock.now())

    def stepped_up(self) -> tuple[Any, str, list[str]]:
        """Somebody who has just shown an app: the person, the app's id, the recovery codes."""
        person = self.person()
        factor_id, code = self.app(person)
        done = made(person.post(f"/factors/{factor_id}/verify", {"code": code}))
        person.access_token = done["access_token"]
        return person, factor_id, done["recovery_codes"]

    def passkey(self) -> tuple[Any, Authenticator, str]:
        """Somebody with a passkey shown just now, its authenticator, and its id."""
        person, authenticator = self.person(), Authenticator()
        stored = made(person.post("/webauthn/register/finish", self.ceremony(person, "register", authenticator.create)))
        body = self.ceremony(person, "authenticate", authenticator.get)
        person.access_token = made(person.post("/webauthn/authenticate/finish", body))["access_token"]
        return person, authenticator, stored["credential_id"]

    def ceremony(self, person: Any, kind: str, answer: Callable[[Any], Any]) -> dict[str, Any]:
        """The body that ends a ceremony."""
        begun = made(person.post(f"/webauthn/{kind}/start", {}))
        return {"session_id": begun["session_id"], "credential": answer(begun["options"])}

    def no_operator(self) -> str:
        """The address of somebody who could become the first operator."""
        self.api.sql("DELETE FROM _reactor_auth.platform_memberships")
        return str(self.person().user["email"])

    def operator(self) -> dict[str, str]:
        """The headers of an operator who has shown a second factor."""
        email = self.no_operator()
        made(self.api.call("POST", "/operators/bootstrap", token=ADMIN_TOKEN, json={"email": email}))
        person = self.api.sign_in(email)
        factor_id, code = self.app(person)
        done = made(person.post(f"/factors/{factor_id}/verify", {"code": code}))
        return {"Authorization": f"Bearer {done['access_token']}"}

    def demotable(self) -> Ready:
        headers, email = self.operator(), self.person().user["email"]
        made(self.api.call("POST", "/operators/promote", headers=headers, json={"email": email}))
        return Ready(body={"email": email}, headers=headers)

    def browser(self, path: str, query: Mapping[str, str] | None = None) -> tuple[dict[str, str], dict[str, str]]:
        """The cookies of a browser that has opened a page, and the hidden fields of the page's first form."""
        self.api.client.cookies.clear()
        page = self.api.call("GET", path, params=query)
        return self._seen(page)

    def signed_in(self, path: str) -> tuple[dict[str, str], dict[str, str]]:
        """The same for a browser that has signed in."""
        person = self.person()
        cookies, fields = self.browser(path)
        form = {**fields, "step": "signin", "email": person.user["email"], "password": PASSWORD}
        page = self.api.call("POST", path, data=form, headers=cookies)
        signed, seen = self._seen(page)
        return {"Cookie": f"{cookies['Cookie']}; {signed['Cookie']}"}, seen

    def _seen(self, page: Any) -> tuple[dict[str, str], dict[str, str]]:
        assert page.status_code == 200, page.text
        cookies = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
        self.api.client.cookies.clear()
        form = page.text.partition("<form ")[2].partition("</form>")[0]
        return {"Cookie": cookies}, dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))


def made(answer: Any) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def _role(world: World) -> tuple[dict[str, str], dict[str, str]]:
    owner, org, headers = world.org()
    role = made(owner.post(f"/orgs/{org['id']}/roles", {"name": "writer", "permissions": ["data:*"]}))
    return {"ref": org["slug"], "role_id": role["id"]}, headers


def _delete_role(world: World) -> Ready:
    path, headers = _role(world)
    return Ready(path, headers=headers)


def _change_role(world: World) -> Ready:
    path, headers = _role(world)
    return Ready(path, body={"name": "reader", "permissions": ["data:a:read"], "description": "d"}, headers=headers)


def _member_role(world: World) -> Ready:
    member, org, headers = world.team()
    return Ready(
        {"ref": org["id"], "user_id": member.id}, body={"role_id": world.api.role_id(org, "admin")}, headers=headers
    )


def _admin_member(world: World) -> Ready:
    member, org, _ = world.team()
    return Ready({"ref": org["slug"], "user": member.user["email"]}, body={"role": "admin"}, headers=ADMIN)


def _admin_new_member(world: World) -> Ready:
    _, org, _ = world.org()
    return Ready({"ref": org["id"]}, body={"user_id": world.person().id, "role": "member"}, headers=ADMIN)


def _client(world: World, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> Ready:
    _, client, own = world.client()
    return Ready({"client_id": client["client_id"]}, body=body, headers=own if headers is None else headers)


def _new_client(world: World) -> Ready:
    _, _, headers = world.org()
    return Ready(body={"name": "Notes", "redirect_uris": [CALLBACK], "scopes": ["openid"]}, headers=headers)


def _consent(world: World) -> Ready:
    owner, client, headers = world.client()
    world.api.sql(
        "INSERT INTO _reactor_auth.oauth_consents (user_id, client_id, scopes, granted_at) VALUES ($1, $2, '{openid}', now())",
        owner.id,
        client["client_id"],
    )
    return Ready({"client_id": client["client_id"]}, headers=headers)


def _identity(world: World) -> Ready:
    person = world.person()
    world.api.sql(
        "INSERT INTO _reactor_auth.identities (id, user_id, provider, provider_uid, created_at, last_used_at) "
        "VALUES (gen_random_uuid(), $1, 'plain', $2, now(), now())",
        person.id,
        person.id,
    )
    [found] = person.get("/user/identities").json()
    return Ready({"identity": found["id"]}, headers=world.bearer(person))


def _callback(world: World, path: dict[str, str]) -> Ready:
    world.api.client.cookies.clear()
    sent = world.api.call("GET", "/authorize", params={"provider": "plain"})
    assert sent.status_code == 303, sent.text
    [state] = parse_qs(urlsplit(sent.headers["Location"]).query)["state"]
    cookies = "; ".join(f"{name}={value}" for name, value in sent.cookies.items())
    world.api.client.cookies.clear()
    return Ready(path, {"state": state, "error": "access_denied"}, headers={"Cookie": cookies})


def _invitation(world: World) -> Ready:
    guest, org, token, _ = world.invited()
    return Ready({"ref": org["slug"], "invitation": token}, headers=world.bearer(guest))


def _accept(world: World) -> Ready:
    guest, _, token, _ = world.invited()
    return Ready(body={"token": token}, headers=world.bearer(guest))


def _verify_app(world: World) -> Ready:
    person = world.person()
    factor_id, code = world.app(person)
    return Ready({"factor_id": factor_id}, body={"code": code}, headers=world.bearer(person))


def _recover(world: World) -> Ready:
    person, _, codes = world.stepped_up()
    return Ready(body={"code": codes[0]}, headers=world.bearer(person))


def _remove_app(world: World) -> Ready:
    person, factor_id, _ = world.stepped_up()
    return Ready({"factor_id": factor_id}, headers=world.bearer(person))


def _credential(world: World, body: dict[str, Any] | None = None) -> Ready:
    person, _, credential_id = world.passkey()
    return Ready({"credential_id": credential_id}, body=body, headers=world.bearer(person))


def _register(world: World) -> Ready:
    person = world.person()
    body = world.ceremony(person, "register", Authenticator().create)
    return Ready(body={**body, "name": "blue"}, headers=world.bearer(person))


def _authenticate(world: World) -> Ready:
    person, authenticator, _ = world.passkey()
    return Ready(body=world.ceremony(person, "authenticate", authenticator.get), headers=world.bearer(person))


def _passkey_login(world: World) -> Ready:
    person, authenticator, _ = world.passkey()
    return Ready(body=world.ceremony(person, "login", authenticator.get))


def _sign_in_form(world: World) -> Ready:
    cookies, fields = world.browser("/authorize", AUTHORIZE)
    form = {**fields, "step": "signin", "email": world.person().user["email"], "password": PASSWORD}
    return Ready(body=form, headers=cookies, media_type=FORM)


def _device_form(world: World) -> Ready:
    device = made(world.api.call("POST", "/device/code", data={"client_id": "reactor-cli"}))
    cookies, fields = world.signed_in("/device")
    form = {**fields, "step": "decide", "user_code": device["user_code"], "decision": "allow"}
    return Ready(body=form, headers=cookies, media_type=FORM)


def _account_form(world: World) -> Ready:
    cookies, fields = world.signed_in("/account")
    headers = {**cookies}
    page = world.api.call("POST", "/account", data={**fields, "step": "new_passkey"}, headers=headers)
    world.api.client.cookies.clear()
    options = json.loads(re.findall(r'data-options="([^"]*)"', page.text)[0].replace("&quot;", '"'))
    [ceremony] = re.findall(r'name="ceremony" value="([^"]*)"', page.text)
    credential = json.dumps(Authenticator().create({"publicKey": options}))
    form = {**fields, "step": "new_passkey_done", "ceremony": ceremony, "credential": credential, "name": "blue"}
    return Ready(body=form, headers=headers, media_type=FORM)


def _revoke(world: World) -> Ready:
    form = {"client_id": "reactor-cli", "token": world.person().refresh_token}
    return Ready(body=form, media_type=FORM)


def _delegate(world: World) -> Ready:
    _, _, headers = world.org()
    return Ready(body={"scopes": ["data:a:read"]}, headers=headers)


def _service_token(world: World) -> Ready:
    _, org, _ = world.org()
    return Ready(body={"org": org["slug"], "caller": "jobs", "scopes": ["data:*"]}, headers=INTERNAL)


def _person(world: World, body: dict[str, Any] | None = None) -> Ready:
    return Ready(body=body, headers=world.bearer(world.person()))


def _resolve(world: World) -> Ready:
    return Ready(body={"token": world.person().access_token}, headers=INTERNAL)


def _sign_up(world: World) -> Ready:
    return Ready(body={"email": f"{world.name('new')}@example.com", "password": PASSWORD, "metadata": {"a": [1]}})


def _sign_in(world: World, **more: str) -> Ready:
    return Ready(body={**more, "email": world.person().user["email"], "password": PASSWORD})


def _invite(world: World) -> Ready:
    _, org, headers = world.org()
    role_id = world.api.role_id(org, "member")
    return Ready({"ref": org["slug"]}, body={"email": "guest@example.com", "role_id": role_id}, headers=headers)


def _withdraw(world: World, *, by_org: bool) -> Ready:
    owner, org, headers = world.org()
    invitation = made(owner.post(f"/orgs/{org['id']}/invitations", {"email": "guest@example.com"}))
    return Ready({"invitation": invitation["id"], **({"ref": org["slug"]} if by_org else {})}, headers=headers)


def _new_key(world: World) -> Ready:
    _, org, headers = world.org()
    body = {"name": "ci", "org_id": org["id"], "scopes": ["data:*"], "expires_at": "2099-01-01T00:00:00Z"}
    return Ready(body=body, headers=headers)


def _revoke_key(world: World) -> Ready:
    owner, org, headers = world.org()
    return Ready({"key_id": made(owner.post("/api-keys", {"name": "ci", "org_id": org["id"]}))["id"]}, headers=headers)


def _end_session(world: World) -> Ready:
    person = world.person()
    [session] = person.get("/user/sessions").json()
    return Ready({"session_id": session["id"]}, headers=world.bearer(person))


def _admin_end_session(world: World) -> Ready:
    person = world.person()
    [session] = person.get("/user/sessions").json()
    return Ready({"user": person.id, "session_id": session["id"]}, headers=ADMIN)


def _remove_member(world: World) -> Ready:
    member, org, headers = world.team()
    return Ready({"ref": org["slug"], "user_id": member.id}, headers=headers)


def _admin_remove_member(world: World) -> Ready:
    member, org, _ = world.team()
    return Ready({"ref": org["slug"], "user": member.id}, headers=ADMIN)


def _org(world: World, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> Ready:
    _, org, own = world.org()
    return Ready({"ref": org["slug"]}, body=body, headers=own if headers is None else headers)


def _change_org(world: World) -> Ready:
    return _org(world, {"name": "Name", "slug": world.name("slug"), "metadata": {"a": 1}, "mfa_required_roles": []})


def _new_role(world: World) -> Ready:
    return _org(world, {"name": "writer", "permissions": ["data:*"], "description": "d"})


def _code_of_device(world: World) -> Ready:
    return Ready(body={"client_id": "reactor-cli", "scope": "openid"}, media_type=FORM)


def _introspect(world: World) -> Ready:
    owner, client, _ = world.client()
    form = {name: client[name] for name in ("client_id", "client_secret")}
    return Ready(body={**form, "token": owner.access_token}, media_type=FORM)


def _sign_out(world: World) -> Ready:
    return Ready(body={"refresh_token": world.person().refresh_token})


AUTH = "/auth/v1"
READY: dict[str, Callable[[World], Ready]] = {
    f"POST {AUTH}/signup": _sign_up,
    f"POST {AUTH}/login": _sign_in,
    f"POST {AUTH}/token": lambda w: _sign_in(w, grant_type="password"),
    f"POST {AUTH}/logout": _sign_out,
    f"POST {AUTH}/otp": lambda w: Ready(body={"email": w.person().user["email"], "create_user": True}),
    f"POST {AUTH}/verify/resend": lambda w: Ready(body={"email": w.person().user["email"]}),
    f"GET {AUTH}/verify": lambda w: Ready(query={"token": w.mailed("signup"), "type": "signup"}),
    f"POST {AUTH}/password-reset/request": lambda w: Ready(body={"email": w.person().user["email"]}),
    f"POST {AUTH}/device/code": _code_of_device,
    f"POST {AUTH}/introspect": _introspect,
    f"DELETE {AUTH}/user": _person,
    f"DELETE {AUTH}/user/sessions": lambda w: Ready(query={"scope": "all"}, headers=w.bearer(w.person())),
    f"DELETE {AUTH}/user/sessions/{{session_id}}": _end_session,
    f"POST {AUTH}/orgs": lambda w: _person(w, {"name": "New", "slug": w.name("new"), "metadata": {}}),
    f"PATCH {AUTH}/orgs/{{ref}}": _change_org,
    f"DELETE {AUTH}/orgs/{{ref}}": _org,
    f"POST {AUTH}/orgs/{{ref}}/roles": _new_role,
    f"DELETE {AUTH}/orgs/{{ref}}/members/{{user_id}}": _remove_member,
    f"POST {AUTH}/orgs/{{ref}}/invitations": _invite,
    f"DELETE {AUTH}/orgs/{{ref}}/invitations/{{invitation}}": lambda w: _withdraw(w, by_org=True),
    f"DELETE {AUTH}/invitations/{{invitation}}": lambda w: _withdraw(w, by_org=False),
    f"POST {AUTH}/api-keys": _new_key,
    f"POST {AUTH}/keys": _new_key,
    f"DELETE {AUTH}/api-keys/{{key_id}}": _revoke_key,
    f"DELETE {AUTH}/keys/{{key_id}}": _revoke_key,
    f"POST {AUTH}/factors": lambda w: _person(w, {"factor_type": "totp", "friendly_name": "phone"}),
    f"DELETE {AUTH}/oauth/clients/{{client_id}}": _client,
    # An ordinary renewal waits for the one before.
    f"POST {AUTH}/_admin/rotate-keys": lambda w: Ready(body={"compromised": True}, headers=ADMIN),
    f"POST {AUTH}/_admin/users": lambda w: Ready(
        body={"email": f"{w.name('made')}@example.com", "password": PASSWORD, "email_verified": True}, headers=ADMIN
    ),
    f"DELETE {AUTH}/_admin/users/{{user}}": lambda w: Ready({"user": w.person().user["email"]}, headers=ADMIN),
    f"DELETE {AUTH}/_admin/users/{{user}}/sessions": lambda w: Ready({"user": w.person().id}, headers=ADMIN),
    f"DELETE {AUTH}/_admin/users/{{user}}/sessions/{{session_id}}": _admin_end_session,
    f"PATCH {AUTH}/_admin/orgs/{{ref}}": lambda w: _org(w, {"name": "Renamed"}, ADMIN),
    f"DELETE {AUTH}/_admin/orgs/{{ref}}": lambda w: _org(w, None, ADMIN),
    f"DELETE {AUTH}/_admin/orgs/{{ref}}/members/{{user}}": _admin_remove_member,
    f"DELETE {AUTH}/orgs/{{ref}}/roles/{{role_id}}": _delete_role,
    f"PATCH {AUTH}/orgs/{{ref}}/roles/{{role_id}}": _change_role,
    f"PATCH {AUTH}/orgs/{{ref}}/members/{{user_id}}": _member_role,
    f"PATCH {AUTH}/orgs/{{ref}}/members/{{user_id}}/role": _member_role,
    f"POST {AUTH}/orgs/{{ref}}/invitations/{{invitation}}/accept": _invitation,
    f"POST {AUTH}/invitations/accept": _accept,
    f"DELETE {AUTH}/user/consents/{{client_id}}": _consent,
    f"DELETE {AUTH}/user/identities/{{identity}}": _identity,
    f"POST {AUTH}/user/identities/{{identity}}/link": lambda w: Ready(
        {"identity": "plain"}, headers=w.bearer(w.person())
    ),
    f"GET {AUTH}/user/sessions": _person,
    f"PATCH {AUTH}/user": lambda w: _person(w, {"metadata": {"a": [1]}}),
    f"GET {AUTH}/authorize": lambda w: Ready(query=dict(AUTHORIZE)),
    f"POST {AUTH}/authorize": _sign_in_form,
    f"POST {AUTH}/device": _device_form,
    f"POST {AUTH}/account": _account_form,
    f"GET {AUTH}/callback": lambda w: _callback(w, {}),
    f"GET {AUTH}/callback/{{provider}}": lambda w: _callback(w, {"provider": "plain"}),
    f"POST {AUTH}/revoke": _revoke,
    f"POST {AUTH}/tokens/delegate": _delegate,
    f"POST {AUTH}/oauth/clients": _new_client,
    f"PATCH {AUTH}/oauth/clients/{{client_id}}": lambda w: _client(w, {"name": "Other"}),
    f"POST {AUTH}/oauth/clients/{{client_id}}/secret": _client,
    f"PATCH {AUTH}/_admin/oauth/clients/{{client_id}}": lambda w: _client(w, {"first_party": True}, ADMIN),
    f"POST {AUTH}/password-reset/confirm": lambda w: Ready(
        body={"token": w.mailed("recovery"), "new_password": "new horse battery"}
    ),
    f"POST {AUTH}/reset": lambda w: Ready(
        body={"token": w.mailed("recovery"), "new_password": "new horse battery"}, media_type=FORM
    ),
    f"POST {AUTH}/verify": lambda w: Ready(body={"type": "signup", "token": w.mailed("signup")}),
    f"POST {AUTH}/factors/recovery": _recover,
    f"POST {AUTH}/factors/recovery-codes": lambda w: Ready(headers=w.bearer(w.stepped_up()[0])),
    f"POST {AUTH}/factors/{{factor_id}}/verify": _verify_app,
    f"DELETE {AUTH}/factors/{{factor_id}}": _remove_app,
    f"POST {AUTH}/webauthn/register/start": lambda w: _person(w, {"name": "blue"}),
    f"POST {AUTH}/webauthn/register/finish": _register,
    f"POST {AUTH}/webauthn/authenticate/start": lambda w: Ready(body={}, headers=w.bearer(w.passkey()[0])),
    f"POST {AUTH}/webauthn/authenticate/finish": _authenticate,
    f"POST {AUTH}/webauthn/login/start": lambda w: Ready(body={}),
    f"POST {AUTH}/webauthn/login/finish": _passkey_login,
    f"PATCH {AUTH}/webauthn/credentials/{{credential_id}}": lambda w: _credential(w, {"name": "green"}),
    f"DELETE {AUTH}/webauthn/credentials/{{credential_id}}": _credential,
    f"POST {AUTH}/_internal/resolve_ctx": _resolve,
    "POST /_internal/resolve_ctx": _resolve,
    f"POST {AUTH}/_internal/service_token": _service_token,
    f"GET {AUTH}/users/{{user_id}}": lambda w: Ready({"user_id": w.person().id}, headers=INTERNAL),
    f"PATCH {AUTH}/_admin/users/{{user}}": lambda w: Ready(
        {"user": w.person().id}, body={"email_verified": True}, headers=ADMIN
    ),
    f"POST {AUTH}/_admin/orgs": lambda w: Ready(
        body={"name": "Made", "slug": w.name("made"), "owner": w.person().id}, headers=ADMIN
    ),
    f"POST {AUTH}/_admin/orgs/{{ref}}/members": _admin_new_member,
    f"PATCH {AUTH}/_admin/orgs/{{ref}}/members/{{user}}": _admin_member,
    "GET /_ops/v1/audit": lambda w: Ready(headers=w.operator()),
    **{
        f"{act} {surface}/operators/{route}": ready
        for surface in (AUTH, "/_ops/v1")
        for act, route, ready in (
            ("GET", "status", lambda w: Ready(headers=w.operator())),
            ("POST", "bootstrap", lambda w: Ready(body={"email": w.no_operator()}, headers=ADMIN)),
            ("POST", "promote", lambda w: Ready(headers=w.operator(), body={"email": w.person().user["email"]})),
            ("POST", "demote", World.demotable),
        )
    },
}
