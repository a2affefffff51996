"""`reactor auth roles`: what members of an organisation may do."""

from __future__ import annotations

from typing import Any

import click

from reactor_auth.cli.calls import Routes, as_user, as_whoever, segment
from reactor_auth.cli.options import admin_option, demand_change, given
from reactor_kernel.api import CommandContext


@click.group("roles")
def roles() -> None:
    """Roles of an organisation, by id or name."""


@roles.command("list")
@click.argument("org")
@admin_option
@click.pass_obj
def list_(command: CommandContext, org: str, admin: bool) -> None:
    """List roles, those of the system first."""
    rows = as_whoever(command, admin=admin).call("GET", f"/orgs/{segment(org)}/roles")
    command.emit(
        rows,
        lambda: command.table(
            ("name", "system", "permissions", "id"),
            [(row["name"], row["is_system"], " ".join(row["permissions"]), row["id"]) for row in rows],
            empty="No roles found.",
        ),
    )


@roles.command("show")
@click.argument("org")
@click.argument("role")
@admin_option
@click.pass_obj
def show(command: CommandContext, org: str, role: str, admin: bool) -> None:
    """Show one role."""
    row = _role(as_whoever(command, admin=admin), org, role)
    facts = [(key.replace("_", " "), value if key != "permissions" else " ".join(value)) for key, value in row.items()]
    command.emit(row, lambda: command.table(("key", "value"), facts, empty=""))


@roles.command("create")
@click.argument("org")
@click.argument("name")
@click.option("--permission", "permissions", multiple=True, required=True, help="What it may do; repeatable.")
@click.option("--description", help="What it is for.")
@click.pass_obj
def create(command: CommandContext, org: str, name: str, permissions: tuple[str, ...], description: str | None) -> None:
    """Make a role that may do no more than you."""
    body = given(name=name, permissions=list(permissions), description=description)
    row = as_user(command).call("POST", f"/orgs/{segment(org)}/roles", body=body)
    command.emit(row, lambda: command.success(f"{name} is {row['id']}"))


@roles.command("update")
@click.argument("org")
@click.argument("role")
@click.option("--name", help="Its new name.")
@click.option("--permission", "permissions", multiple=True, help="Replaces all it may do; repeatable.")
@click.option("--description", help="What it is for.")
@click.pass_obj
def update(
    command: CommandContext,
    org: str,
    role: str,
    name: str | None,
    permissions: tuple[str, ...],
    description: str | None,
) -> None:
    """Change a role; its members feel it at once."""
    body = demand_change(command, given(name=name, permissions=list(permissions) or None, description=description))
    routes = as_user(command)
    row = routes.call("PATCH", f"/orgs/{segment(org)}/roles/{role_id_of(routes, org, role)}", body=body)
    command.emit(row, lambda: command.success(f"{row['name']} is changed"))


@roles.command("delete")
@click.argument("org")
@click.argument("role")
@click.pass_obj
def delete(command: CommandContext, org: str, role: str) -> None:
    """Delete a role that nobody has."""
    command.confirm(f"deleting the role {role} of {org}")
    routes = as_user(command)
    routes.call("DELETE", f"/orgs/{segment(org)}/roles/{role_id_of(routes, org, role)}")
    command.emit({"deleted": role}, lambda: command.success(f"{role} is deleted"))


def role_id_of(routes: Routes, org: str, role: str) -> str:
    """Return the id of the role with this id or name."""
    return str(_role(routes, org, role)["id"])


def _role(routes: Routes, org: str, role: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = routes.call("GET", f"/orgs/{segment(org)}/roles")
    found = next((row for row in rows if role in (row["id"], row["name"])), None)
    if found is None:
        routes.command.stop(
            "CLIENT_ERROR",
            f"{org} has no role {role!r}",
            hint=f"there are: {', '.join(str(row['name']) for row in rows)}",
        )
    return found
