"""`up`, `serve` and the commands that talk to a running server, against real processes and the embedded Postgres."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reactor_kernel.testing import free_port

if TYPE_CHECKING:
    from conftest import Tool

# A drain takes 33 seconds at the most, and Postgres as many as 40 to stop.
_LONGEST_END = 80


def read_document(process: subprocess.Popen[str]) -> Any:
    """Read the one pretty-printed JSON document that a start writes."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line == "}\n":
            return json.loads(text)
    raise AssertionError(f"no document: {text!r}, exit {process.wait(30)}")


@pytest.fixture
def serving(reactor: Tool) -> tuple[Tool, dict[str, Any], subprocess.Popen[str]]:
    """`reactor up` with the plugin tiny on a free port, and what it said."""
    reactor.project(port=free_port())
    # What the server logs must not fill a pipe that nobody reads.
    process = reactor.spawn("up", env={"REACTOR_LOG": "error,reactor_tiny=info"})
    return reactor, read_document(process)["data"], process


def test_a_server_from_start_to_shutdown(serving: tuple[Tool, dict[str, Any], subprocess.Popen[str]]) -> None:
    reactor, started, process = serving
    url = started["url"]
    assert started["project"] == "small"
    assert [(p["name"], p["state"], p["prefix"]) for p in started["plugins"]] == [("tiny", "enabled", "/tiny/v1")]
    assert started["plugins"][0]["boot_ms"] > 0
    assert started["admin_token"] == "admin.token in Reactor.toml:8"

    env = {**reactor.environ, "REACTOR_TOKEN": reactor.token}
    assert len(started["examples"]) == 3
    answers = [
        subprocess.run(line, shell=True, cwd=reactor.directory, env=env, capture_output=True, text=True, check=True)
        for line in started["examples"]
    ]
    assert json.loads(answers[0].stdout) == {"word": "ahoy"}
    assert json.loads(answers[1].stdout)["status"] == "healthy"
    assert json.loads(answers[2].stdout)["capabilities"] == {"tiny": "1.2"}

    version = reactor("version").data
    assert (version["server"]["endpoint"], version["server"]["capabilities"]) == (url, {"tiny": "1.2"})
    assert version["compatible"] is True

    doctor = reactor("doctor").data
    assert doctor["summary"]["fail"] == 0
    assert doctor["capabilities"]["tiny"] == {"status": "healthy"}
    checks = {check["name"]: check for check in doctor["checks"]}
    assert checks["server"]["details"] == f"healthy at {url}"
    assert checks["capability:tiny"]["details"] == "word: the word is ahoy"

    lines = reactor("logs", "tiny").data
    assert [(line["level"], line["message"], line["capability"]) for line in lines] == [("info", "said ahoy", "tiny")]
    wrong = reactor("logs", "--level", "loud")
    assert (wrong.code, wrong.error["code"]) == (4, "VALIDATION_ERROR")

    assert reactor("vault", "set", "a/b", "x", "--endpoint", url, "--token", reactor.token).data["key"] == "a/b"
    assert reactor("vault", "get", "a/b").data["value"] == "x", "the server and the tool share one vault"
    assert reactor("migrate", "--dry-run", "--endpoint", url, "--token", reactor.token).data["applied"] == []
    assert reactor("migrate", "--dry-run").data["applied"] == []
    assert reactor("tiny", "ask").data == {"word": "ahoy"}

    wrong_token = reactor("shutdown", "--token", "x" * 32)
    assert (wrong_token.code, wrong_token.error["code"]) == (3, "AUTH_FAILED")
    assert reactor("shutdown").data == {"status": "accepted", "endpoint": url}
    assert process.wait(_LONGEST_END) == 0
    gone = reactor("shutdown")
    assert (gone.code, gone.error["code"]) == (6, "CONNECTION_REFUSED")


