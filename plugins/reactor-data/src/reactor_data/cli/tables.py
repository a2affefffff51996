"""`reactor data tables` and `inspect`."""

from __future__ import annotations

from typing import Any

import click

from reactor_kernel.api import CommandContext


@click.command("tables")
@click.pass_obj
def tables(command: CommandContext) -> None:
    """List the exposed relations."""
    found = command.request("GET", "/data/v1/_admin/tables")
    command.emit(found, lambda: command.table(("table",), [(name,) for name in found], empty="No tables."))


@click.command("inspect")
@click.argument("table")
@click.pass_obj
def inspect(command: CommandContext, table: str) -> None:
    """Show a relation's columns, row security and number of rows."""
    from urllib.parse import quote

    found = command.request("GET", f"/data/v1/_admin/tables/{quote(table, safe='')}")
    command.emit(found, lambda: _human(command, found))


def _human(command: CommandContext, found: dict[str, Any]) -> str:
    rows = [
        (one["name"], one["data_type"], _yes(one["is_nullable"]), _yes(one["is_primary_key"]))
        for one in found["columns"]
    ]
    security = "on" if found["row_security"] else "off"
    head = (
        f"{found['schema']}.{found['name']}: {found['row_count']} rows, row security {security}, "
        f"{found['policies']} policies"
    )
    return head + "\n\n" + command.table(("column", "type", "null", "key"), rows, empty="No columns.")


def _yes(value: bool) -> str:
    return "yes" if value else "-"
