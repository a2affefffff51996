"""Contexts: kept in files of the user's own, and which server and token a command ends up with."""

from __future__ import annotations

import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Scripted, Tool

URL = "http://127.0.0.1:1"


def home(tool: Tool) -> Path:
    return Path(tool.environ["REACTOR_HOME"])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def add(tool: Tool, name: str, url: str = URL, *more: str, **options: Any) -> dict[str, Any]:
    data: dict[str, Any] = tool("context", "add", name, "--endpoint", url, *more, **options).data
    return data


def test_contexts_are_added_chosen_shown_and_removed(reactor: Tool) -> None:
    assert reactor("context", "list").data == []
    local = {"name": "local", "endpoint": URL, "org": None, "is_default": True}
    prod = {"name": "prod", "endpoint": "https://api.example.com", "org": "acme", "is_default": False}
    assert add(reactor, "local", URL + "/") == local
    assert add(reactor, "prod", "https://api.example.com", "--org", "acme") == prod
    assert reactor("context", "list").data == [local, prod]
    assert reactor.on_terminal("context", "list").out == (
        "NAME   ENDPOINT                 ORG   ACTIVE\n"
        "-----  -----------------------  ----  ------\n"
        f"local  {URL}       -     yes\n"
        "prod   https://api.example.com  acme  no\n"
    )
    assert reactor("context", "use", "prod").data == {"default": "prod"}
    assert reactor("context", "show").data == {**prod, "auth": {"type": "none"}, "is_default": True}
    assert reactor("context", "show", "local").data == {**local, "auth": {"type": "none"}, "is_default": False}
    assert reactor("-o", "human", "context", "show", "local").out == (
        "KEY       VALUE\n"
        "--------  ------------------\n"
        "name      local\n"
        f"endpoint  {URL}\n"
        "org       -\n"
        "active    no\n"
        "sign-in   none\n"
    )
    assert reactor("context", "remove", "prod").data == {"removed": "prod"}
    assert reactor("context", "list").data == [{**local, "is_default": False}]


def test_the_files_are_the_users_own_and_hold_tokens_apart(reactor: Tool) -> None:
    add(reactor, "local", URL, "--token", "-", stdin="sesame-open\n")
    config, tokens = home(reactor) / "config.toml", home(reactor) / "tokens.toml"
    assert (mode(home(reactor)), mode(config), mode(tokens)) == (0o700, 0o600, 0o600)
    assert tomllib.loads(config.read_text()) == {
        "active_context": "local",
        "contexts": {
            "local": {
                "endpoint": URL,
                "auth": {"kind": "token", "storage": "file", "access_account": "local_access"},
            }
        },
    }
    assert tomllib.loads(tokens.read_text()) == {"tokens": {"local_access": "sesame-open"}}
    for arguments in (("context", "list"), ("context", "show", "local"), ("shutdown", "-v")):
        done = reactor(*arguments)
        assert "sesame" not in done.out + done.err
    reactor("context", "remove", "local")
    assert "sesame" not in tokens.read_text()


def test_a_secrets_file_that_others_can_read_is_warned_about(reactor: Tool) -> None:
    add(reactor, "local", URL, "--token", "-", stdin="sesame\n")
    tokens = home(reactor) / "tokens.toml"
    tokens.chmod(0o644)
    done = reactor("-o", "human", "context", "list")
    assert done.err == f"warning: {tokens} can be read by others; mend it with: chmod 600 {tokens}\n"


