"""`reactor login`, `reactor logout`, `reactor whoami`."""

from __future__ import annotations

from typing import Any

import click

from reactor_auth.cli.calls import PREFIX, call, is_users
from reactor_kernel.api import Access, CommandContext, CommandFailure, Credential, CredentialKind

CLIENT_ID = "reactor-cli"
SCOPES = ("ops:*", "cloud:*")
BOOTSTRAP = "platform:bootstrap"
TOKEN_PATH = f"{PREFIX}/token"
_REFUSED = ("AUTH_FAILED", "AUTH_REQUIRED", "PERMISSION_DENIED")


@click.command("login")
@click.option("--browser", is_flag=True, help="Sign in with a browser of this machine (the default on a terminal).")
@click.option("--no-browser", is_flag=True, help="Sign in on another device: shows a URL and a code.")
@click.option(
    "--token",
    is_flag=False,
    flag_value="-",
    metavar="[-|@FILE]",
    help="Keep a token: asked for, or read from stdin or a file.",
)
@click.option(
    "--bootstrap", is_flag=True, help="Become the first operator, with the admin token, on the server itself."
)
@click.pass_obj
def login(command: CommandContext, browser: bool, no_browser: bool, token: str | None, bootstrap: bool) -> None:
    """Sign in to a server and keep it.

    The sign-in is kept in the context that --context names, that of the server at --endpoint, or the one in force here; a
    context that does not exist yet is made. Commands then refresh it by themselves.
    """
    if token is not None and (browser or no_browser):
        command.stop("INVALID_ARGUMENT", "--token excludes --browser and --no-browser", hint="pass one of them")
    if bootstrap and token is not None:
        command.stop(
            "INVALID_ARGUMENT", "--bootstrap needs a sign-in of a person", hint="pass --browser or --no-browser with it"
        )
    if bootstrap and command.credential(Access.ADMIN) is None:
        command.stop(
            "AUTH_REQUIRED",
            "--bootstrap needs the admin token",
            hint="run it in the project's directory, or pass the admin token as REACTOR_TOKEN",
        )
    if token is None and not (browser or no_browser or command.is_interactive):
        command.stop(
            "MISSING_ARGUMENT",
            "without a terminal the way to sign in must be named",
            hint="pass --no-browser for a code to enter elsewhere, --token - for a token on stdin, or --browser",
        )
    name = command.sign_in_place()
    if token is not None:
        data: dict[str, Any] = _paste(command, name, token)
    else:
        from reactor_auth.cli import browser as in_browser
        from reactor_auth.cli import device

        sign_in = device.authorize if no_browser else in_browser.authorize
        wanted = (*SCOPES, BOOTSTRAP) if bootstrap else SCOPES
        answer = sign_in(command, client_id=CLIENT_ID, scopes=wanted)
        session = command.keep_session(answer, token_path=TOKEN_PATH, client_id=CLIENT_ID, scopes=wanted)
        if bootstrap:
            answer = _become_operator(command, answer)
            session = command.keep_session(answer, token_path=TOKEN_PATH, client_id=CLIENT_ID, scopes=wanted)
        data = {
            "context": name,
            "authenticated": True,
            "mode": "device_code" if no_browser else "pkce",
            "expires_at": session.expires_at,
            "scopes": list(session.scopes),
        }
    if command.environ.get("REACTOR_TOKEN"):
        command.warn("REACTOR_TOKEN is set and wins over this sign-in until it is unset")
    endpoint = command.server().endpoint
    command.emit(data, lambda: command.success(f"signed in to {endpoint} as context {name}"))


def _become_operator(command: CommandContext, answer: Any) -> Any:
    """Make who just signed in the first operator; return tokens that carry the scopes of one."""
    me = call(command, "GET", f"{PREFIX}/me", access=Access.USER, token=answer["access_token"])
    call(command, "POST", "/_ops/v1/operators/bootstrap", body={"email": me["email"]}, access=Access.ADMIN)
    form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": answer["refresh_token"]}
    return call(command, "POST", TOKEN_PATH, form=form, access=Access.PUBLIC)


