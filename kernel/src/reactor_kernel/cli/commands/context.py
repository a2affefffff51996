"""`reactor context`: the servers that commands talk to."""

from __future__ import annotations

from typing import Any

import click

from reactor_kernel.cli.contexts import Context, Contexts, StoredAuth, checked_endpoint, checked_name
from reactor_kernel.cli.errors import CliError
from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.cli.session import keep_token
from reactor_kernel.cli.target import checked_token, missing_context


@click.group("context")
def command() -> None:
    """Choose the server that commands talk to.

    A context is a server's URL, an organisation and a credential under one name, in files that only you can read. Commands
    use the one that --context or REACTOR_CONTEXT names; else the project at hand; else the active one.
    """


@command.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """List contexts."""
    contexts = invocation.contexts.read()
    rows = [_brief(contexts, context) for context in map(contexts.get, contexts.names) if context is not None]
    invocation.emit(
        rows,
        lambda: invocation.table(
            ("name", "endpoint", "org", "active"),
            [(row["name"], row["endpoint"], row["org"], row["is_default"]) for row in rows],
            empty="No contexts found.",
        ),
    )


@command.command("add")
@click.argument("name")
@click.option("--org", metavar="ORG", help="Organisation, by id or slug, that requests are about.")
@click.option("--token-env", metavar="VAR", help="Take the token from this environment variable at each run.")
@click.pass_obj
def add(invocation: Invocation, name: str, org: str | None, token_env: str | None) -> None:
    """Add the server at --endpoint as NAME; the first one becomes active.

    --token - reads a token from standard input and --token @FILE from a file; it is kept in a file that only you can read.
    """
    checked_name(name)
    if invocation.flags.endpoint is None:
        raise CliError("MISSING_ARGUMENT", "a context needs the URL of its server", hint="pass --endpoint URL")
    endpoint = checked_endpoint(invocation.flags.endpoint, "--endpoint")
    if token_env is not None and invocation.flags.token is not None:
        raise CliError("INVALID_ARGUMENT", "--token and --token-env exclude one another", hint="pass one of them")
    token = invocation.given_token[0] if invocation.flags.token is not None and invocation.given_token else None
    with invocation.contexts.change() as contexts:
        if name in contexts.names:
            raise CliError(
                "USER_ERROR",
                f"there is a context {name!r} already",
                hint=f"see: reactor context show {name}; remove it with: reactor context remove {name}",
            )
        auth = StoredAuth() if token_env is None else StoredAuth("token-env", env=_variable(token_env))
        context = Context(name, endpoint, org, auth)
        contexts.put(context)
        if token is not None:
            keep_token(contexts, context, checked_token(token, "--token"))
        data = _brief(contexts, context)
    invocation.emit(data, lambda: invocation.out.success(f"{name} is {endpoint}"))


@command.command("use")
@click.argument("name")
@click.pass_obj
def use(invocation: Invocation, name: str) -> None:
    """Make NAME the active context."""
    with invocation.contexts.change() as contexts:
        if name not in contexts.names:
            raise missing_context(invocation, name, "the argument")
        contexts.active = name
    invocation.emit({"default": name}, lambda: invocation.out.success(f"{name} is active"))


@command.command("show")
@click.argument("name", required=False)
@click.pass_obj
def show(invocation: Invocation, name: str | None) -> None:
    """Show NAME, else the context that commands would use here; tokens are never shown."""
    contexts = invocation.contexts.read()
    if name is None:
        target = invocation.remote.target
        if target.context is None:
            raise CliError(
                "CONTEXT_NOT_FOUND",
                f"commands here talk to {target.endpoint}, which {target.source} names; no context is that server",
                hint="see: reactor context list",
            )
        name = target.context.name
    context = contexts.get(name)
    if context is None:
        raise missing_context(invocation, name, "the argument")
    invocation.emit(_full(contexts, context), lambda: _human(invocation, contexts, context))


@command.command("remove")
@click.argument("name")
@click.pass_obj
def remove(invocation: Invocation, name: str) -> None:
    """Remove a context together with the token it keeps."""
    with invocation.contexts.change() as contexts:
        context = contexts.get(name)
        if context is None:
            raise missing_context(invocation, name, "the argument")
        contexts.remove(name)
    if context.auth.kind == "session":
        invocation.out.warn(
            f"the session on {context.endpoint} lives on; reactor logout ends one before it is forgotten"
        )
    invocation.emit({"removed": name}, lambda: invocation.out.success(f"{name} is removed"))


def _variable(name: str) -> str:
    if not name.isidentifier() or not name.isascii():
        raise CliError("INVALID_ARGUMENT", f"{name!r} is not the name of an environment variable")
    return name


def _brief(contexts: Contexts, context: Context) -> dict[str, Any]:
    return {
        "name": context.name,
        "endpoint": context.endpoint,
        "org": context.org,
        "is_default": context.name == contexts.active,
    }


def _full(contexts: Contexts, context: Context) -> dict[str, Any]:
    kept: dict[str, Any] = {"type": context.auth.kind}
    if context.auth.kind == "token-env":
        kept["env"] = context.auth.env
    if context.auth.kind == "session":
        kept |= {"expires_at": context.auth.expires_at, "scopes": list(context.auth.scopes)}
    return dict(_brief(contexts, context), auth=kept)


def _human(invocation: Invocation, contexts: Contexts, context: Context) -> str:
    rows: list[tuple[str, object]] = [
        ("name", context.name),
        ("endpoint", context.endpoint),
        ("org", context.org),
        ("active", context.name == contexts.active),
        ("sign-in", context.auth.kind),
    ]
    if context.auth.kind == "token-env":
        rows.append(("variable", context.auth.env))
    if context.auth.kind == "session":
        rows += [("expires", context.auth.expires_at), ("scopes", " ".join(context.auth.scopes))]
    return invocation.table(("key", "value"), rows, empty="")
