"""Signing in with the tool against the provider itself: its pages are filled in by a browser that is a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PERSON = '''
"""Fill in the pages of the provider as ann would, and follow it back to the tool."""
import re, sys
from html.parser import HTMLParser
from urllib.parse import urljoin
import httpx


class Forms(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "form":
            self.found.append((values["action"], {}))
        elif tag == "input" and self.found:
            self.found[-1][1][values["name"]] = values.get("value") or ""


STEPS = {
    "signin": {"email": "ann@example.com", "password": "correct horse"},
    "consent": {"decision": "allow"},
    "code": {},
    "decide": {"decision": "allow"},
}
with httpx.Client(follow_redirects=True, trust_env=False) as browser:
    page = browser.get(sys.argv[1])
    for _ in range(5):
        forms = [(action, fields) for action, fields in Forms(page.text).found if fields.get("step") in STEPS]
        if not forms:
            break
        action, fields = forms[0]
        page = browser.post(urljoin(str(page.url), action), data={**fields, **STEPS[fields["step"]]})
open(sys.argv[0] + ".page", "w").write(page.text)
'''


@pytest.fixture
def person(tool, tmp_path):
    script = tmp_path / "person.py"
    script.write_text(PERSON)
    tool.environ["BROWSER"] = f"{sys.executable} {script} %s"
    return script


def test_a_browser_signs_in_and_any_command_is_the_users(tool, person, live_server, api, ann):
    done = tool("login", "--browser", "--endpoint", live_server.url)
    assert done.code == 0, (done.out, done.err, Path(f"{person}.page").read_text()[-2000:])
    assert (done.data["mode"], done.data["context"]) == ("pkce", "local")
    assert tool("whoami").data["user"]["email"] == "ann@example.com"
    assert tool("auth", "orgs", "create", "acme", "--name", "Acme").data["slug"] == "acme"
    kept = tool.tokens()
    config = tool.home / "config.toml"
    config.write_text(config.read_text().replace("expires_at = 2", "expires_at = 1"))
    assert tool("whoami").data["user"]["orgs"][0]["slug"] == "acme"
    assert tool.tokens()["local_refresh"] != kept["local_refresh"], "the provider refreshes what it gave"
    assert tool("logout").data["session_ended"] is True
    answer = api.call("GET", "/me", token=kept["local_access"])
    assert answer.status_code == 401


def test_a_device_is_approved_elsewhere(tool, person, live_server, ann):
    process = subprocess.Popen(
        [sys.executable, "-m", "reactor_kernel.cli", "login", "--no-browser", "--endpoint", live_server.url],
        cwd=tool.directory,
        env=tool.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("Open ")
    code = line.strip().rpartition(" ")[2]
    subprocess.run([sys.executable, str(person), f"{live_server.url}/auth/v1/device?user_code={code}"], check=True)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err, Path(f"{person}.page").read_text()[-2000:])
    assert tool("whoami").data["user"]["email"] == "ann@example.com"
    assert tool("auth", "orgs", "list").data == []


def test_keys_invitations_and_roles_work_against_the_real_routes(tool, live_server, ann):
    tool("login", "--token", "-", "--endpoint", live_server.url, stdin=ann.access_token)
    tool("auth", "orgs", "create", "acme", "--name", "Acme")
    role = tool("auth", "roles", "create", "acme", "reader", "--permission", "data:*:read").data
    assert tool("auth", "roles", "show", "acme", "reader").data["id"] == role["id"]
    assert tool("auth", "roles", "update", "acme", "reader", "--description", "Reads").data["description"] == "Reads"
    invited = tool("auth", "invitations", "create", "acme", "bob@example.com", "--role", "reader").data
    assert (invited["role"], invited["status"]) == ("reader", "pending")
    assert "invite_token=" in invited["invite_link"]
    assert [row["email"] for row in tool("auth", "invitations", "list", "acme").data] == ["bob@example.com"]
    assert tool("auth", "invitations", "revoke", invited["id"], "--yes").data == {"revoked": invited["id"]}
    assert tool("auth", "invitations", "list", "acme").data == []
    assert tool("auth", "roles", "delete", "acme", "reader", "--yes").data == {"deleted": "reader"}
    key = tool("auth", "keys", "create", "acme", "ci", "--scope", "auth:orgs:read").data
    assert [row["id"] for row in tool("auth", "keys", "list", "acme").data] == [key["id"]]
    assert tool("auth", "keys", "revoke", key["id"], "--yes").data == {"revoked": key["id"]}
    assert tool("auth", "keys", "list").data == []


def test_the_first_operator_bootstraps_while_signing_in(tool, person, live_server, api, ann):
    at = ("login", "--browser", "--bootstrap", "--endpoint", live_server.url)
    nobody = tool(*at)
    assert (nobody.code, nobody.error["code"], nobody.error["message"]) == (
        3,
        "AUTH_REQUIRED",
        "--bootstrap needs the admin token",
    )
    pasted = tool("login", "--token", "-", "--bootstrap", "--endpoint", live_server.url, stdin="x")
    assert (pasted.code, pasted.error["code"]) == (1, "INVALID_ARGUMENT")
    assert tool.tokens() == {}
    as_admin = {"REACTOR_TOKEN": api.kernel.config.admin.token}
    done = tool(*at, env=as_admin)
    assert done.code == 0, (done.out, done.err, Path(f"{person}.page").read_text()[-2000:])
    assert done.data["scopes"] == ["ops:*", "cloud:*"]
    kept = tool.tokens()["local_access"]
    answer = api.client.get("/_ops/v1/operators/status", headers={"Authorization": f"Bearer {kept}"})
    assert answer.json()["count"] == 1
    again = tool(*at, env=as_admin)
    assert (again.code, again.error["message"]) == (4, "there are operators already")
    assert tool("whoami").data["user"]["email"] == "ann@example.com", "the sign-in itself stands"
