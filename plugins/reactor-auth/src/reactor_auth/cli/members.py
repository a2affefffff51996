"""`reactor auth members`: who is in an organisation."""

from __future__ import annotations

from typing import Any

import click

from reactor_auth.cli.calls import Routes, as_whoever, segment
from reactor_auth.cli.options import admin_option, moment
from reactor_auth.cli.roles import role_id_of
from reactor_kernel.api import CommandContext


@click.group("members")
def members() -> None:
    """Members of an organisation; users by id or e-mail address."""


@members.command("list")
@click.argument("org")
@admin_option
@click.pass_obj
def list_(command: CommandContext, org: str, admin: bool) -> None:
    """List members in order of joining."""
    rows = [_shown(row) for row in as_whoever(command, admin=admin).call("GET", f"/orgs/{segment(org)}/members")]
    command.emit(
        rows,
        lambda: command.table(
            ("email", "role", "joined", "user id"),
            [(row["email"], row["role"], moment(row["joined_at"]), row["user_id"]) for row in rows],
            empty="No members found.",
        ),
    )


@members.command("add")
@click.argument("org")
@click.argument("user")
@click.option("--role", default="member", show_default=True, help="The name of its role.")
@admin_option
@click.pass_obj
def add(command: CommandContext, org: str, user: str, role: str, admin: bool) -> None:
    """Make a user a member at once, with the admin token; users invite instead."""
    routes = as_whoever(command, admin=admin)
    if not routes.is_admin:
        command.stop(
            "PERMISSION_DENIED",
            "only the admin token makes somebody a member without asking",
            hint=f"invite: reactor auth invitations create {org} EMAIL --role {role}; or pass --admin",
        )
    row = _shown(routes.call("POST", f"/orgs/{segment(org)}/members", body={"user_id": user, "role": role}))
    command.emit(row, lambda: command.success(f"{row['email']} is {row['role']} of {org}"))


@members.command("update")
@click.argument("org")
@click.argument("user")
@click.argument("role")
@admin_option
@click.pass_obj
def update(command: CommandContext, org: str, user: str, role: str, admin: bool) -> None:
    """Give a member the role called ROLE."""
    routes = as_whoever(command, admin=admin)
    if routes.is_admin:
        body = {"role": role}
    else:
        body = {"role_id": role_id_of(routes, org, role)}
        user = _member_id(routes, org, user)
    row = _shown(routes.call("PATCH", f"/orgs/{segment(org)}/members/{segment(user)}", body=body))
    command.emit(row, lambda: command.success(f"{row['email']} is {row['role']} of {org}"))


@members.command("remove")
@click.argument("org")
@click.argument("user")
@admin_option
@click.pass_obj
def remove(command: CommandContext, org: str, user: str, admin: bool) -> None:
    """Remove a member, or yourself."""
    command.confirm(f"removing {user} from {org}")
    routes = as_whoever(command, admin=admin)
    found = user if routes.is_admin else _member_id(routes, org, user)
    routes.call("DELETE", f"/orgs/{segment(org)}/members/{segment(found)}")
    command.emit({"removed": user}, lambda: command.success(f"{user} is removed from {org}"))


def _member_id(routes: Routes, org: str, user: str) -> str:
    """Return a member's id; an address is looked up among the members."""
    if "@" not in user:
        return user
    rows = routes.call("GET", f"/orgs/{segment(org)}/members")
    found = [str(row["user_id"]) for row in rows if row["user"]["email"] == user.strip().lower()]
    if not found:
        routes.command.stop(
            "CLIENT_ERROR", f"{user} is no member of {org}", hint=f"see: reactor auth members list {org}"
        )
    return found[0]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "user_id": row["user_id"],
        "email": row["user"]["email"],
        "role": row["role_name"],
        "joined_at": row["joined_at"],
    }
