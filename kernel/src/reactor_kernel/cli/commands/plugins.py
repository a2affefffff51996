"""`reactor plugins`: what is installed, what is enabled, what failed and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reactor_kernel.cli.errors import from_boot_error
from reactor_kernel.cli.invocation import Invocation
from reactor_kernel.cli.output import table
from reactor_kernel.errors import BootError

if TYPE_CHECKING:
    from reactor_kernel.kernel import Kernel


@click.command("plugins")
@click.pass_obj
def command(invocation: Invocation) -> None:
    """List installed plugins and what became of them.

    The plugins are loaded as at a start, without the database. When a start would fail the list is shown all the same, the
    faults follow it, and the exit code is that of the faults.
    """
    from reactor_kernel.kernel import Kernel, Stage

    invocation.need_project()
    kernel = Kernel(invocation.raw())
    invocation.on_close(kernel.close)
    try:
        kernel.boot(Stage.COLLECTED)
    except BootError as error:
        failure = from_boot_error(error)
        rows = _rows(kernel, {f.plugin: f.message for f in error.faults if f.plugin is not None})
        failure.details["plugins"] = rows
        if invocation.out.is_human:
            invocation.emit(rows, _table(rows))
        raise failure from None
    for warning in kernel.warnings:
        invocation.out.warn(warning)
    rows = _rows(kernel, {})
    invocation.emit(rows, lambda: _table(rows))


def _rows(kernel: Kernel, faults: dict[str, str]) -> list[dict[str, Any]]:
    """Return the enabled plugins in boot order, then those whose section is missing."""
    rows = []
    for plugin in kernel.plugins:
        error = plugin.error or faults.get(plugin.name)
        rows.append(
            {
                "name": plugin.name,
                "version": plugin.version,
                "distribution": plugin.dist,
                "state": "failed" if error else plugin.state.value,
                "prefix": plugin.info.url_prefix if plugin.info else None,
                "boot_ms": round(plugin.boot_ms, 1),
                "optional": plugin.optional,
                "summary": plugin.info.summary if plugin.info else "",
                "error": error,
            }
        )
    loaded = {row["name"] for row in rows}
    for candidate in sorted(kernel.available, key=lambda candidate: candidate.name):
        if candidate.name not in loaded:
            error = faults.get(candidate.name)
            rows.append(
                {
                    "name": candidate.name,
                    "version": candidate.version,
                    "distribution": candidate.dist,
                    "state": "failed" if error else "disabled",
                    "prefix": None,
                    "boot_ms": None,
                    "optional": False,
                    "summary": "",
                    "error": error,
                }
            )
    return rows


def _table(rows: list[dict[str, Any]]) -> str:
    columns = ("name", "version", "state", "prefix", "boot_ms", "error")
    return table(
        ("name", "version", "state", "prefix", "boot ms", "error"),
        [[row[column] for column in columns] for row in rows],
        empty="No plugins are installed.",
    )
