"""`reactor auth keys`: API keys of the signed-in user."""

from __future__ import annotations

import click

from reactor_auth.cli.calls import as_user, segment
from reactor_auth.cli.options import given, moment
from reactor_kernel.api import CommandContext


@click.group("keys")
def keys() -> None:
    """API keys, with which machines act for you in one organisation."""


@keys.command("list")
@click.argument("org", required=False)
@click.pass_obj
def list_(command: CommandContext, org: str | None) -> None:
    """List your keys, newest first, all or those of one organisation."""
    routes = as_user(command)
    rows = routes.call("GET", "/api-keys")["keys"]
    if org is not None:
        org_id = routes.call("GET", f"/orgs/{segment(org)}")["id"]
        rows = [row for row in rows if row.get("org_id") in (None, org_id)]
    command.emit(
        rows,
        lambda: command.table(
            ("name", "key", "last used", "expires", "id"),
            [
                (
                    row["name"],
                    f"{row.get('key_prefix') or row.get('prefix')}…",
                    moment(row.get("last_used_at")),
                    moment(row.get("expires_at")),
                    row["id"],
                )
                for row in rows
            ],
            empty="No keys found.",
        ),
    )


@keys.command("create")
@click.argument("org")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, help="What it may do at most; repeatable. Default: all you may.")
@click.option("--expires-at", metavar="TIME", help="RFC 3339 time after which it opens nothing.")
@click.pass_obj
def create(command: CommandContext, org: str, name: str, scopes: tuple[str, ...], expires_at: str | None) -> None:
    """Make a key; it is shown now and never again."""
    routes = as_user(command)
    org_id = routes.call("GET", f"/orgs/{segment(org)}")["id"]
    body = given(name=name, org_id=org_id, scopes=list(scopes) or None, expires_at=expires_at)
    row = routes.call("POST", "/api-keys", body=body)
    data = {"id": row["id"], "name": row["name"], "secret": row["key"]}
    command.warn("this is the only time the key is shown")
    command.emit(data, lambda: str(row["key"]))


@keys.command("revoke")
@click.argument("key")
@click.pass_obj
def revoke(command: CommandContext, key: str) -> None:
    """Revoke the key with this id."""
    command.confirm(f"revoking the key {key}")
    as_user(command).call("DELETE", f"/api-keys/{segment(key)}")
    command.emit({"revoked": key}, lambda: command.success(f"{key} is revoked"))