def test_the_start_screen_of_a_person(reactor: Tool) -> None:
    """`--port 0` lets the system choose; Ctrl-C drains and exits 0."""
    reactor.project()
    master, slave = pty.openpty()
    process = subprocess.Popen(
        reactor.command("up", "--port", "0"),
        cwd=reactor.directory,
        env={**reactor.environ, "NO_COLOR": "1", "REACTOR_LOG": "error"},
        stdin=slave,
        stdout=slave,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    reactor.started.append(process)
    os.close(slave)
    shown, until = "", time.monotonic() + 90
    while "Press Ctrl+C to stop." not in shown and time.monotonic() < until:
        if select.select([master], [], [], 0.2)[0]:
            shown += os.read(master, 65536).decode().replace("\r\n", "\n")
    url = re.search(r"http://127\.0\.0\.1:\d+", shown)
    assert url is not None, shown
    boot_ms = re.search(r"/tiny/v1  ([\d.]+)\n", shown)
    assert boot_ms is not None, shown
    assert shown == (
        f"small serves at {url[0]}\n"
        "\n"
        "PLUGIN  VERSION  STATE    PREFIX    BOOT MS\n"
        "------  -------  -------  --------  -------\n"
        f"tiny    1.2      enabled  /tiny/v1  {boot_ms[1]}\n"
        "\n"
        "Admin token: admin.token in Reactor.toml:8\n"
        "Try:\n"
        f"  curl {url[0]}/tiny/v1/word\n"
        f"  curl {url[0]}/health\n"
        f'  curl -H "Authorization: Bearer $REACTOR_TOKEN" {url[0]}/_admin/version\n'
        "\n"
        "Press Ctrl+C to stop.\n"
    )
    process.send_signal(signal.SIGINT)
    assert process.wait(_LONGEST_END) == 0
    os.close(master)


def test_up_makes_a_project_first_and_keeps_it(reactor: Tool) -> None:
    process = reactor.spawn("up", "--port", "0", env={"REACTOR_LOG": "error"})
    data = read_document(process)["data"]
    tokens = reactor.directory / ".reactor" / "admin-token"
    assert data["admin_token"] == ".reactor/admin-token (readable by you only)"
    assert data["project"] == "small"
    assert {plugin["name"] for plugin in data["plugins"] if plugin["state"] == "enabled"} >= {"tiny"}
    for secret in (tokens, reactor.directory / ".reactor" / "vault-master-key"):
        assert secret.stat().st_mode & 0o777 == 0o600
    assert (reactor.directory / ".reactor" / ".gitignore").read_text() == "*\n"
    assert not (reactor.directory / "words").exists(), "start files belong to init"
    process.send_signal(signal.SIGTERM)
    assert process.wait(_LONGEST_END) == 0
    before = ((reactor.directory / "Reactor.toml").read_text(), tokens.read_text())
    again = reactor.spawn("up", "--port", "0", env={"REACTOR_LOG": "error"})
    read_document(again)
    assert ((reactor.directory / "Reactor.toml").read_text(), tokens.read_text()) == before


def test_serve_generates_nothing(reactor: Tool) -> None:
    done = reactor("serve")
    assert done.code == 2
    assert done.error["code"] == "CONFIG_ERROR"
    assert "config error: admin.token: required; set it under [admin] or as REACTOR_ADMIN__TOKEN" in done.err
    assert list(reactor.directory.iterdir()) == []


def test_a_faulty_configuration_ends_serve_with_2(reactor: Tool) -> None:
    reactor.project(tiny="sick = 3")
    for command in ("serve", "up"):
        done = reactor(command)
        assert (done.code, done.error["code"]) == (2, "CONFIG_ERROR")
        assert done.err == "config error: tiny.sick: must be true or false, not 3 (Reactor.toml:13)\n"
        human = reactor("-o", "human", command)
        assert (human.code, human.out, human.err) == (2, "", done.err)


def test_a_taken_port_ends_serve_with_3_and_touches_no_database(reactor: Tool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        reactor.project(port=port)
        done = reactor("-o", "human", "serve")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"bind error: 127.0.0.1:{port} is already in use; ")
    assert not (reactor.directory / ".reactor" / "postgres").exists()


def test_an_engine_that_cannot_run_ends_serve_with_2_before_anything_is_built(reactor: Tool) -> None:
    reactor.install(
        "astray",
        """
        from reactor_kernel.api import Access, Mount, PluginInfo, hookimpl

        class Resource:
            def on_get(self, req, resp):
                resp.media = {}

        class Plugin:
            info = PluginInfo(name="astray", version="1.2", api=(1, 0))

            @hookimpl
            def reactor_resources(self):
                yield Mount("/elsewhere", Resource(), access=Access.PUBLIC)
        """,
    )
    reactor.project(extra="[astray]\n")
    done = reactor("-o", "human", "serve", env={"REACTOR_SERVER__ENGINE": "warp"})
    assert (done.code, done.out, done.err) == (
        2,
        "",
        "config error: server.engine: there is no engine 'warp'; known are granian, waitress (environment REACTOR_SERVER__ENGINE)\n",
    )
    built = reactor("-o", "human", "serve")
    assert built.err.startswith("plugin error: astray 1.2: /elsewhere: lies outside of astray's prefix /astray/v1\n")
    assert not (reactor.directory / ".reactor" / "postgres").exists()


def test_a_migration_may_say_with_which_code_the_server_ends(reactor: Tool) -> None:
    reactor.install(
        "sealed",
        """
        from reactor_kernel.api import ExitCode, MigrationFailed, MigrationStep, PluginInfo, hookimpl

        class Locked(MigrationFailed):
            hint = "bring the key"
            exit_code = ExitCode.SIGNING_KEY

        def open_it(dry_run):
            raise Locked("the box is locked")

        class Plugin:
            info = PluginInfo(name="sealed", version="1.2", api=(1, 0))

            @hookimpl
            def reactor_migrations(self):
                yield MigrationStep("box", open_it)
        """,
    )
    reactor.project(extra="[sealed]\n")
    done = reactor("serve", "--port", "0")
    assert (done.code, done.err) == (4, "migration error: sealed:box: the box is locked\n")
    details = {"capability": "sealed", "revision": "box", "sql_error": None}
    assert {key: done.error["details"][key] for key in details} == details
    assert (done.error["message"], done.error["hint"]) == (
        "migration sealed:box failed: the box is locked",
        "bring the key",
    )


def test_an_unreachable_database_ends_serve_with_5(reactor: Tool) -> None:
    reactor.project(extra='[database]\nurl = "postgresql://u:hush-hush@127.0.0.1:1/d"\n')
    done = reactor("serve", "--port", "0")
    assert (done.code, done.error["code"]) == (5, "SERVER_ERROR")
    assert done.err.startswith("database error: ")
    assert "hush-hush" not in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bind", "nowhere"), "--bind must be host:port, such as 127.0.0.1:8000 or [::1]:8000, not 'nowhere'"),
        (("--port", "70000"), "Invalid value for '--port': 70000 is not in the range 0<=x<=65535."),
    ],
)
def test_a_bad_address_is_refused_before_anything_is_written(
    reactor: Tool, arguments: tuple[str, ...], message: str
) -> None:
    done = reactor("up", *arguments)
    assert (done.code, done.error["code"], done.error["message"]) == (1, "INVALID_ARGUMENT", message)
    assert list(reactor.directory.iterdir()) == []


