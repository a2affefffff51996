"""`reactor auth orgs`: organisations, the caller's own or, with the admin token, all."""

from __future__ import annotations

from typing import Any

import click

from reactor_auth.cli.calls import as_whoever, segment
from reactor_auth.cli.options import admin_option, demand_change, given, metadata_of, moment, page_options, pages
from reactor_kernel.api import CommandContext


@click.group("orgs")
def orgs() -> None:
    """Organisations, by id or slug."""


@orgs.command("list")
@click.option("--search", metavar="TEXT", help="Only those whose name or slug contains this (admin token only).")
@page_options
@admin_option
@click.pass_obj
def list_(command: CommandContext, search: str | None, limit: int, everything: bool, admin: bool) -> None:
    """List organisations, newest first."""
    routes = as_whoever(command, admin=admin)
    rows: list[dict[str, Any]]
    if routes.is_admin:
        rows = pages(routes, "/orgs", "orgs", {"search": search}, limit, everything=everything)
    elif search is not None:
        command.stop("INVALID_ARGUMENT", "--search needs the admin token", hint="pass --admin")
    else:
        rows = routes.call("GET", "/orgs", params={"limit": str(limit)})
        while everything and len(rows) % limit == 0 and rows:
            more = routes.call("GET", "/orgs", params={"limit": str(limit), "offset": str(len(rows))})
            if not more:
                break
            rows += more
    command.emit(
        rows,
        lambda: command.table(
            ("slug", "name", "created", "id"),
            [(row["slug"], row["name"], moment(row["created_at"]), row["id"]) for row in rows],
            empty="No organisations found.",
        ),
    )


@orgs.command("show")
@click.argument("org")
@admin_option
@click.pass_obj
def show(command: CommandContext, org: str, admin: bool) -> None:
    """Show an organisation."""
    row = as_whoever(command, admin=admin).call("GET", f"/orgs/{segment(org)}")
    names = ("id", "slug", "name", "created_at", "updated_at")
    command.emit(row, lambda: command.table(("key", "value"), [(name, moment(row[name])) for name in names], empty=""))


@orgs.command("create")
@click.argument("slug")
@click.option("--name", required=True, help="Its name, for people.")
@click.option("--owner", metavar="USER", help="Who owns it, by id or e-mail address; needed with the admin token.")
@click.option("--metadata", metavar="JSON", help="What else belongs to it.")
@admin_option
@click.pass_obj
def create(command: CommandContext, slug: str, name: str, owner: str | None, metadata: str | None, admin: bool) -> None:
    """Make an organisation, owned by you or, with the admin token, by --owner."""
    routes = as_whoever(command, admin=admin)
    if routes.is_admin and owner is None:
        command.stop(
            "MISSING_ARGUMENT",
            "the admin token is nobody, so somebody must own the organisation",
            hint="pass --owner USER, or sign in with: reactor login",
        )
    if owner is not None and not routes.is_admin:
        command.stop("INVALID_ARGUMENT", "--owner needs the admin token", hint="pass --admin; else you own it")
    body = given(name=name, slug=slug, owner=owner, metadata=metadata_of(command, metadata))
    row = routes.call("POST", "/orgs", body=body)
    command.emit(row, lambda: command.success(f"{row['slug']} is {row['id']}"))


@orgs.command("update")
@click.argument("org")
@click.option("--name", help="Its new name.")
@click.option("--slug", help="Its new slug; the old one is free.")
@click.option("--metadata", metavar="JSON", help="Replaces what is there.")
@admin_option
@click.pass_obj
def update(
    command: CommandContext, org: str, name: str | None, slug: str | None, metadata: str | None, admin: bool
) -> None:
    """Change an organisation."""
    body = demand_change(command, given(name=name, slug=slug, metadata=metadata_of(command, metadata)))
    row = as_whoever(command, admin=admin).call("PATCH", f"/orgs/{segment(org)}", body=body)
    command.emit(row, lambda: command.success(f"{row['slug']} is changed"))


@orgs.command("delete")
@click.argument("org")
@admin_option
@click.pass_obj
def delete(command: CommandContext, org: str, admin: bool) -> None:
    """Delete an organisation with its roles, memberships and invitations."""
    command.confirm(f"deleting the organisation {org}")
    as_whoever(command, admin=admin).call("DELETE", f"/orgs/{segment(org)}")
    command.emit({"deleted": org}, lambda: command.success(f"{org} is deleted"))
