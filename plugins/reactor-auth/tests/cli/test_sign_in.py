"""`reactor login`, `logout` and `whoami`, outside of any project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reactor_auth.cli import device


def context_of(tool, name="local"):
    return tool("context", "show", name).data


def test_signing_in_with_a_browser(tool, fake):
    done = tool("login", "--browser", "--endpoint", fake.url)
    assert done.data == {
        "context": "local",
        "authenticated": True,
        "mode": "pkce",
        "expires_at": done.data["expires_at"],
        "scopes": ["ops:*", "cloud:*"],
    }
    sent = fake.authorized
    assert {name: sent[name] for name in ("client_id", "response_type", "code_challenge_method", "scope")} == {
        "client_id": "reactor-cli",
        "response_type": "code",
        "code_challenge_method": "S256",
        "scope": "ops:* cloud:*",
    }
    assert re.fullmatch(r"http://localhost:\d+/callback", sent["redirect_uri"])
    assert (len(sent["state"]), len(fake.forms[0]["code_verifier"])) == (32, 64)
    assert done.err.startswith(f"Signing in with a browser. If none opens, open: {fake.url}/auth/v1/authorize?")
    page = Path(tool.environ["BROWSER"].split()[1] + ".page").read_text()
    assert "Close this window" in page
    assert tool.tokens() == {"local_access": fake.access, "local_refresh": "rrf_1"}
    assert context_of(tool)["auth"] == {
        "type": "session",
        "expires_at": done.data["expires_at"],
        "scopes": ["ops:*", "cloud:*"],
    }
    orgs = [{"id": "o-1", "slug": "acme", "role": "owner"}]
    user = {"id": "u-1", "email": "ann@example.com", "orgs": orgs}
    assert tool("whoami").data == {"context": "local", "authenticated": True, "user": user}
    assert tool("whoami", "-o", "human").out == (
        f"{fake.url} (context local): ann@example.com (u-1)\n\nORG   ROLE   ID\n----  -----  ---\nacme  owner  o-1\n"
    )


@pytest.mark.parametrize(
    ("redirect", "message", "page"),
    [
        (
            {"state": "forged"},
            "the browser came back with another state than it was sent with; nothing was kept",
            "Not signed in",
        ),
        (
            {"error": "access_denied", "error_description": "Ann said no.", "code": ""},
            "the server refused the sign-in: Ann said no.",
            "Not signed in",
        ),
        ({"code": ""}, "the browser came back without a code", "Not signed in"),
        ({"code": "another"}, "The code is not valid.", "Close this window"),
    ],
)
def test_a_sign_in_that_goes_wrong_keeps_nothing(tool, fake, redirect, message, page):
    fake.redirect = redirect
    done = tool("login", "--browser", "--endpoint", fake.url)
    assert (done.code, done.error["message"]) == (3, message)
    assert page in Path(tool.environ["BROWSER"].split()[1] + ".page").read_text()
    assert tool.tokens() == {}
    assert tool("context", "list").data == []


def test_without_a_browser_the_other_ways_are_named(tool, fake):
    tool.environ |= {"BROWSER": "/nonexistent/browser %s", "PATH": "", "DISPLAY": ""}
    done = tool("login", "--browser", "--endpoint", fake.url)
    assert (done.code, done.error["code"], done.error["message"]) == (
        2,
        "CONFIG_ERROR",
        "no browser can be started here",
    )
    done = tool("login", "--endpoint", fake.url)
    assert (done.code, done.error) == (
        1,
        {
            "code": "MISSING_ARGUMENT",
            "message": "without a terminal the way to sign in must be named",
            "hint": "pass --no-browser for a code to enter elsewhere, --token - for a token on stdin, or --browser",
        },
    )
    assert fake.calls == []


def test_signing_in_on_another_device(tool, fake):
    fake.polls = [{"error": "authorization_pending"}, {"error": "authorization_pending"}]
    done = tool("login", "--browser", "--no-browser", "--context", "prod", "--endpoint", fake.url)
    assert (done.data["mode"], done.data["context"]) == ("device_code", "prod")
    assert done.err == f"Open {fake.url}/auth/v1/device and enter the code BCDF-GHJK\n"
    assert fake.forms[0] == {"client_id": "reactor-cli", "scope": "ops:* cloud:*"}
    assert len(fake.forms) == 4
    assert tool("whoami", "-c", "prod").data["user"]["email"] == "ann@example.com"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"error": "access_denied"}, "the sign-in was denied"),
        ({"error": "expired_token", "error_description": "Too late."}, "the code has expired"),
        ({"error": "invalid_grant", "error_description": "No."}, "the server refused the sign-in: No."),
        ({"error": {"code": "validation_error", "message": "Bad."}}, "the server refused the sign-in: Bad."),
    ],
)
def test_a_device_that_is_refused_keeps_nothing(tool, fake, answer, message):
    fake.polls = [answer]
    done = tool("login", "--no-browser", "--endpoint", fake.url)
    assert (done.code, done.error["code"], done.error["message"]) == (3, "AUTH_FAILED", message)
    assert tool.tokens() == {}


def test_a_server_without_that_way_says_so(tool, fake):
    fake.has_device_route = False
    done = tool("login", "--no-browser", "--endpoint", fake.url)
    assert (done.code, done.error["code"]) == (2, "FEATURE_DISABLED")
    assert done.error["message"] == f"{fake.url} does not serve POST /auth/v1/device/code"


class Polled:
    """A command whose server answers a list of polls, on a clock of its own."""

    def __init__(self, answers, expires_in=600):
        self.now = 0.0
        self.slept = []
        self._answers = [
            {
                "device_code": "d",
                "user_code": "u",
                "verification_uri": "v",
                "interval": 5,
                "expires_in": expires_in,
            },
            *answers,
        ]

    def request(self, method, path, **options):
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def note(self, text):
        """Nobody reads it here."""

    def stop(self, code, message, **more):
        raise RuntimeError(message)

    def authorize(self):
        def sleep(seconds):
            self.slept.append(seconds)
            self.now += seconds

        return device.authorize(self, client_id="c", scopes=("s",), sleep=sleep, monotonic=lambda: self.now)


def test_polling_slows_down_when_told_and_ends_with_the_code():
    polled = Polled([{"error": "slow_down"}, {"error": "authorization_pending"}, {"access_token": "a"}])
    assert polled.authorize() == {"access_token": "a"}
    assert polled.slept == [5, 10, 10]
    endless = Polled([{"error": "authorization_pending"}], expires_in=22)
    with pytest.raises(RuntimeError, match="the code has expired"):
        endless.authorize()
    assert endless.slept == [5] * 5


def test_a_token_at_hand_is_looked_at_before_it_is_kept(tool, fake):
    refused = tool("login", "--token", "-", "--endpoint", fake.url, stdin="not-this-one\n")
    assert (refused.code, refused.error["code"]) == (3, "AUTH_FAILED")
    assert tool("context", "list").data == []
    assert "not-this-one" not in refused.out + refused.err
    signed_in = {"context": "local", "authenticated": True, "mode": "token"}
    assert tool("login", "--token", "--endpoint", fake.url, stdin=f"{fake.access}\n").data == signed_in
    assert tool("whoami").data["user"]["id"] == "u-1"
    (tool.directory / "admin.txt").write_text(fake.admin + "\n")
    assert tool("login", "--token", "@admin.txt").data == signed_in
    assert tool("whoami").data == {
        "context": "local",
        "authenticated": True,
        "admin": True,
        "server_version": "0.1.0",
    }
    assert tool.tokens() == {"local_access": fake.admin}
    literal = tool("-o", "human", "login", "--token", fake.access)
    assert literal.err == "warning: Token was given in an argument, which other processes can see; prefer - or @FILE\n"


def test_whoami_without_a_sign_in_is_an_answer(tool, fake):
    assert tool("whoami").error["code"] == "CONTEXT_NOT_FOUND"
    tool("context", "add", "far", "--endpoint", fake.url)
    message = "not signed in; sign in with: reactor login --context far"
    assert tool("whoami").data == {"context": "far", "authenticated": False, "message": message}
    assert fake.calls == []
    refused = tool("whoami", env={"REACTOR_TOKEN": "wrong"})
    assert (refused.code, refused.error["code"]) == (3, "AUTH_FAILED")


def test_logging_out_ends_the_session_on_the_server_first(tool, fake):
    tool("login", "--no-browser", "--endpoint", fake.url)
    refused = tool("logout", env={"REACTOR_TOKEN": "x"})
    assert (refused.code, refused.error["message"]) == (
        1,
        "REACTOR_TOKEN is given for this run, but logout ends the sign-in that a context keeps",
    )
    assert tool("logout").data == {"context": "local", "logged_out": True, "session_ended": True}
    assert fake.calls[-1] == ("POST", "/auth/v1/logout", fake.access)
    assert tool.tokens() == {}
    assert context_of(tool)["auth"] == {"type": "none"}
    assert tool("logout").data == {"context": "local", "logged_out": True, "session_ended": False}


def test_logging_out_of_a_server_that_cannot_says_that_the_session_may_live_on(tool, fake):
    tool("login", "--no-browser", "--endpoint", fake.url)
    fake.logout_status = 503
    done = tool("-o", "human", "logout")
    assert (done.code, done.out) == (0, "✓ signed out: context local\n")
    assert done.err == "warning: the session may live on, because the server could not end it: Later.\n"
    assert tool.tokens() == {}


def test_a_sign_in_belongs_to_the_context_it_was_made_for(tool, fake):
    tool("context", "add", "a", "--endpoint", fake.url)
    elsewhere = tool("login", "--token", "-", "-c", "a", "--endpoint", "http://127.0.0.1:1", stdin="x\n")
    assert (elsewhere.code, elsewhere.error) == (
        1,
        {
            "code": "INVALID_ARGUMENT",
            "message": f"--endpoint says http://127.0.0.1:1, but context a is {fake.url}",
            "hint": "name another context, or remove it first: reactor context remove a",
        },
    )
    assert tool("login", "--token", "-", "--endpoint", fake.url, stdin=fake.admin).data["context"] == "a"
    other = fake.url.replace("127.0.0.1", "localhost")
    assert tool("login", "--token", "-", "--endpoint", other, stdin=fake.admin).data["context"] == "local"
    unknown = tool("login", "--token", "-", "-c", "nope", stdin="x\n")
    assert (unknown.code, unknown.error["code"]) == (2, "CONTEXT_NOT_FOUND")
