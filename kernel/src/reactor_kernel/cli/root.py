"""The command tree: kernel commands by import path, plugins' groups through their entry points, and how a run ends."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from reactor_kernel import __version__
from reactor_kernel.cli.errors import INTERRUPTED, OK, CliError, from_boot_error, from_reactor_error
from reactor_kernel.cli.flags import with_global_options
from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.errors import BootError, ReactorError

# Name → what the help says. Each lives in `commands/<name>.py` as `command` and is imported when it runs.
COMMANDS = {
    "init": "Make a project: Reactor.toml, secrets, .gitignore.",
    "up": "Serve this project; make it first where there is none.",
    "serve": "Serve an existing project, as in production.",
    "migrate": "Apply what is pending in the database.",
    "doctor": "Look whether everything works.",
    "plugins": "List installed plugins and what became of them.",
    "routes": "List every route and who may call it.",
    "logs": "Show or follow the server's log.",
    "vault": "Read and write the project's secrets.",
    "db": "Back up, restore, upgrade or reach the database.",
    "config": "Check or show the configuration.",
    "plugin": "Start a plugin of your own.",
    "context": "Choose the server that commands talk to.",
    "version": "Show the versions of the tool and the server.",
    "shutdown": "Stop a running server gracefully.",
}


class Root(click.Group):
    """`reactor`: loads only the command that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the kernel's commands; plugins' groups are listed by the help and completed in a shell."""
        if not ctx.resilient_parsing:
            return list(COMMANDS)
        from reactor_kernel.cli.plugin_commands import listing

        return [*COMMANDS, *(name for name, _ in listing(ctx.obj, ask_installed=True) if name.isascii())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command of the kernel, or the group that an enabled plugin brings."""
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"reactor_kernel.cli.commands.{cmd_name}")
            command: click.Command = module.command
        else:
            from reactor_kernel.cli.plugin_commands import load

            command = load(ctx.obj, cmd_name, known=COMMANDS)
        return with_global_options(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands without importing them, then the groups of enabled plugins."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        from reactor_kernel.cli.plugin_commands import listing

        rows = listing(ctx.obj)
        if rows:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(rows)


def _show_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"reactor {__version__}")
        context.exit(OK)


def build() -> click.Command:
    """Make the root command."""
    root = Root(
        "reactor",
        help="A backend platform in one process.\n\nResults are tables on a terminal and one JSON document otherwise.",
        no_args_is_help=False,
        invoke_without_command=True,
        callback=_nothing_asked,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        params=[
            click.Option(
                ["--version", "-V"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_version,
                help="Show the version and exit.",
            )
        ],
    )
    return with_global_options(root, hidden=False)


@click.pass_context
def _nothing_asked(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command line; everything that goes wrong ends in one error document and one exit code."""
    invocation = Invocation(arguments, environ=os.environ, cwd=Path.cwd())
    try:
        try:
            code = _main(arguments, invocation)
        finally:
            invocation.close()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away (`reactor routes | head`). Python would fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _main(arguments: Sequence[str], invocation: Invocation) -> int:
    try:
        result: Any = build().main(list(arguments), prog_name="reactor", obj=invocation, standalone_mode=False)
        return result if isinstance(result, int) else OK
    except (KeyboardInterrupt, click.Abort):
        return invocation.fail(CliError("INTERRUPTED", "interrupted", exit_code=INTERRUPTED))
    except CliError as error:
        return invocation.fail(error)
    except click.ClickException as error:
        return invocation.fail(_from_click(error))
    except BootError as error:
        return invocation.fail(from_boot_error(error))
    except ReactorError as error:
        return invocation.fail(from_reactor_error(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return invocation.fail(CliError("IO_ERROR", f"{place}{error.strerror or error}"))
    except Exception as error:  # noqa: BLE001 - the last resort: a fault of the tool must be one document, too
        invocation.show_traceback()
        return invocation.fail(
            CliError(
                "INTERNAL_ERROR",
                f"{type(error).__name__}: {error}",
                hint="this is a bug: report it together with the output of the same command with --verbose",
            )
        )


def _from_click(error: click.ClickException) -> CliError:
    """Give a fault of the command line its code: arguments are the user's (1), syntax is class 2 (cli.md §1.3)."""
    message = error.format_message()
    hint = None
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"see: {error.ctx.command_path} --help"
    if isinstance(error, click.MissingParameter):
        return CliError("MISSING_ARGUMENT", message, hint=hint)
    if isinstance(error, click.BadParameter):
        return CliError("INVALID_ARGUMENT", message, hint=hint)
    if isinstance(error, click.FileError):
        return CliError("IO_ERROR", message)
    if isinstance(error, click.UsageError):
        return CliError("CONFIG_ERROR", message, hint=hint)
    return CliError("USER_ERROR", message, exit_code=error.exit_code)