def test_what_others_wrote_into_the_file_stays(reactor: Tool) -> None:
    home(reactor).mkdir()
    (home(reactor) / "config.toml").write_text(
        'default = "old"\ntheme = "dark"\n[contexts.old]\nendpoint = "http://127.0.0.1:2"\ncolour = "red"\n'
    )
    assert reactor("context", "show").data["name"] == "old"
    add(reactor, "new")
    reactor("context", "use", "new")
    assert tomllib.loads((home(reactor) / "config.toml").read_text()) == {
        "active_context": "new",
        "theme": "dark",
        "contexts": {
            "old": {"endpoint": "http://127.0.0.1:2", "colour": "red"},
            "new": {"endpoint": URL, "auth": {"kind": "none"}},
        },
    }


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code", "message"),
    [
        (("add", "local", "--endpoint", "http://x"), "USER_ERROR", 1, "there is a context 'local' already"),
        (("add", "a b", "--endpoint", "http://x"), "INVALID_ARGUMENT", 1, "'a b' is not a name for a context"),
        (("add", "../x", "--endpoint", "http://x"), "INVALID_ARGUMENT", 1, "'../x' is not a name for a context"),
        (("add", "x"), "MISSING_ARGUMENT", 1, "a context needs the URL of its server"),
        (("add", "x", "--endpoint", "ftp://x"), "URL_ERROR", 2, "'ftp://x' is not the URL of a server"),
        (
            ("add", "x", "--endpoint", "http://x", "--token-env", "A", "--token", "-"),
            "INVALID_ARGUMENT",
            1,
            "--token and --token-env exclude one another",
        ),
        (
            ("add", "x", "--endpoint", "http://x", "--token-env", "A=B"),
            "INVALID_ARGUMENT",
            1,
            "'A=B' is not the name of an environment variable",
        ),
        (
            ("add", "x", "--endpoint", "http://x", "--token", "-"),
            "INVALID_ARGUMENT",
            1,
            "there is no token on standard input",
        ),
        (
            ("add", "x", "--endpoint", "http://x", "--token", "a b"),
            "INVALID_ARGUMENT",
            1,
            "the token of --token holds blanks or characters that no token has",
        ),
        (("use", "x"), "CONTEXT_NOT_FOUND", 2, "there is no context 'x', which the argument names"),
        (("show", "x"), "CONTEXT_NOT_FOUND", 2, "there is no context 'x', which the argument names"),
        (("remove", "x"), "CONTEXT_NOT_FOUND", 2, "there is no context 'x', which the argument names"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    reactor: Tool, arguments: tuple[str, ...], code: str, exit_code: int, message: str
) -> None:
    add(reactor, "local")
    before = (home(reactor) / "config.toml").read_bytes()
    done = reactor("context", *arguments)
    assert (done.code, done.error["code"], done.error["message"]) == (exit_code, code, message)
    assert (home(reactor) / "config.toml").read_bytes() == before
    assert not (home(reactor) / "tokens.toml").exists()


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("x = ", "CONFIG_ERROR", "{path} is not TOML: Invalid value (at end of document)"),
        ("contexts = 3", "CONFIG_ERROR", "contexts in {path} must be a table"),
        ("[contexts.a]", "CONFIG_ERROR", "contexts.a.endpoint in {path} is missing"),
        ("[contexts.a]\nendpoint = 3", "CONFIG_ERROR", "contexts.a.endpoint in {path} must be a string"),
        (
            '[contexts.a]\nendpoint = "a"',
            "URL_ERROR",
            "'a' is not the URL of a server (contexts.a.endpoint in {path})",
        ),
        (
            '[contexts.a]\nendpoint = "http://a"\nauth = {kind = "magic"}',
            "CONFIG_ERROR",
            "contexts.a.auth.kind in {path} must be one of none, token, token-env, session, not 'magic'",
        ),
        (
            '[contexts.a]\nendpoint = "http://a"\nauth = {kind = "keychain"}',
            "KEYCHAIN_ERROR",
            "contexts.a.auth in {path} keeps its token in a keychain, which this tool does not read",
        ),
    ],
)
def test_a_file_that_is_wrong_is_named_with_the_place(reactor: Tool, text: str, code: str, message: str) -> None:
    home(reactor).mkdir()
    path = home(reactor) / "config.toml"
    path.write_text(text)
    done = reactor("context", "list")
    assert (done.code, done.error["code"], done.error["message"]) == (2, code, message.format(path=path))


def server_of(tool: Tool, *flags: str, **env: str) -> str:
    """Return the last digit of the port a command talks to; nothing listens at any of them."""
    done = tool("shutdown", *flags, env=env)
    assert done.code == 6, (done.out, done.err)
    return str(done.error["message"].split("http://127.0.0.1:")[1][:1])


def test_flags_beat_the_environment_a_url_beats_a_context_and_the_project_the_active_context(reactor: Tool) -> None:
    for number in (1, 2, 3):
        add(reactor, f"c{number}", f"http://127.0.0.1:{number}")
    environ = {"REACTOR_URL": "http://127.0.0.1:6", "REACTOR_CONTEXT": "c2"}
    assert server_of(reactor) == "1"
    reactor("context", "use", "c3")
    assert server_of(reactor) == "3"
    reactor.project(port=5)
    assert server_of(reactor) == "5"
    reactor.write(
        (reactor.directory / "Reactor.toml").read_text().replace("[server]", 'default_context = "c2"\n[server]')
    )
    assert server_of(reactor) == "2"
    assert server_of(reactor, REACTOR_CONTEXT="c1") == "1"
    assert server_of(reactor, **environ) == "6"
    assert server_of(reactor, "-c", "c1", **environ) == "1"
    assert server_of(reactor, "--endpoint", "http://127.0.0.1:7", **environ) == "7"
    assert server_of(reactor, "-c", "c1", "--endpoint", "http://127.0.0.1:1/", **environ) == "1"
    assert reactor("shutdown", "-c", "c1", "--endpoint", "http://127.0.0.1:2").error == {
        "code": "INVALID_ARGUMENT",
        "message": "--endpoint says http://127.0.0.1:2, but context c1 is http://127.0.0.1:1",
        "hint": "name one of the two",
    }


