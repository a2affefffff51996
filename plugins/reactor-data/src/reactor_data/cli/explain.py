"""`reactor data explain-access`."""

from __future__ import annotations

from typing import Any

import click

from reactor_data.cli.inputs import object_of
from reactor_kernel.api import CommandContext


@click.command("explain-access")
@click.argument("table")
@click.argument("action", type=click.Choice(["select", "insert", "update", "delete"]))
@click.option("--key", metavar="COLUMN=VALUE|JSON", multiple=True, help="What names the row; repeatable.")
@click.option("--values", metavar="JSON|@FILE", help="What an insert or update writes.")
@click.option("--columns", metavar="A,B", help="What is read; default: all columns.")
@click.option("--returning", is_flag=True, help="The written row is to be returned.")
@click.option("--user", metavar="ID", help="Whose access.")
@click.option("--org", metavar="ID|SLUG", help="In which organisation; default: the user's own.")
@click.option("--claims", metavar="JSON|@FILE", help="Whose access, by the claims that SQL sees; instead of --user.")
@click.pass_obj
def explain_access(
    command: CommandContext,
    table: str,
    action: str,
    key: tuple[str, ...],
    values: str | None,
    columns: str | None,
    returning: bool,
    user: str | None,
    org: str | None,
    claims: str | None,
) -> None:
    """Explain why somebody may, or may not, do something with a row. Nothing is written.

    \b
    reactor data explain-access todos select --key id=… --user … --org acme
    reactor data explain-access todos insert --values '{"title": "x"}' --claims '{"user_id": "…", "org_id": "…"}'
    """
    if (user is None) == (claims is None):
        command.stop("MISSING_ARGUMENT", "say whose access: --user ID or --claims JSON")
    if claims is not None and org is not None:
        command.stop("INVALID_ARGUMENT", "--org goes with --user; in claims it is org_id")
    identity: dict[str, Any] = (
        {"user_id": user} if claims is None else {"claims": object_of(command, "--claims", claims)}
    )
    if org is not None:
        identity["org"] = org
    body: dict[str, Any] = {"table": table, "action": action, "identity": identity}
    if key:
        body["key"] = _key(command, key)
    if values is not None:
        body["values"] = object_of(command, "--values", values)
    if columns is not None:
        body["columns"] = [name.strip() for name in columns.split(",")]
    if returning:
        body["returning"] = True
    found = command.request("POST", "/data/v1/_admin/explain-access", body=body)
    command.emit(found, lambda: _human(command, found))


def _key(command: CommandContext, given: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in given:
        if one.lstrip().startswith("{"):
            found |= object_of(command, "--key", one)
            continue
        name, equals, value = one.partition("=")
        if not equals or not name:
            command.stop("INVALID_ARGUMENT", f"--key must be COLUMN=VALUE or a JSON object, not {one!r}")
        found[name] = value
    return found


def _human(command: CommandContext, found: dict[str, Any]) -> str:
    verdict = command.success("allowed") if found["allowed"] else "✗ denied"
    lines = [verdict, f"  {found['reason']}"]
    facts = [("role", found["role"] or "none"), ("row exists", _truth(found["row_exists"]))]
    missing = found["grant"].get("missing")
    if found["role"] is not None:
        facts.append(("grants", "missing: " + "; ".join(missing) if missing else "ok"))
    lines += ["", command.table(("fact", "value"), facts, empty="")]
    rows = [
        (policy["declared"] or policy["name"], policy["command"], side, _truth(clause["result"]), clause["expression"])
        for policy in found["policies"]
        for side in ("using", "check", "visible_after")
        if side in policy
        for clause in policy[side].get("clauses", [policy[side]])
    ]
    headers = ("policy", "for", "clause", "result", "expression")
    lines += ["", command.table(headers, rows, empty="No policy was asked.")]
    return "\n".join(lines)


def _truth(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "no"
