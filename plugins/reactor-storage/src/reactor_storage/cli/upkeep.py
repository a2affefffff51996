"""`reactor storage usage` and `gc`."""

from __future__ import annotations

from typing import Any

import click

from reactor_kernel.api import Access, CommandContext
from reactor_storage.cli.objects import human_size

_COUNTS = ("objects", "bytes", "versions", "noncurrent_bytes", "upload_bytes")


@click.command("usage")
@click.pass_obj
def usage(command: CommandContext) -> None:
    """Show how much the organisation stores, bucket by bucket."""
    found = command.request("GET", "/storage/v1/usage", access=Access.USER)
    command.emit(found, lambda: _table(command, found))


def _table(command: CommandContext, found: dict[str, Any]) -> str:
    rows = [_row(bucket["name"], bucket) for bucket in found["buckets"]]
    headers = ("bucket", "objects", "size", "versions", "earlier versions", "open uploads")
    return command.table(headers, [*rows, _row("(all)", found)], empty="")


def _row(name: str, counted: dict[str, Any]) -> tuple[str, ...]:
    objects, size, versions, earlier, uploads = (int(counted[name] or 0) for name in _COUNTS)
    return (name, str(objects), human_size(size), str(versions), human_size(earlier), human_size(uploads))


@click.command("gc")
@click.option("--dry-run", is_flag=True, help="Only count what would be removed.")
@click.pass_obj
def gc(command: CommandContext, dry_run: bool) -> None:
    """Remove now what nothing refers to, and uploads whose time is over; needs the admin token.

    The server does so by itself once an hour.
    """
    params = {"dry_run": "true"} if dry_run else None
    found = command.request("POST", "/storage/v1/_admin/gc", params=params)
    command.emit(found, lambda: _counts(command, found))


def _counts(command: CommandContext, found: dict[str, Any]) -> str:
    verb = "would be removed" if found["dry_run"] else "removed"
    rows = [(name.replace("_", " "), count) for name, count in found.items() if name != "dry_run"]
    return command.table(("what", verb), rows, empty="")
