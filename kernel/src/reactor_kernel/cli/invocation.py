"""One run of the tool: its flags, its output, the project it is about and the server it talks to."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reactor_kernel.cli.errors import CliError
from reactor_kernel.cli.flags import OUTPUTS, Flags, scan_output
from reactor_kernel.cli.output import HUMAN, JSON, Human, Output

if TYPE_CHECKING:
    from reactor_kernel.api import PluginContext
    from reactor_kernel.cli.client import AdminClient
    from reactor_kernel.config.loader import RawConfig
    from reactor_kernel.config.model import KernelConfig
    from reactor_kernel.kernel import Kernel, Stage

_TRUE = ("1", "true", "yes", "on")


class Invocation:
    """What commands are handed as `ctx.obj`; plugins' commands see it as `reactor_kernel.api.CommandContext`."""

    def __init__(self, arguments: Sequence[str], *, environ: Mapping[str, str], cwd: Path) -> None:
        self.flags = Flags()
        self.environ = environ
        self.cwd = cwd
        self.streaming = False
        self._arguments = arguments
        self._output: Output | None = None
        self._closers: list[Callable[[], object]] = []

    # -- output -------------------------------------------------------------------------------------------------

    @property
    def out(self) -> Output:
        """Where results go, in the mode that flag, environment or terminal decide."""
        if self._output is None:
            wanted = self.flags.output or self.environ.get("REACTOR_OUTPUT") or None
            if wanted is not None and wanted not in OUTPUTS:
                raise CliError(
                    "INVALID_ARGUMENT", f"REACTOR_OUTPUT is {wanted!r}", hint=f"use one of: {', '.join(OUTPUTS)}"
                )
            self._output = self._make_output(wanted)
        return self._output

    def _make_output(self, wanted: str | None) -> Output:
        mode = (JSON if wanted == "json" else HUMAN) if wanted else (HUMAN if sys.stdout.isatty() else JSON)
        if self.flags.verbose:
            _log_to_stderr()
        elif not logging.getLogger().handlers:
            # Without any handler Python itself writes warnings to stderr, where a command says what matters in its own words.
            logging.getLogger().addHandler(logging.NullHandler())
        return Output(mode, color=not self.environ.get("NO_COLOR"), verbose=self.flags.verbose)

    def emit(self, data: Any, human: Human) -> None:
        """Write the result of the command: data for programs, text (or a function that makes it) for people."""
        self.out.emit(data, human)

    def fail(self, error: CliError) -> int:
        """Write the failure that ends the run and return its exit code."""
        if self._output is None:
            # The command line may not have parsed as far as its -o, and REACTOR_OUTPUT may be what is wrong.
            self._output = self._make_output(
                self.flags.output or scan_output(self._arguments) or self._mode_of_environ()
            )
        self._output.fail(error, streaming=self.streaming)
        return error.exit_code

    def _mode_of_environ(self) -> str | None:
        wanted = self.environ.get("REACTOR_OUTPUT")
        return wanted if wanted in OUTPUTS else None

    def show_traceback(self) -> None:
        """Write the traceback of an unexpected error on stderr with `--verbose`."""
        if self.flags.verbose:
            traceback.print_exc(file=sys.stderr)

    def confirm(self, question: str) -> None:
        """Ask before something is destroyed; without a terminal only `--yes` or REACTOR_ASSUME_YES is an answer.

        Raises:
            CliError: REQUIRES_CONFIRMATION, when it was refused or could not be asked.
        """
        if self.flags.yes or self.environ.get("REACTOR_ASSUME_YES", "").strip().lower() in _TRUE:
            return
        if not (sys.stdin.isatty() and sys.stdout.isatty() and self.out.is_human):
            raise CliError(
                "REQUIRES_CONFIRMATION",
                f"{question} needs confirmation",
                hint="pass --yes or set REACTOR_ASSUME_YES=1",
            )
        sys.stderr.write(f"{question}? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CliError("REQUIRES_CONFIRMATION", f"{question} was not confirmed; nothing was changed")

    # -- the project --------------------------------------------------------------------------------------------

    def raw(self, flags: Mapping[str, object] | None = None) -> RawConfig:
        """Read the project's configuration; nothing is bound and no plugin is imported."""
        from reactor_kernel.config.loader import load

        return load(self.flags.config, environ=self.environ, flags=dict(flags or {}), cwd=self.cwd)

    def has_project(self) -> bool:
        """Tell whether there is a configuration file to work with."""
        return self.flags.config is not None or (self.cwd / "Reactor.toml").exists()

    def need_project(self) -> None:
        """Stop where neither a file nor the environment configures a project."""
        if not self.has_project() and not self.raw().section_names:
            raise CliError(
                "MANIFEST_NOT_FOUND",
                f"there is no Reactor.toml in {self.cwd}",
                hint="make a project with: reactor init, or name its file with --config PATH",
            )

    def kernel_config(self, raw: RawConfig | None = None) -> KernelConfig:
        """Bind the kernel's own sections only, for commands that need no plugin.

        Raises:
            BootError: with every fault of those sections.
        """
        from reactor_kernel.cli.project import bind_kernel_sections

        if raw is None:
            self.need_project()
            raw = self.raw()
        return bind_kernel_sections(raw)

    def kernel(self, until: Stage, flags: Mapping[str, object] | None = None) -> Kernel:
        """Boot the project's kernel as far as a command needs it; it is closed when the command ends."""
        from reactor_kernel.kernel import Kernel

        self.need_project()
        kernel = Kernel(self.raw(flags))
        self._closers.append(kernel.close)
        kernel.boot(until)
        for warning in kernel.warnings:
            self.out.warn(warning)
        return kernel

    def plugin(self, name: str) -> PluginContext:
        """Boot the project with its database migrated and return the context of an enabled plugin."""
        from reactor_kernel.kernel import Stage

        kernel = self.kernel(Stage.MIGRATED)
        for plugin in kernel.enabled:
            if plugin.name == name:
                return kernel.context_for(plugin)
        raise CliError(
            "FEATURE_DISABLED", f"the plugin {name} is not enabled", hint=f"add a [{name}] section to Reactor.toml"
        )

    # -- the server ---------------------------------------------------------------------------------------------

    def client(self) -> AdminClient:
        """Return a client of the server this run is about, with the token it may be shown."""
        from reactor_kernel.cli.client import AdminClient
        from reactor_kernel.cli.project import find_server

        endpoint, token = find_server(self)
        client = AdminClient(endpoint, token, debug=self.out.debug)
        self._closers.append(client.close)
        return client

    def request(self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """Send one request to the server and return the parsed answer.

        Raises:
            CliError: with the code and exit class that the contract gives the server's refusal.
        """
        return self.client().request(method, path, params=params, body=body)

    def on_close(self, action: Callable[[], object]) -> None:
        """Run `action` when the command has ended, however it ended."""
        self._closers.append(action)

    def close(self) -> None:
        """Release what the command opened, the latest first."""
        while self._closers:
            self._closers.pop()()


def _log_to_stderr() -> None:
    """Show the platform's own log lines; those of HTTP libraries stay out, because they may show credentials."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("debug: %(name)s: %(message)s"))
    handler.addFilter(lambda record: record.name.startswith("reactor"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("reactor_kernel").setLevel(logging.DEBUG)
