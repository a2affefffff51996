"""Global flags, output modes, and what is said about a command line that is wrong."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING

import pytest

from reactor_kernel.cli.root import COMMANDS

if TYPE_CHECKING:
    from conftest import Tool


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (
            ("bogus-command",),
            2,
            {
                "code": "CONFIG_ERROR",
                "message": "there is no command 'bogus-command'",
                "hint": "a plugin may bring it; try: pip install reactor-bogus-command",
            },
        ),
        (
            ("routs",),
            2,
            {"code": "CONFIG_ERROR", "message": "there is no command 'routs'", "hint": "did you mean 'routes'?"},
        ),
        (
            ("routes", "--colour"),
            2,
            {"code": "CONFIG_ERROR", "message": "No such option '--colour'.", "hint": "see: reactor routes --help"},
        ),
        (
            ("routes", "more"),
            2,
            {
                "code": "CONFIG_ERROR",
                "message": "Got unexpected extra argument (more)",
                "hint": "see: reactor routes --help",
            },
        ),
        (
            ("vault", "get"),
            1,
            {
                "code": "MISSING_ARGUMENT",
                "message": "Missing argument 'KEY'.",
                "hint": "see: reactor vault get --help",
            },
        ),
        (
            ("logs", "--limit", "0"),
            1,
            {
                "code": "INVALID_ARGUMENT",
                "message": "Invalid value for '--limit': 0 is not in the range 1<=x<=1000.",
                "hint": "see: reactor logs --help",
            },
        ),
        (
            ("routes", "-o", "xml"),
            1,
            {
                "code": "INVALID_ARGUMENT",
                "message": "Invalid value for '--output' / '-o': 'xml' is not one of 'human', 'json', 'text'.",
                "hint": "see: reactor routes --help",
            },
        ),
        (
            ("routes", "--endpoint", "ftp://x"),
            2,
            {
                "code": "MANIFEST_NOT_FOUND",
                "message": "there is no Reactor.toml in {directory}",
                "hint": "make a project with: reactor init, or name its file with --config PATH",
            },
        ),
        (
            ("version", "--endpoint", "ftp://x"),
            2,
            {
                "code": "URL_ERROR",
                "message": "'ftp://x' is not the URL of a server",
                "hint": "write --endpoint http://127.0.0.1:8000",
            },
        ),
        (
            ("routes", "--config", "other.toml"),
            2,
            {
                "code": "CONFIG_ERROR",
                "message": "other.toml: there is no such file",
                "details": {
                    "faults": [{"category": "config", "subject": "other.toml", "message": "there is no such file"}]
                },
            },
        ),
    ],
)
def test_a_wrong_command_line_is_one_document(
    reactor: Tool, arguments: tuple[str, ...], code: int, error: dict[str, object]
) -> None:
    done = reactor(*arguments)
    expected = json.loads(json.dumps(error).replace("{directory}", str(reactor.directory)))
    assert (done.code, done.error, done.err) == (code, expected, "")


def test_the_mode_holds_for_a_command_line_that_does_not_parse(reactor: Tool) -> None:
    done = reactor("routes", "--colour", "--output=human")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: No such option '--colour'.\nhint: see: reactor routes --help\n"
    assert reactor.on_terminal("routes", "--colour", "-ojson").error["code"] == "CONFIG_ERROR"


def test_flags_stand_before_or_after_the_command(reactor: Tool) -> None:
    reactor.project()
    before = reactor("-o", "human", "--config", "Reactor.toml", "vault", "list")
    after = reactor("vault", "list", "-o", "text", "--config", "Reactor.toml")
    between = reactor("--config=Reactor.toml", "vault", "--output", "human", "list")
    for done in (before, after, between):
        assert (done.code, done.out, done.err) == (0, "No secrets found.\n", "")
    assert reactor("-o", "human", "vault", "list", "-o", "json").data == {"secrets": []}


def test_the_environment_chooses_the_mode(reactor: Tool) -> None:
    reactor.project()
    assert reactor("vault", "list", env={"REACTOR_OUTPUT": "text"}).out == "No secrets found.\n"
    assert reactor("-o", "json", "vault", "list", env={"REACTOR_OUTPUT": "human"}).data == {"secrets": []}
    assert reactor("vault", "list", env={"REACTOR_OUTPUT": "xml"}).error == {
        "code": "INVALID_ARGUMENT",
        "message": "REACTOR_OUTPUT is 'xml'",
        "hint": "use one of: human, json, text",
    }


def test_a_terminal_gets_text_and_a_pipe_gets_json(reactor: Tool) -> None:
    reactor.project()
    assert reactor.on_terminal("vault", "list").out == "No secrets found.\n"
    assert reactor("vault", "list").out == '{\n  "ok": true,\n  "data": {\n    "secrets": []\n  }\n}\n'


def test_success_is_green_unless_no_color_is_set(reactor: Tool) -> None:
    reactor.project()
    green = reactor.on_terminal("vault", "set", "a/b", "x")
    plain = reactor.on_terminal("vault", "set", "a/b", "x", env={"NO_COLOR": "1"})
    piped = reactor("-o", "human", "vault", "set", "a/b", "x")
    assert green.out == "\x1b[32m✓\x1b[0m a/b is stored\n"
    assert plain.out == piped.out == "✓ a/b is stored\n"


def test_help_is_text_everywhere_and_lists_every_command(reactor: Tool) -> None:
    done = reactor("--help")
    assert done.code == 0
    for name, line in COMMANDS.items():
        assert f"  {name:<8}  {line}\n" in done.out
    assert reactor().out == done.out
    assert reactor("vault", "-h").out.startswith("Usage: reactor vault [OPTIONS] COMMAND [ARGS]...\n")


def test_the_help_of_the_tool_and_of_a_command_agree() -> None:
    for name, line in COMMANDS.items():
        command = importlib.import_module(f"reactor_kernel.cli.commands.{name}").command
        assert command.name == name
        assert command.get_short_help_str(200).rstrip(".").split(";")[0] in line or command.help, line


def test_a_reader_that_goes_away_is_no_traceback(reactor: Tool) -> None:
    reactor.project()
    process = reactor.spawn("-o", "human", "routes")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr.read() == ""


def test_an_unexpected_error_is_a_document_and_a_traceback_only_with_verbose(reactor: Tool, site) -> None:
    (site / "tiny_cli.py").write_text("import click\n@click.command()\ndef tiny(): raise KeyError('x')\n")
    reactor.project()
    quiet = reactor("tiny")
    assert quiet.error == {
        "code": "INTERNAL_ERROR",
        "message": "KeyError: 'x'",
        "hint": "this is a bug: report it together with the output of the same command with --verbose",
    }
    assert (quiet.code, quiet.err) == (5, "")
    assert "Traceback (most recent call last)" in reactor("tiny", "--verbose").err
