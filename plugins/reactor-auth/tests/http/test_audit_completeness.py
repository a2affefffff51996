"""Every route that changes something writes its audit rows in the transaction of the change.

A new route must be listed in `CHANGES` or, with a reason, in `CHANGES_NOTHING`; otherwise the first test fails and names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from reactor_auth.http.mounts import mounts
from reactor_auth.tables import metadata
from reactor_kernel.testing.project import ADMIN_TOKEN

PASSWORD = "correct horse"
# Counters, which are kept on purpose when the rest is rolled back, and the audit log itself.
APART = {"rate_windows", "sign_in_attempts", "audit_events"}


class Stage:
    """A user `me` with an organisation and a second session, a member `other`; new for each change."""

    def __init__(self, api: Any, number: int) -> None:
        self.api = api
        self.number = number
        self.me = api.sign_up(f"me{number}@example.com")
        self.other = api.sign_up(f"other{number}@example.com")
        self.slug = f"org{number}"
        self.org = self.me.make_org(self.slug)
        api.join(self.org, self.other)
        self.elsewhere = api.sign_in(f"me{number}@example.com")

    def session_of(self, person: Any) -> str:
        return next(str(session["id"]) for session in person.get("/user/sessions").json() if session["current"])

    def role(self, name: str) -> str:
        return str(self.api.role_id(self.org, name))


@dataclass(frozen=True)
class Change:
    """One call that changes something, and the events it is recorded as, in order."""

    call: Callable[[Stage], httpx.Response]
    events: list[str]


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
}
CHANGES_NOTHING: dict[str, Callable[[Stage], httpx.Response]] = {
    # Questions, asked with POST because they carry a list.
    "POST /permissions": lambda s: s.me.post("/permissions", {"permissions": ["data:x:read"]}, org=s.slug),
    "POST /permissions/check": lambda s: s.me.post("/permissions/check", {"permissions": ["a:b"]}, org=s.slug),
}


def parts(kernel: Any) -> Any:
    return kernel.enabled[0].instance._auth(kernel.context_for(kernel.enabled[0]))


def state(api: Any) -> dict[str, str | None]:
    """A digest of every table but those apart."""
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
    listed = {*CHANGES, *CHANGES_NOTHING}
    assert mounted - listed == set(), "list these routes in CHANGES with the events they write"
    assert {route for route in listed if not route.startswith("GET ")} - mounted == set(), "these are mounted no more"


def test_a_change_and_its_audit_rows_stand_and_fall_together(api):
    """Each change twice: while no audit row can be written, then as it should be."""
    for number, (route, change) in enumerate(CHANGES.items()):
        stage = Stage(api, number)
        before, told = state(api), events(api)
        api.sql("ALTER TABLE _reactor_auth.audit_events ADD CONSTRAINT nothing CHECK (false) NOT VALID")
        answer = change.call(stage)
        assert answer.status_code == 500, f"{route} did not need its audit row: {answer.text}"
        api.sql("ALTER TABLE _reactor_auth.audit_events DROP CONSTRAINT nothing")
        changed = [table for table, digest in state(api).items() if digest != before[table]]
        assert changed == [], f"{route} changed something without its audit row"
        answer = change.call(stage)
        assert 200 <= answer.status_code < 400, f"{route}: {answer.text}"
        assert state(api) != before, f"{route} changed nothing"
        assert events(api)[len(told) :] == change.events, route


def test_what_changes_nothing_writes_nothing(api):
    stage = Stage(api, 1)
    for route, call in CHANGES_NOTHING.items():
        before, told = state(api), events(api)
        answer = call(stage)
        assert answer.status_code == 200, f"{route}: {answer.text}"
        assert (state(api), events(api)) == (before, told), route
