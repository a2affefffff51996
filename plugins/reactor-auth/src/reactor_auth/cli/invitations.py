"""`reactor auth invitations`: asking people into an organisation."""

from __future__ import annotations

from typing import Any

import click

from reactor_auth.cli.calls import as_user, segment
from reactor_auth.cli.options import moment
from reactor_auth.cli.roles import role_id_of
from reactor_kernel.api import CommandContext


@click.group("invitations")
def invitations() -> None:
    """Invitations to an organisation."""


@invitations.command("list")
@click.argument("org")
@click.pass_obj
def list_(command: CommandContext, org: str) -> None:
    """List invitations that nobody has answered yet."""
    routes = as_user(command)
    found = routes.call("GET", f"/orgs/{segment(org)}/invitations")
    names = {role["id"]: role["name"] for role in routes.call("GET", f"/orgs/{segment(org)}/roles")} if found else {}
    rows = [_shown(row, names.get(row["role_id"])) for row in found]
    command.emit(
        rows,
        lambda: command.table(
            ("email", "role", "status", "expires", "id"),
            [(row["email"], row["role"], row["status"], moment(row["expires_at"]), row["id"]) for row in rows],
            empty="No invitations found.",
        ),
    )


@invitations.command("create")
@click.argument("org")
@click.argument("email")
@click.option("--role", default="member", show_default=True, help="The name of the role it gives.")
@click.pass_obj
def create(command: CommandContext, org: str, email: str, role: str) -> None:
    """Invite somebody; the link is shown, and mailed where the server sends mail."""
    routes = as_user(command)
    body = {"email": email, "role_id": role_id_of(routes, org, role)}
    row = routes.call("POST", f"/orgs/{segment(org)}/invitations", body=body)
    data = {**_shown(row, role), "invite_link": row.get("invite_link")}
    command.emit(data, lambda: f"{command.success(f'{email} is invited to {org} as {role}')}\n{row.get('invite_link')}")


@invitations.command("revoke")
@click.argument("invitation")
@click.pass_obj
def revoke(command: CommandContext, invitation: str) -> None:
    """Withdraw the invitation with this id."""
    command.confirm(f"revoking the invitation {invitation}")
    as_user(command).call("DELETE", f"/invitations/{segment(invitation)}")
    command.emit({"revoked": invitation}, lambda: command.success(f"{invitation} is revoked"))


def _shown(row: dict[str, Any], role: str | None) -> dict[str, Any]:
    return {
        "id": row["id"],
        "email": row["email"],
        "role": role or row["role_id"],
        "status": row.get("status", "pending"),
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
    }