def test_doctor_without_a_server_runs_the_probes_here(reactor: Tool) -> None:
    reactor.project(tiny='word = "ahoy"\nsick = true')
    done = reactor("doctor", timeout=120)
    assert (done.code, done.error["code"]) == (5, "SERVER_ERROR")
    checks = {check["name"]: check for check in done.error["details"]["checks"]}
    assert (checks["capability:tiny"]["status"], checks["capability:tiny"]["details"]) == (
        "fail",
        "word: the word is ahoy",
    )
    assert checks["server"] == {
        "name": "server",
        "status": "warn",
        "details": "nothing listens at http://127.0.0.1:1; the probes run in this process",
    }
    assert done.error["details"]["capabilities"]["tiny"] == {"status": "unhealthy"}
    assert done.error["details"]["summary"]["fail"] >= 2


def test_doctor_names_a_faulty_configuration(reactor: Tool) -> None:
    reactor.project(tiny="sick = 3")
    done = reactor("doctor")
    assert (done.code, done.error["message"]) == (5, "1 of 2 checks failed: manifest")
    assert done.error["details"]["checks"][1] == {
        "name": "manifest",
        "status": "fail",
        "details": "config error: tiny.sick: must be true or false, not 3 (Reactor.toml:13)",
    }


def test_migrate_works_on_the_projects_own_database(reactor: Tool) -> None:
    reactor.project()
    pending = reactor("migrate", "--dry-run").data
    assert pending["dry_run"] is True
    assert pending["applied"]
    assert pending["skipped"] == []
    applied = reactor("migrate").data
    assert applied == {"dry_run": False, "applied": pending["applied"], "skipped": []}
    again = reactor("migrate").data
    assert again["applied"] == []
    assert "kernel:0001" in again["skipped"]
    human = reactor("-o", "human", "migrate").out
    assert human.startswith("– kernel:0001: already there\n")
    assert human.endswith(f"0 applied, {len(again['skipped'])} already there.\n")


