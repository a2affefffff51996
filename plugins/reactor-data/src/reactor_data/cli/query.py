"""`reactor data query`."""

from __future__ import annotations

import json
from typing import Any

import click

from reactor_data.cli.inputs import object_of
from reactor_kernel.api import CommandContext


@click.command("query")
@click.option("--sql", metavar="SQL", help="One statement; :name stands for a parameter.")
@click.option("--params", metavar="JSON|@FILE", help="The parameters' values, an object.")
@click.option("--write", is_flag=True, help="Let the statement change something; asks for confirmation.")
@click.pass_obj
def query(command: CommandContext, sql: str | None, params: str | None, write: bool) -> None:
    """Run one SQL statement as the database's owner; without --write it can change nothing.

    \b
    reactor data query --sql 'select id, title from todos where n > :least' --params '{"least": 3}'
    """
    if not sql:
        command.stop("MISSING_ARGUMENT", "there is no --sql", hint="reactor data query --sql 'select 1'")
    body: dict[str, Any] = {"sql": sql, "write": write}
    if params is not None:
        body["params"] = object_of(command, "--params", params)
    if write:
        command.confirm("running this statement past row security")
    found = command.request("POST", "/data/v1/_admin/query", body=body)
    command.emit(found, lambda: _human(command, found))


def _human(command: CommandContext, found: dict[str, Any]) -> str:
    if not found["columns"]:
        return command.success(f"{found.get('rows_affected', 0)} rows affected")
    rows = [[_shown(value) for value in row] for row in found["rows"]]
    return command.table(found["columns"], rows, empty="No rows.")


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
