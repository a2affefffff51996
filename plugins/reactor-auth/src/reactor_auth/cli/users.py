"""`reactor auth users`: everybody's accounts, with the admin token."""

from __future__ import annotations

from typing import Any

import click

from reactor_auth.cli.calls import as_admin, segment
from reactor_auth.cli.options import demand_change, given, metadata_of, moment, page_options, pages
from reactor_kernel.api import CommandContext


@click.group("users")
def users() -> None:
    """Accounts, by id or e-mail address; needs the admin token."""


@users.command("list")
@click.option("--search", metavar="TEXT", help="Only addresses that contain this.")
@click.option("--status", type=click.Choice(["enabled", "disabled"]), help="Only these.")
@page_options
@click.pass_obj
def list_(command: CommandContext, search: str | None, status: str | None, limit: int, everything: bool) -> None:
    """List users, newest first."""
    params = {"search": search, "status": status}
    rows = pages(as_admin(command), "/users", "users", params, limit, everything=everything)
    command.emit(
        rows,
        lambda: command.table(
            ("email", "verified", "disabled", "created", "id"),
            [
                (row["email"], row["email_verified"], moment(row["disabled_at"]), moment(row["created_at"]), row["id"])
                for row in rows
            ],
            empty="No users found.",
        ),
    )


@users.command("show")
@click.argument("user")
@click.pass_obj
def show(command: CommandContext, user: str) -> None:
    """Show an account and its organisations."""
    row = as_admin(command).call("GET", f"/users/{segment(user)}")
    command.emit(row, lambda: _human(command, row))


@users.command("create")
@click.argument("email")
@click.option("--password", metavar="-|@FILE", help="Its password: asked for, or read from stdin or a file.")
@click.option("--verified", is_flag=True, help="The address is known to be the user's.")
@click.option("--metadata", metavar="JSON", help="What the user may change itself.")
@click.pass_obj
def create(command: CommandContext, email: str, password: str | None, verified: bool, metadata: str | None) -> None:
    """Make an account; without a password it signs in by other means, or sets one later."""
    body = given(email=email, metadata=metadata_of(command, metadata), email_verified=verified or None)
    if password is not None:
        body["password"] = command.read_secret(password, "Password")
    row = as_admin(command).call("POST", "/users", body=body)
    command.emit(row, lambda: command.success(f"{row['email']} is {row['id']}"))


@users.command("update")
@click.argument("user")
@click.option("--email", help="Its new address, which is not confirmed by mail.")
@click.option("--password", metavar="-|@FILE", help="Its new password, which ends its sessions.")
@click.option("--verified/--unverified", default=None, help="Whether the address is known to be the user's.")
@click.option("--metadata", metavar="JSON", help="Replaces what is there.")
@click.pass_obj
def update(
    command: CommandContext,
    user: str,
    email: str | None,
    password: str | None,
    verified: bool | None,
    metadata: str | None,
) -> None:
    """Change an account."""
    body = given(email=email, email_verified=verified, metadata=metadata_of(command, metadata))
    if password is not None:
        body["password"] = command.read_secret(password, "Password")
    _change(command, user, demand_change(command, body), "is changed")


@users.command("disable")
@click.argument("user")
@click.pass_obj
def disable(command: CommandContext, user: str) -> None:
    """Shut an account and end its sessions."""
    command.confirm(f"disabling the user {user}")
    _change(command, user, {"disabled": True}, "is disabled")


@users.command("enable")
@click.argument("user")
@click.pass_obj
def enable(command: CommandContext, user: str) -> None:
    """Open a disabled account."""
    _change(command, user, {"disabled": False}, "is enabled")


@users.command("remove-factors")
@click.argument("user")
@click.pass_obj
def remove_factors(command: CommandContext, user: str) -> None:
    """Remove every second factor of an account, passkeys and recovery codes included, for somebody who lost them."""
    command.confirm(f"removing all second factors of the user {user}")
    removed = as_admin(command).call("DELETE", f"/users/{segment(user)}/factors")["removed"]
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in removed.items()) or "there was none"
    command.emit({"removed": removed}, lambda: command.success(f"{user} has no second factor any more: {told}"))


@users.command("delete")
@click.argument("user")
@click.pass_obj
def delete(command: CommandContext, user: str) -> None:
    """Delete an account with its sessions and memberships; the address is free again."""
    command.confirm(f"deleting the user {user} with everything that is only its own")
    as_admin(command).call("DELETE", f"/users/{segment(user)}")
    command.emit({"deleted": user}, lambda: command.success(f"{user} is deleted"))


def _change(command: CommandContext, user: str, body: dict[str, Any], what: str) -> None:
    row = as_admin(command).call("PATCH", f"/users/{segment(user)}", body=body)
    command.emit(row, lambda: command.success(f"{row['email']} {what}"))


def _human(command: CommandContext, row: dict[str, Any]) -> str:
    names = ("id", "email", "email_verified", "has_password", "created_at", "updated_at", "disabled_at")
    facts = [(name.replace("_", " "), moment(row.get(name))) for name in names]
    orgs = [(org["org_slug"], org["role"], org["org_id"]) for org in row["orgs"]]
    return (
        command.table(("key", "value"), facts, empty="")
        + "\n\n"
        + command.table(("org", "role", "id"), orgs, empty="In no organisation.")
    )
