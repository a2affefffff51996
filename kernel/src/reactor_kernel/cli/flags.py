"""The global flags: accepted before or after every subcommand (contract cli.md §1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

OUTPUTS = ("human", "json", "text")
_SWITCHES = ("--output", "-o")


@dataclass
class Flags:
    """The global flags of one run, as far as they were given."""

    config: Path | None = None
    output: str | None = None
    yes: bool = False
    verbose: bool = False
    token: str | None = None
    endpoint: str | None = None
    context: str | None = None


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Remember a flag for the whole run; one that was not given here keeps what was given before."""
    if value is not None and value is not False and parameter.name is not None:
        setattr(context.find_root().obj.flags, parameter.name.removeprefix("reactor_"), value)


def global_options() -> list[click.Option]:
    """Make the options that every command carries."""

    def option(*names: str, **attributes: Any) -> click.Option:
        long = names[0].removeprefix("--")
        # The prefix keeps the parameter's name clear of the command's own.
        return click.Option(
            [*names, f"reactor_{long}"], callback=_keep, expose_value=False, is_eager=True, hidden=False, **attributes
        )

    return [
        option("--config", metavar="PATH", type=click.Path(path_type=Path), help="Reactor.toml to use."),
        option("--output", "-o", type=click.Choice(OUTPUTS), help="How results are written; json off a terminal."),
        option("--yes", is_flag=True, default=None, help="Do not ask for confirmation."),
        option("--verbose", "-v", is_flag=True, default=None, help="Diagnostics on stderr."),
        option(
            "--token", metavar="T", help="Token to show; - reads it from stdin, @FILE from a file. Or REACTOR_TOKEN."
        ),
        option("--endpoint", metavar="URL", help="Server to talk to; default: this project's own. Or REACTOR_URL."),
        option(
            "--context", "-c", metavar="NAME", help="Context to use; see: reactor context list. Or REACTOR_CONTEXT."
        ),
    ]


def with_global_options(command: click.Command, *, hidden: bool = True) -> click.Command:
    """Let a command and its subcommands take the global flags, except where it uses a name for something else."""
    taken = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for option in global_options():
        option.opts = [name for name in option.opts if name not in taken]
        if option.opts and not any(other.name == option.name for other in command.params):
            option.hidden = hidden
            command.params.append(option)
    for child in getattr(command, "commands", {}).values():
        with_global_options(child)
    return command


def scan_output(arguments: Sequence[str]) -> str | None:
    """Find the output mode in a command line that does not parse, so that its error is written in that mode."""
    found: str | None = None
    for index, argument in enumerate(arguments):
        if argument == "--":
            break
        value: str | None = None
        if argument in _SWITCHES and index + 1 < len(arguments):
            value = arguments[index + 1]
        elif argument.startswith("--output="):
            value = argument.partition("=")[2]
        elif argument.startswith("-o") and len(argument) > 2:
            value = argument[2:]
        if value in OUTPUTS:
            found = value
    return found
