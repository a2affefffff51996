"""`reactor auth sessions`: where somebody is signed in."""

from __future__ import annotations

from typing import Any

import click

from reactor_auth.cli.calls import as_admin, as_user, segment
from reactor_auth.cli.options import moment
from reactor_kernel.api import CommandContext

_USER = click.option("--user", metavar="USER", help="Somebody else, by id or e-mail address; needs the admin token.")


@click.group("sessions")
def sessions() -> None:
    """Sessions of yours or, with the admin token, of somebody else."""


@sessions.command("list")
@_USER
@click.pass_obj
def list_(command: CommandContext, user: str | None) -> None:
    """List live sessions, the latest used first."""
    if user is None:
        rows: list[dict[str, Any]] = as_user(command).call("GET", "/user/sessions")
    else:
        rows = as_admin(command).call("GET", f"/users/{segment(user)}/sessions")
    command.emit(
        rows,
        lambda: command.table(
            ("last seen", "address", "by", "agent", "current", "id"),
            [
                (
                    moment(row["last_seen_at"]),
                    row["ip"],
                    " ".join(row["amr"]),
                    row["user_agent"],
                    row.get("current"),
                    row["id"],
                )
                for row in rows
            ],
            empty="No sessions found.",
        ),
    )


@sessions.command("revoke")
@click.argument("session", required=False)
@click.option("--others", is_flag=True, help="All of yours but the present one.")
@click.option("--all", "everything", is_flag=True, help="All, the present one included.")
@_USER
@click.pass_obj
def revoke(command: CommandContext, session: str | None, others: bool, everything: bool, user: str | None) -> None:
    """End the session with this id, or several."""
    if sum((session is not None, others, everything)) != 1:
        command.stop("MISSING_ARGUMENT", "say which sessions to end", hint="pass an id, --others or --all")
    if others and user is not None:
        command.stop("INVALID_ARGUMENT", "--others is about your own sessions", hint="pass --all or an id with --user")
    which = f"the session {session}" if session else "all other sessions" if others else "all sessions"
    command.confirm(f"ending {which}" + (f" of {user}" if user else ""))
    if user is not None:
        path = f"/users/{segment(user)}/sessions" + (f"/{segment(session)}" if session else "")
        as_admin(command).call("DELETE", path)
    elif session is not None:
        as_user(command).call("DELETE", f"/user/sessions/{segment(session)}")
    else:
        as_user(command).call("DELETE", "/user/sessions", params={"scope": "others" if others else "all"})
    data = {"revoked": session or ("others" if others else "all")}
    command.emit(data, lambda: command.success(f"ended {which}"))