def _paste(command: CommandContext, name: str, argument: str) -> dict[str, Any]:
    token = command.read_secret(argument, "Token")
    # Looked at before it is kept: a token that opens nothing is not a sign-in.
    if is_users(token):
        call(command, "GET", f"{PREFIX}/me", access=Access.USER, token=token)
    else:
        command.request("GET", "/_admin/version", token=token)
    command.keep_token(token)
    return {"context": name, "authenticated": True, "mode": "token"}


@click.command("logout")
@click.pass_obj
def logout(command: CommandContext) -> None:
    """End the sign-in of a context, on the server first, then here."""
    kept = command.credential(Access.USER)
    if kept is not None and kept.kind is CredentialKind.GIVEN:
        command.stop(
            "USER_ERROR",
            f"{kept.source} is given for this run, but logout ends the sign-in that a context keeps",
            hint=f"run it without {kept.source}",
        )
    ended = kept is not None and _end_session(command, kept)
    name = command.forget_credential()
    data = {"context": name, "logged_out": True, "session_ended": ended}
    what = "signed out" if kept is not None else "there was no sign-in"
    where = f"context {name}" if name is not None else command.server().endpoint
    command.emit(data, lambda: command.success(f"{what}: {where}"))


def _end_session(command: CommandContext, kept: Credential) -> bool:
    """End the session on the server; tell whether it did."""
    if kept.kind is not CredentialKind.SESSION and (kept.token.startswith("rk_") or not is_users(kept.token)):
        return False  # an API key or an admin token has no session
    try:
        command.request("POST", f"{PREFIX}/logout", access=Access.USER)
    except CommandFailure as failure:
        if failure.code not in _REFUSED:
            command.warn(f"the session may live on, because the server could not end it: {failure.message}")
        return False
    return True


@click.command("whoami")
@click.pass_obj
def whoami(command: CommandContext) -> None:
    """Show who the server takes you for."""
    refusal: CommandFailure | None = None
    found = command.credential(Access.USER)
    if found is not None and (found.kind is CredentialKind.SESSION or is_users(found.token)):
        data = _as_user(command)
    elif found is not None or command.credential(Access.ADMIN) is not None:
        try:
            data = _as_admin(command)
        except CommandFailure as failure:
            if failure.code not in _REFUSED or found is None:
                raise
            refusal = failure
            try:
                data = _as_user(command)
            except CommandFailure:
                raise refusal from None
    else:
        data = _as_nobody(command)
    command.emit(data, lambda: _human(command, data))


def _as_user(command: CommandContext) -> dict[str, Any]:
    me = call(command, "GET", f"{PREFIX}/me", access=Access.USER)
    orgs = [{"id": org["org_id"], "slug": org["org_slug"], "role": org["role"]} for org in me["orgs"]]
    user = {"id": me["user_id"], "email": me["email"], "orgs": orgs}
    return {"context": command.server().context, "authenticated": True, "user": user}


def _as_admin(command: CommandContext) -> dict[str, Any]:
    version = command.request("GET", "/_admin/version")["version"]
    return {"context": command.server().context, "authenticated": True, "admin": True, "server_version": version}


def _as_nobody(command: CommandContext) -> dict[str, Any]:
    name = command.server().context
    login_here = "reactor login" + (f" --context {name}" if name is not None else "")
    return {"context": name, "authenticated": False, "message": f"not signed in; sign in with: {login_here}"}


def _human(command: CommandContext, data: dict[str, Any]) -> str:
    server = command.server()
    place = f"{server.endpoint}" + (f" (context {data['context']})" if data["context"] is not None else "")
    if not data["authenticated"]:
        return f"{place}: {data['message']}"
    if data.get("admin"):
        return f"{place}: the admin token of a server {data['server_version']}"
    user = data["user"]
    rows = [(org["slug"], org["role"], org["id"]) for org in user["orgs"]]
    return f"{place}: {user['email']} ({user['id']})\n\n" + command.table(
        ("org", "role", "id"), rows, empty="In no organisation."
    )
