"""`reactor migrate`: bring the database to what the installed plugins need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reactor_kernel.cli.invocation import Invocation

if TYPE_CHECKING:
    from reactor_kernel.db.migrate import MigrationReport


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Only list what is pending.")
@click.pass_obj
def command(invocation: Invocation, dry_run: bool) -> None:
    """Apply what is pending in the database.

    Works on the project's database directly, whether its server runs or not; where flags or environment name a server
    it asks that.
    """
    data = _remotely(invocation, dry_run) if invocation.is_remote() else _here(invocation, dry_run)
    invocation.emit(data, lambda: _human(data))


def _remotely(invocation: Invocation, dry_run: bool) -> dict[str, Any]:
    answer = invocation.request("POST", "/_admin/migrate", params={"dry_run": "true"} if dry_run else None)
    return {key: answer[key] for key in ("dry_run", "applied", "skipped")}


def _here(invocation: Invocation, dry_run: bool) -> dict[str, Any]:
    from reactor_kernel.kernel import Stage

    report: MigrationReport = invocation.kernel(Stage.DATABASE).migrate(dry_run=dry_run)
    return {"dry_run": dry_run, "applied": list(report.applied), "skipped": list(report.skipped)}


def _human(data: dict[str, Any]) -> str:
    applied, skipped = data["applied"], data["skipped"]
    verb = "pending" if data["dry_run"] else "applied"
    lines = [f"✓ {name}: {verb}" if not data["dry_run"] else f"→ {name}: {verb}" for name in applied]
    lines += [f"– {name}: already there" for name in skipped]
    lines.append(f"{len(applied)} {verb}, {len(skipped)} already there.")
    return "\n".join(lines)
