"""One run of the tool: its flags, its output, the project it is about and the server it talks to."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from reactor_kernel.cli.errors import EXIT_CODES, CliError
from reactor_kernel.cli.flags import OUTPUTS, Flags, scan_output
from reactor_kernel.cli.output import HUMAN, JSON, Human, Output, table
from reactor_kernel.contributions import Access

if TYPE_CHECKING:
    from reactor_kernel.api import PluginContext
    from reactor_kernel.cli.client import Client
    from reactor_kernel.cli.context_files import ContextStore
    from reactor_kernel.cli.remote import Remote
    from reactor_kernel.config.loader import RawConfig
    from reactor_kernel.config.model import KernelConfig
    from reactor_kernel.contracts.commands import Credential, Server, SignInSession
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

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> str:
        """Lay rows out for people."""
        return table(headers, rows, empty=empty)

    def success(self, text: str) -> str:
        """Return a line that says that something was done."""
        return self.out.success(text)

    def progress(self, text: str) -> None:
        """Tell people what is being done."""
        self.out.progress(text)

    def warn(self, text: str) -> None:
        """Warn people."""
        self.out.warn(text)

    def note(self, text: str) -> None:
        """Write a line on stderr in every mode."""
        self.out.note(text)

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
        if not self.is_interactive:
            raise CliError(
                "REQUIRES_CONFIRMATION",
                f"{question} needs confirmation",
                hint="pass --yes or set REACTOR_ASSUME_YES=1",
            )
        sys.stderr.write(f"{question}? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CliError("REQUIRES_CONFIRMATION", f"{question} was not confirmed; nothing was changed")

    @property
    def is_interactive(self) -> bool:
        """Whether a person sits at a terminal."""
        return sys.stdin.isatty() and sys.stdout.isatty() and self.out.is_human

    def read_secret(self, value: str, prompt: str) -> str:
        """Return the secret that an argument stands for: `-` is standard input, `@FILE` a file.

        Raises:
            CliError: there is none, or the file cannot be read.
        """
        if value.startswith("@"):
            found = (self.cwd / value[1:]).read_text(encoding="utf-8").strip()
        elif value != "-":
            self.out.warn(f"{prompt} was given in an argument, which other processes can see; prefer - or @FILE")
            return value
        elif sys.stdin.isatty():
            import getpass

            found = getpass.getpass(f"{prompt}: ", sys.stderr).strip()
        else:
            found = sys.stdin.readline().strip()
        if not found:
            place = "standard input" if value == "-" else value[1:]
            raise CliError("INVALID_ARGUMENT", f"there is no {prompt.lower()} on {place}")
        return found

    def stop(
        self, code: str, message: str, *, hint: str | None = None, details: Mapping[str, Any] | None = None
    ) -> NoReturn:
        """End the command with one of the tool's codes."""
        if code not in EXIT_CODES:
            raise ValueError(f"{code!r} is not one of the tool's error codes")
        raise CliError(code, message, hint=hint, details=details)

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

    def project_name(self) -> str:
        """Return `[project] name`, or nothing where it is not set or cannot be read."""
        from reactor_kernel.cli.project import written_name

        return written_name(self.raw()) if self.has_project() else ""

    # -- the server ---------------------------------------------------------------------------------------------

    @cached_property
    def contexts(self) -> ContextStore:
        """The user's contexts."""
        from reactor_kernel.cli.context_files import ContextStore, home_of

        return ContextStore(home_of(self.environ), self.out.warn)

    @cached_property
    def remote(self) -> Remote:
        """The server this run is about, and what it may be shown."""
        from reactor_kernel.cli.remote import Remote

        return Remote(self)

    def is_remote(self) -> bool:
        """Tell whether a command that could work on the project's files is to ask a server instead.

        That is so where flags or environment name one, and outside of a project where a context is active.
        """
        from reactor_kernel.cli.target import is_named

        return is_named(self) or (not self.has_project() and self.contexts.read().active is not None)

    @cached_property
    def given_token(self) -> tuple[str, str] | None:
        """The token given for this run and where it was given; a flag wins over REACTOR_TOKEN."""
        from reactor_kernel.cli.target import checked_token

        flag = self.flags.token
        if flag:
            token = self.read_secret(flag, "Token") if flag[0] in "-@" else flag
            return checked_token(token, "--token"), "--token"
        variable = self.environ.get("REACTOR_TOKEN")
        return (checked_token(variable, "REACTOR_TOKEN"), "REACTOR_TOKEN") if variable else None

    def client(self, access: Access = Access.ADMIN) -> Client:
        """Return a client of the server this run is about, with the credential it may be shown."""
        return self.remote.client(access)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        access: Access = Access.ADMIN,
        token: str | None = None,
        accept: tuple[int, ...] = (),
        text: bool = False,
    ) -> Any:
        """Send one request to the server and return the parsed answer.

        Raises:
            CliError: with the code and exit class that the contract gives the server's refusal.
        """
        client = self.client(access) if token is None else self.remote.client_showing(token)
        return client.request(method, path, params=params, body=body, form=form, accept=accept, text=text)

    def server(self) -> Server:
        """Describe the server this run is about."""
        return self.remote.server()

    def credential(self, access: Access) -> Credential | None:
        """Return what the server would be shown for routes of this access."""
        return self.remote.credential(access)

    def sign_in_place(self) -> str:
        """Return the name of the context that a sign-in goes to, and talk to its server."""
        return self.remote.sign_in_place().name

    def keep_session(
        self, answer: Any, *, token_path: str, client_id: str, scopes: Sequence[str] = ()
    ) -> SignInSession:
        """Keep a sign-in in its context."""
        return self.remote.keep_session(answer, token_path=token_path, client_id=client_id, scopes=scopes)

    def keep_token(self, token: str) -> None:
        """Keep a token in its context."""
        self.remote.keep_token(token)

    def forget_credential(self) -> str | None:
        """Forget what the server's context keeps."""
        return self.remote.forget_credential()

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
