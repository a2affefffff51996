"""`config`, `plugins`, `routes`: what is there, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Tool


def test_a_sound_configuration(reactor: Tool) -> None:
    reactor.project()
    data = reactor("config", "check").data
    assert data == {
        "path": str(reactor.directory / "Reactor.toml"),
        "sections": ["project", "server", "admin", "vault", "tiny"],
        "plugins": ["tiny"],
        "warnings": [],
    }
    assert reactor("-o", "human", "config", "check").out == f"✓ {data['path']} is sound: 5 sections\n"


def test_every_problem_is_listed_with_its_place_and_exit_2(reactor: Tool) -> None:
    reactor.write('[project]\nenv = "moon"\n[server]\nworkers = 0\n[admin]\ntoken = "env:NOPE"\n[tiny]\nsick = 3\n')
    done = reactor("-o", "human", "config", "check")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        'config error: project.env: must be "production", "preview" or "dev", not "moon" (Reactor.toml:2)',
        "config error: server.workers: must be at least 1, not 0 (Reactor.toml:4)",
        "config error: admin.token: reference env:NOPE is not set (Reactor.toml:6)",
        "config error: tiny.sick: must be true or false, not 3 (Reactor.toml:8)",
    ]
    error = reactor("config", "check").error
    assert error["code"] == "CONFIG_ERROR"
    assert error["message"].startswith("4 problems; the first: project.env: must be")
    assert [fault["where"] for fault in error["details"]["faults"]] == [f"Reactor.toml:{n}" for n in (2, 4, 6, 8)]


def test_warnings_are_told_to_people_and_kept_for_programs(reactor: Tool) -> None:
    reactor.project(extra="[tinny]\n", tiny='word = "x"\nwrod = 1')
    expected = [
        "unknown section [tinny] (Reactor.toml:11); did you mean [tiny]?",
        "unknown key tiny.wrod (Reactor.toml:15); did you mean tiny.word?",
    ]
    done = reactor("config", "check")
    assert (done.data["warnings"], done.err) == (expected, "")
    human = reactor("-o", "human", "config", "check")
    assert human.err.splitlines() == [f"warning: {line}" for line in expected]
    assert reactor("config", "check", "-v").err.splitlines()[:2] == [f"warning: {line}" for line in expected]


def test_the_configuration_is_shown_with_origins_and_without_secrets(reactor: Tool) -> None:
    reactor.project(tiny='word = "ahoy"\nkey = "hush-hush"', extra='[database]\nurl = "postgresql://u:pw@h/d"\n')
    reactor.write("s3cret", "word.txt").chmod(0o600)
    env = {"REACTOR_SERVER__WORKERS": "2", "REACTOR_TINY__WORD": "file:word.txt"}
    done = reactor("config", "show", env=env)
    sections = done.data["sections"]
    assert sections["tiny"] == {
        "word": {"value": "file:word.txt", "source": "env", "where": "environment REACTOR_TINY__WORD"},
        "key": {"value": "***", "source": "file", "where": "Reactor.toml:16"},
        "sick": {"value": False, "source": "default", "where": None},
    }
    assert sections["server"]["workers"] == {
        "value": 2,
        "source": "env",
        "where": "environment REACTOR_SERVER__WORKERS",
    }
    assert sections["server"]["bind"] == {"value": "127.0.0.1:1", "source": "file", "where": "Reactor.toml:6"}
    assert sections["database"]["url"]["value"] == "***"
    assert sections["admin"]["token"]["value"] == "***"
    assert sections["vault"]["master_key"]["value"] == "***"
    human = reactor("-o", "human", "config", "show", env=env).out
    assert "tiny.word " in human
    for secret in ("hush-hush", "s3cret", ":pw@", reactor.token, "5a5a"):
        assert secret not in done.out + human


def test_plugins_shows_enabled_and_disabled(reactor: Tool) -> None:
    reactor.install("idle", "raise AssertionError('a plugin without a section is not imported')")
    reactor.project()
    rows = {row["name"]: row for row in reactor("plugins").data}
    assert rows["tiny"].pop("boot_ms") > 0
    assert rows["tiny"] == {
        "name": "tiny",
        "version": "1.2",
        "distribution": "reactor-tiny",
        "state": "enabled",
        "prefix": "/tiny/v1",
        "optional": False,
        "summary": "Says a word",
        "error": None,
    }
    assert (rows["idle"]["state"], rows["idle"]["boot_ms"], rows["idle"]["error"]) == ("disabled", None, None)
    lines = reactor.on_terminal("plugins").out.splitlines()
    assert lines[0].split() == ["NAME", "VERSION", "STATE", "PREFIX", "BOOT", "MS", "ERROR"]
    assert set(lines[1]) == {"-", " "}
    assert next(line for line in lines if line.startswith("idle")).split() == ["idle", "1.2", "disabled", "-", "-", "-"]


def test_plugins_shows_what_stops_a_start(reactor: Tool) -> None:
    reactor.install("broken", "import no_such_library")
    reactor.project(extra="[broken]\n")
    message = "cannot be imported: no module named 'no_such_library'"
    fix = "pip install --upgrade reactor-broken, or install the library that provides no_such_library"
    done = reactor("plugins")
    assert (done.code, done.error["code"], done.error["message"], done.error["hint"]) == (
        2,
        "CONFIG_ERROR",
        message,
        fix,
    )
    rows = {row["name"]: row for row in done.error["details"]["plugins"]}
    assert (rows["broken"]["state"], rows["broken"]["error"]) == ("failed", message)
    human = reactor("-o", "human", "plugins")
    assert human.code == 2
    assert next(line for line in human.out.splitlines() if line.startswith("broken")).endswith(message)
    assert human.err == f"plugin error: broken 1.2: {message} (Reactor.toml:11)\n  fix: {fix}\n"


def test_an_optional_plugin_that_fails_is_shown_and_stops_nothing(reactor: Tool) -> None:
    reactor.install("broken", "import no_such_library")
    reactor.project(extra="[broken]\noptional = true\n")
    rows = {row["name"]: row for row in reactor("plugins").data}
    assert (rows["broken"]["state"], rows["broken"]["optional"]) == ("failed", True)
    assert rows["tiny"]["state"] == "enabled"


def test_routes_say_who_may_call_and_whose_they_are(reactor: Tool) -> None:
    reactor.project()
    rows = reactor("routes").data
    assert {"method": "GET", "path": "/health", "access": "public", "permission": None, "plugin": "kernel"} in rows
    assert {
        "method": "POST",
        "path": "/_admin/shutdown",
        "access": "admin",
        "permission": None,
        "plugin": "kernel",
    } in rows
    assert rows == sorted(rows, key=lambda row: (row["path"], row["method"]))
    only = reactor.on_terminal("routes", "--plugin", "tiny").out.splitlines()
    assert only[0].split() == ["METHOD", "PATH", "ACCESS", "PERMISSION", "PLUGIN"]
    assert ["GET", "/tiny/v1/word", "public", "-", "tiny"] in [line.split() for line in only]
    assert reactor.on_terminal("routes", "--plugin", "nobody").out == "No routes found.\n"
