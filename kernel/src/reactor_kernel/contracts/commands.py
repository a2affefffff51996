"""What a plugin's own commands are handed by the `reactor` tool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from reactor_kernel.contributions import Access
    from reactor_kernel.plugins.context import PluginContext


class CommandFailure(Exception):
    """Ends a command with a stable code of the tool; raised by `CommandContext.request` and `.stop`.

    `details` of a server's refusal hold its `server_code`, `status` and `request_id`.
    """

    code: str
    message: str
    hint: str | None
    details: dict[str, Any]


class CredentialKind(Enum):
    """Where a credential comes from.

    GIVEN: for this run, by flag or environment.
    STORED: a token that a context keeps or names.
    SESSION: a sign-in that a context keeps; it is refreshed by itself.
    PROJECT: the admin token of the project at hand.
    """

    GIVEN = "given"
    STORED = "stored"
    SESSION = "session"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a server would be shown; `source` says in words where it comes from."""

    token: str = field(repr=False)
    source: str
    kind: CredentialKind


@dataclass(frozen=True, slots=True)
class Server:
    """The server a command talks to.

    Args:
        endpoint: its URL without a trailing slash.
        source: in words, what named it.
        context: the user's context for it, if there is one.
        org: the organisation that is sent along.
    """

    endpoint: str
    source: str
    context: str | None
    org: str | None


@dataclass(frozen=True, slots=True)
class SignInSession:
    """A sign-in that a context keeps.

    The tool refreshes it as `client_id` at the OAuth 2 token endpoint `token_path` of the server (RFC 6749 §6).
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime
    scopes: tuple[str, ...]
    token_path: str
    client_id: str


class CommandContext(Protocol):
    """`ctx.obj` of every click command of the tool; take it with `@click.pass_obj`.

    Example:
        ```python
        @click.command()
        @click.pass_obj
        def greetings(command: CommandContext) -> None:
            rows = Greetings(command.plugin("hello").db).all()
            command.emit(rows, lambda: command.table(("text",), [(row["text"],) for row in rows], empty="No greetings."))
        ```
    """

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of the tool."""
        ...

    @property
    def is_interactive(self) -> bool:
        """Whether a person sits at a terminal, so that something may be asked."""
        ...

    def emit(self, data: Any, human: str | Callable[[], str]) -> None:
        """Write the command's result, once: `data` inside the JSON envelope for programs, the text for people."""
        ...

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> str:
        """Lay rows out for people; `empty` is the sentence that stands for no rows."""
        ...

    def success(self, text: str) -> str:
        """Return a line that tells people that something was done."""
        ...

    def progress(self, text: str) -> None:
        """Tell people on stderr what is being done."""
        ...

    def warn(self, text: str) -> None:
        """Warn people on stderr."""
        ...

    def note(self, text: str) -> None:
        """Write a line on stderr in every mode: what somebody must see for the command to go on."""
        ...

    def confirm(self, question: str) -> None:
        """Ask before something is destroyed, e.g. `confirm("deleting bucket photos")`; ends the command on no."""
        ...

    def read_secret(self, value: str, prompt: str) -> str:
        """Return the secret that an argument stands for.

        `-` is one line of standard input, asked for without echo on a terminal; `@FILE` is a file's content; anything else
        is the secret itself, with a warning, because other processes can see it.
        """
        ...

    def stop(
        self, code: str, message: str, *, hint: str | None = None, details: Mapping[str, Any] | None = None
    ) -> NoReturn:
        """End the command with one of the tool's error codes, which decides the exit code."""
        ...

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        access: Access = ...,
        token: str | None = None,
        accept: tuple[int, ...] = (),
        text: bool = False,
    ) -> Any:
        """Send a request to the server and return the parsed answer; a refusal ends the command.

        Args:
            body: sent as JSON.
            form: sent as a form, instead of `body`.
            access: the access of the route, which decides what is shown: the admin token (`Access.ADMIN`, the default), the
                user's own credential (`Access.USER`), or nothing (`Access.PUBLIC`).
            token: shown instead of what `access` decides.
            accept: statuses of 400 and above that are an answer here and no failure.
            text: the answer is text, returned as it is, and not JSON.

        Raises:
            CommandFailure
        """
        ...

    def server(self) -> Server:
        """Return the server that flags, environment, project and contexts decide on."""
        ...

    def credential(self, access: Access) -> Credential | None:
        """Return what `request` would show for routes of this access, before any refresh."""
        ...

    def sign_in_place(self) -> str:
        """Return the name of the context that a sign-in goes to, which need not exist yet, and talk to its server."""
        ...

    def keep_session(
        self, answer: Any, *, token_path: str, client_id: str, scopes: Sequence[str] = ()
    ) -> SignInSession:
        """Keep a sign-in in the context of `sign_in_place`, which is made if need be; its former credential is forgotten.

        Args:
            answer: what the token endpoint said (RFC 6749 §5.1).
            token_path: the path of the token endpoint, at which the tool refreshes it by itself.
            client_id: the OAuth 2 client it was given to.
            scopes: what was asked for, in case the answer does not say what was given.
        """
        ...

    def keep_token(self, token: str) -> None:
        """Keep a token in the context of `sign_in_place`, which is made if need be."""
        ...

    def forget_credential(self) -> str | None:
        """Forget what the context of this server keeps; return the context's name, None where there is none."""
        ...

    def plugin(self, name: str) -> PluginContext:
        """Boot the project up to a migrated database in this process and return the context of an enabled plugin."""
        ...