def test_an_error_says_what_named_the_server(reactor: Tool) -> None:
    nowhere = reactor("shutdown")
    assert (nowhere.code, nowhere.error) == (
        2,
        {
            "code": "CONTEXT_NOT_FOUND",
            "message": f"no server is named: there is no Reactor.toml in {reactor.directory} and no context is active",
            "hint": "see: reactor context list; add one with: reactor context add NAME --endpoint URL",
        },
    )
    unknown = {
        "code": "CONTEXT_NOT_FOUND",
        "message": "there is no context 'prod', which REACTOR_CONTEXT names",
        "hint": "see: reactor context list; add it with: reactor context add prod --endpoint URL",
    }
    assert reactor("shutdown", env={"REACTOR_CONTEXT": "prod"}).error == unknown
    add(reactor, "local")
    assert reactor("shutdown", env={"REACTOR_CONTEXT": "prod"}).error == {
        **unknown,
        "hint": "there are: local; see: reactor context list",
    }
    assert reactor("shutdown", env={"REACTOR_URL": "nope"}).error == {
        "code": "URL_ERROR",
        "message": "'nope' is not the URL of a server (REACTOR_URL)",
        "hint": "use one like http://127.0.0.1:8000",
    }
    refused = reactor("shutdown").error["message"]
    assert refused == f"nothing listens at {URL}, the server of context local (the active context)"
    reactor.project()
    reactor.write('[project]\ndefault_context = "prod"\n')
    assert reactor("shutdown").error["message"] == (
        "there is no context 'prod', which project.default_context in Reactor.toml:2 names"
    )


def test_a_token_is_shown_only_to_the_server_it_is_kept_for(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, {"version": "0.1.0", "capabilities": {}})
    other = scripted.url.replace("127.0.0.1", "localhost")
    add(reactor, "mine", scripted.url, "--token", "-", stdin="kept\n")
    add(reactor, "named", other, "--token-env", "PROD_TOKEN")
    runs: list[tuple[tuple[str, ...], dict[str, str]]] = [
        ((), {}),
        (("-c", "named"), {"PROD_TOKEN": "from-env"}),
        ((), {"REACTOR_URL": other, "PROD_TOKEN": "from-env"}),
        ((), {"REACTOR_TOKEN": "for-this-run"}),
        (("--token", "-"), {"REACTOR_TOKEN": "for-this-run"}),
        (("--token", "@token.txt"), {}),
    ]
    reactor.write("from-file\n", "token.txt")
    for flags, env in runs:
        assert reactor("version", *flags, env=env, stdin="piped\n").code == 0
    reactor("context", "remove", "mine")
    reactor("version", "--endpoint", scripted.url)
    shown = [headers.get("Authorization") for _, _, headers, _ in scripted.requests]
    tokens = ["kept", "from-env", "from-env", "for-this-run", "piped", "from-file"]
    assert shown == [*(f"Bearer {token}" for token in tokens), None]
    missing = reactor("version", "-c", "named")
    assert (missing.code, missing.error) == (
        3,
        {
            "code": "AUTH_REQUIRED",
            "message": "context named takes its token from PROD_TOKEN, which is not set",
            "hint": "set PROD_TOKEN, or sign in with: reactor login --context named",
        },
    )


def test_the_projects_own_token_is_used_in_a_context_of_its_server_only(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, {"version": "0.1.0", "capabilities": {}})
    reactor.project(port=int(scripted.url.rpartition(":")[2]))
    add(reactor, "own", scripted.url, "--token", "-", stdin="users\n")
    add(reactor, "other", scripted.url.replace("127.0.0.1", "localhost"))
    for name in ("own", "other"):
        assert reactor("version", "-c", name).code == 0
    shown = [headers.get("Authorization") for _, _, headers, _ in scripted.requests]
    assert shown == [f"Bearer {reactor.token}", None]


def test_outside_of_a_project_commands_ask_the_active_contexts_server(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, {"secrets": []})
    add(reactor, "far", scripted.url)
    assert reactor("vault", "list").data == {"secrets": []}
    assert [request[1] for request in scripted.requests] == ["/_admin/vault/secrets"]
    reactor.project()
    assert reactor("vault", "list").data == {"secrets": []}
    assert len(scripted.requests) == 1, "in a project its own vault is meant"


def test_many_at_once_lose_nothing(reactor: Tool) -> None:
    names = [f"c{number}" for number in range(8)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "reactor_kernel.cli", "context", "add", name, "--endpoint", URL, "--token", "-"],
            cwd=reactor.directory,
            env=reactor.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for name in names
    ]
    for name, process in zip(names, running, strict=True):
        process.communicate(f"token-of-{name}\n", timeout=90)
        assert process.returncode == 0
    assert sorted(row["name"] for row in reactor("context", "list").data) == names
    kept = tomllib.loads((home(reactor) / "tokens.toml").read_text())["tokens"]
    assert kept == {f"{name}_access": f"token-of-{name}" for name in names}
    assert sorted(path.name for path in home(reactor).iterdir()) == ["config.toml", "lock", "tokens.toml"]


def test_where_the_files_are(reactor: Tool, tmp_path: Path) -> None:
    user = tmp_path / "user"
    del reactor.environ["REACTOR_HOME"]
    reactor.environ |= {"HOME": str(user), "XDG_CONFIG_HOME": ""}
    add(reactor, "a")
    assert (user / ".config/reactor/config.toml").exists()
    add(reactor, "b", env={"XDG_CONFIG_HOME": str(user / "xdg")})
    assert (user / "xdg/reactor/config.toml").exists()
    (user / ".config/reactor").rename(user / ".reactor")
    assert [row["name"] for row in reactor("context", "list").data] == ["a"], "an older tool's place is found"