def test_upgrading_the_cluster_says_what_there_was_to_do(reactor: Tool) -> None:
    reactor.project()
    none = reactor("-o", "human", "db", "upgrade-cluster")
    assert (none.code, none.err) == (
        5,
        f"database error: there is no embedded database under {reactor.directory}/.reactor/postgres\n",
    )
    reactor("migrate")
    done = reactor("-o", "human", "db", "upgrade-cluster")
    assert (done.code, done.out) == (0, "The embedded database is at Postgres 18 already.\n")
    reactor.project(extra='[database]\nurl = "postgresql://u@h/d"\n')
    other = reactor("db", "upgrade-cluster")
    assert (other.code, other.error["message"]) == (1, '[database] url is not "embedded"')


def test_the_database_can_be_reached_backed_up_and_restored(reactor: Tool) -> None:
    reactor.project()
    reactor("migrate")
    stopped = reactor("db", "url")
    assert (stopped.code, stopped.error["message"]) == (1, "the embedded database does not run")
    assert reactor("db", "shell", "--", "-Atc", "create table t (n int); insert into t values (7)").code == 0
    file = reactor.directory / "all.dump"
    data = reactor("db", "backup", "all.dump").data
    assert data == {"file": "all.dump", "bytes": file.stat().st_size}
    refused = reactor("db", "backup", "all.dump")
    assert (refused.code, refused.error["message"]) == (1, "replacing all.dump needs confirmation")
    reactor("db", "shell", "--", "-c", "drop table t")
    unasked = reactor("db", "restore", "all.dump")
    assert (unasked.code, unasked.error["code"]) == (1, "REQUIRES_CONFIRMATION")
    assert reactor("db", "restore", "all.dump", "--yes").data == {"file": "all.dump", "restored": True}
    assert reactor("db", "shell", "--", "-Atc", "select n from t").out == "7\n"
    assert reactor("db", "restore", "nope.dump", "--yes").error["code"] == "IO_ERROR"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hush@h:5432/d?sslmode=require", "postgresql://u:***@h:5432/d?sslmode=require"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://u:hush@h:5432/d?application_name=a@b", "postgresql://u:***@h:5432/d?application_name=a@b"),
        ("postgresql://u:old@h/d?password=hush", "user=u dbname=d host=h"),
        ("postgresql://u@h/d?sslpassword=hush", "user=u dbname=d host=h"),
        ("postgresql://u:hu[sh@h/d", "user=u dbname=d host=h"),
        ("postgresql://u:hu?sh@h/d", "user=u dbname=d host=h"),
    ],
)
def test_the_url_is_shown_without_its_password(reactor: Tool, url: str, shown: str) -> None:
    reactor.project(extra=f'[database]\nurl = "{url}"\n')
    assert reactor("db", "url").data == {"url": shown, "embedded": False}
    assert reactor("-o", "human", "db", "url", "--show-password").out == f"{url}\n"


def test_nothing_is_left_running(reactor: Tool) -> None:
    reactor.project()
    reactor("migrate")
    assert not Path(reactor.directory / ".reactor" / "postgres" / "postmaster.pid").exists()
