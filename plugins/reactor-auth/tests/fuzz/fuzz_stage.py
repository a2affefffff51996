"""The callers a fuzz acts as, and true values for the parameters that random ones never hit."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from fuzz_requests import CALLBACK, CHALLENGE, INTERNAL_SECRET

from reactor_kernel.testing.project import ADMIN_TOKEN


@dataclass
class Stage:
    """One organisation with its people; `callers` are header sets, `known` true values by parameter name."""

    callers: dict[str, dict[str, str]]
    known: dict[str, list[Any]]


class Stages:
    """Makes a stage, and a new one whenever the fuzz has destroyed what it stood on."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._numbers = itertools.count()
        self.built = 0
        self.current = self.build()

    def renew_if_destroyed(self) -> Stage:
        for caller in ("user", "key"):
            if self._api.call("GET", "/me", headers=self.current.callers[caller]).status_code != 200:
                self.current = self.build()
                break
        return self.current

    def build(self) -> Stage:
        api, number = self._api, next(self._numbers)
        self.built += 1
        owner = api.sign_up(f"owner{number}@example.com")
        member = api.sign_up(f"member{number}@example.com")
        org = owner.make_org(f"acme-{number}")
        ref = f"/orgs/{org['id']}"
        api.join(org, member)
        role = _made(owner.post(f"{ref}/roles", {"name": f"Writer{number}", "permissions": ["data:*"]}))
        invited = _made(owner.post(f"{ref}/invitations", {"email": f"guest{number}@example.com"}))
        key = _made(owner.post("/api-keys", {"name": "ci", "org_id": org["id"]}))
        client = _made(owner.post("/oauth/clients", {"name": "App", "redirect_uris": [CALLBACK], "org_id": org["id"]}))
        factor = _made(owner.post("/factors", {"factor_type": "totp"}))
        device = api.call("POST", "/device/code", data={"client_id": "reactor-cli"}).json()
        [session] = owner.get("/user/sessions").json()
        people = [owner.id, member.id]
        admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        api.call("POST", "/operators/bootstrap", token=ADMIN_TOKEN, json={"email": f"owner{number}@example.com"})
        return Stage(
            {
                "anonymous": {},
                "user": {"Authorization": f"Bearer {owner.access_token}", "X-Reactor-Org": org["id"]},
                "member": {"Authorization": f"Bearer {member.access_token}"},
                "key": {"Authorization": f"Bearer {key['key']}"},
                "admin": admin,
                "internal": {
                    "X-Reactor-Internal-Secret": INTERNAL_SECRET,
                    "Authorization": f"Bearer {owner.access_token}",
                },
            },
            {
                "ref": [org["id"], org["slug"]],
                "org": [org["id"], org["slug"]],
                "org_id": [org["id"]],
                "default_org_id": [org["id"]],
                "user": people,
                "user_id": people,
                "role_id": [role["id"], api.role_id(org, "admin")],
                "roleId": [role["id"]],
                "key_id": [key["id"]],
                "invitation": [invited["id"], invited["invite_link"].rpartition("=")[2]],
                "invite_token": [invited["invite_link"].rpartition("=")[2]],
                "client_id": [client["client_id"], "reactor-cli"],
                "client_secret": [client.get("client_secret", "none")],
                "factor_id": [factor["id"]],
                "session_id": [session["id"]],
                "provider": ["plain", "google", "acme"],
                "email": [f"owner{number}@example.com", f"new{number}@example.com", f"guest{number}@example.com"],
                "password": ["correct horse"],
                "current_password": ["correct horse"],
                "new_password": ["correct horse battery"],
                "refresh_token": [member.refresh_token],
                "token": [member.access_token, member.refresh_token, key["key"]],
                "subject_token": [owner.access_token],
                "device_code": [device["device_code"]],
                "user_code": [device["user_code"]],
                "redirect_uri": [CALLBACK],
                "redirect_uris": [[CALLBACK]],
                "code_challenge": [CHALLENGE],
                "code_challenge_method": ["S256"],
                "response_type": ["code"],
                "permissions": [["data:read", "*"]],
                "mfa_required_roles": [["member"], []],
                "expires_at": ["2099-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
                "limit": [1, 0, -1, 10**30, "1e3"],
                "offset": [0, 10**18, 10**30],
                "slug": [f"other-{number}", f"acme-{number}"],
                "name": [f"Name {number}"],
                "metadata": [{"a": [1, None]}],
                "description": ["What it is"],
                "scopes": [["data:read"], ["openid"], None],
                "scope": ["openid", "local", "data:read"],
                "reason": ["compromise"],
                "expires_in": [60, 10**30, -1],
            },
        )


def _made(answer: Any) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())
