"""`reactor data migrate`."""

from __future__ import annotations

from typing import Any

import click

from reactor_kernel.api import CommandContext


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Only tell what would be applied.")
@click.pass_obj
def migrate(command: CommandContext, dry_run: bool) -> None:
    """Let the server apply the project's pending migrations."""
    params = {"dry_run": "true"} if dry_run else None
    found = command.request("POST", "/data/v1/_admin/migrate", params=params)
    command.emit(found, lambda: _human(command, found, dry_run))


def _human(command: CommandContext, found: dict[str, Any], dry_run: bool) -> str:
    for one in found.get("warnings", ()):
        command.warn(f"{one['object']}: {one['what']}")
    if not found["applied"]:
        return "Nothing is pending."
    if dry_run:
        return "\n".join(["Pending:", *(f"  {name}" for name in found["applied"])])
    return "\n".join(command.success(f"applied {name}") for name in found["applied"])
