"""Which server a command talks to, what that was decided by, and the credential it may be shown (cli.md §2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reactor_kernel.cli.contexts import Context, checked_endpoint
from reactor_kernel.cli.errors import CliError
from reactor_kernel.cli.project import admin_token, default_context, own_server
from reactor_kernel.contracts.commands import Credential, CredentialKind
from reactor_kernel.contributions import Access
from reactor_kernel.errors import BootError

if TYPE_CHECKING:
    from reactor_kernel.cli.invocation import Invocation


@dataclass(frozen=True, slots=True)
class Target:
    """A server. `source` says in words what named it; `own` marks the server of the project at hand."""

    endpoint: str
    source: str
    context: Context | None = None
    org: str | None = None
    own: bool = False


def is_named(invocation: Invocation) -> bool:
    """Tell whether flags or environment name a server."""
    environ = invocation.environ
    given = (
        invocation.flags.endpoint,
        invocation.flags.context,
        environ.get("REACTOR_URL"),
        environ.get("REACTOR_CONTEXT"),
    )
    return any(given)


def resolve(invocation: Invocation) -> Target:
    """Decide which server is meant.

    Flags win over the environment, a URL over a context; then comes the project at hand (its `default_context`, else its
    own server), then the active context.

    Raises:
        CliError: nothing names a server, or what does is not there.
        BootError: the project's [server] section cannot be read.
    """
    flags, environ = invocation.flags, invocation.environ
    if flags.endpoint is not None:
        if flags.context is not None:
            return _both(invocation, flags.endpoint, flags.context)
        return _at(invocation, flags.endpoint, "--endpoint")
    if flags.context is not None:
        return _in(invocation, flags.context, "--context")
    if environ.get("REACTOR_URL"):
        return _at(invocation, environ["REACTOR_URL"], "REACTOR_URL")
    if environ.get("REACTOR_CONTEXT"):
        return _in(invocation, environ["REACTOR_CONTEXT"], "REACTOR_CONTEXT")
    if invocation.has_project():
        chosen = default_context(invocation.raw())
        if chosen is not None:
            return _in(invocation, *chosen)
        own = own_server(invocation)
        return _target(invocation, own, str(invocation.raw().path or "the environment"), own=True)
    active = invocation.contexts.read().active
    if active is not None:
        return _in(invocation, active, "the active context")
    if invocation.raw().section_names:
        return _target(invocation, own_server(invocation), "the environment", own=True)
    raise CliError(
        "CONTEXT_NOT_FOUND",
        f"no server is named: there is no Reactor.toml in {invocation.cwd} and no context is active",
        hint="see: reactor context list; add one with: reactor context add NAME --endpoint URL",
    )


def credential(invocation: Invocation, target: Target, access: Access) -> Credential | None:
    """Return what the server may be shown for routes of this access; None where there is nothing.

    What was given for this run wins. The project's admin token is shown to the project's own server only, what a context
    keeps to that context's server only.

    Raises:
        CliError: what the context keeps cannot be used.
        BootError: the project's [admin] section cannot be read.
    """
    if access is Access.PUBLIC:
        return None
    given = invocation.given_token
    if given is not None:
        return Credential(given[0], given[1], CredentialKind.GIVEN)
    if access is Access.ADMIN and target.own:
        return Credential(admin_token(invocation.raw()), "the project", CredentialKind.PROJECT)
    return None if target.context is None else stored(invocation, target.context)


def stored(invocation: Invocation, context: Context) -> Credential | None:
    """Return what a context keeps. Raises CliError where it keeps something that cannot be used."""
    source, auth = f"context {context.name}", context.auth
    if auth.kind == "none":
        return None
    if auth.kind == "token-env":
        token = invocation.environ.get(auth.env or "")
        if not token:
            raise CliError(
                "AUTH_REQUIRED",
                f"context {context.name} takes its token from {auth.env}, which is not set",
                hint=f"set {auth.env}, or sign in with: reactor login --context {context.name}",
            )
        return Credential(
            checked_token(token, f"{auth.env}"), f"{auth.env}, which {source} names", CredentialKind.STORED
        )
    token = invocation.contexts.read().secrets.get(auth.access_account or "")
    if not token:
        raise CliError(
            "AUTH_REQUIRED",
            f"the token of context {context.name} is not in {invocation.contexts.home / 'tokens.toml'}",
            hint=f"sign in again with: reactor login --context {context.name}",
        )
    kind = CredentialKind.SESSION if auth.kind == "session" else CredentialKind.STORED
    return Credential(token, source, kind)


def checked_token(token: str, source: str) -> str:
    """Return a token that can stand in a header. Raises CliError that does not show it."""
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        problem = "is empty" if not token else "holds blanks or characters that no token has"
        raise CliError("INVALID_ARGUMENT", f"the token of {source} {problem}")
    return token


def missing_context(invocation: Invocation, name: str, source: str) -> CliError:
    """Make the error for a context that is not there."""
    known = invocation.contexts.read().names
    return CliError(
        "CONTEXT_NOT_FOUND",
        f"there is no context {name!r}, which {source} names",
        hint=f"there are: {', '.join(known)}; see: reactor context list"
        if known
        else f"see: reactor context list; add it with: reactor context add {name} --endpoint URL",
    )


def _in(invocation: Invocation, name: str, source: str) -> Target:
    context = invocation.contexts.read().get(name)
    if context is None:
        raise missing_context(invocation, name, source)
    return Target(
        context.endpoint,
        f"context {name}" if source == "--context" else f"context {name} ({source})",
        context,
        _org(invocation, context),
        own=context.endpoint == _own_or_none(invocation),
    )


def _at(invocation: Invocation, endpoint: str, source: str) -> Target:
    endpoint = checked_endpoint(endpoint, source)
    return _target(invocation, endpoint, source, own=endpoint == _own_or_none(invocation))


def _both(invocation: Invocation, endpoint: str, name: str) -> Target:
    endpoint = checked_endpoint(endpoint, "--endpoint")
    found = _in(invocation, name, "--context")
    if found.endpoint != endpoint:
        raise CliError(
            "INVALID_ARGUMENT",
            f"--endpoint says {endpoint}, but context {name} is {found.endpoint}",
            hint="name one of the two",
        )
    return found


def _target(invocation: Invocation, endpoint: str, source: str, *, own: bool) -> Target:
    context = invocation.contexts.read().at(endpoint)
    return Target(endpoint, source, context, _org(invocation, context), own=own)


def _org(invocation: Invocation, context: Context | None) -> str | None:
    return invocation.environ.get("REACTOR_ORG") or (context.org if context is not None else None)


def _own_or_none(invocation: Invocation) -> str | None:
    """Return the URL of the project at hand; faults of a project do not matter to a server elsewhere."""
    if not invocation.has_project():
        return None
    try:
        return own_server(invocation)
    except BootError:
        return None
