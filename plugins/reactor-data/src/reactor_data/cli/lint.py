"""`reactor data lint`."""

from __future__ import annotations

from typing import Any

import click

from reactor_kernel.api import CommandContext


@click.command("lint")
@click.option("--strict", is_flag=True, help="Fail when there is an error or a warning.")
@click.pass_obj
def lint(command: CommandContext, strict: bool) -> None:
    """Look for policies, grants and functions that rarely mean what they say."""
    found = command.request("GET", "/data/v1/_admin/lint")
    serious = [finding for finding in found if finding["level"] != "info"]
    if strict and serious:
        command.stop(
            "VALIDATION_ERROR",
            f"{len(serious)} findings: {'; '.join(_line(finding) for finding in serious)}",
            hint="each finding's fix: reactor data lint",
            details={"findings": found},
        )
    command.emit(found, lambda: _human(found))


def _line(finding: dict[str, Any]) -> str:
    return f"{finding['object']}: {finding['what']}"


def _human(found: list[dict[str, Any]]) -> str:
    if not found:
        return "Nothing found."
    return "\n".join(
        f"{finding['level']}: {_line(finding)} [{finding['code']}]\n  why: {finding['why']}\n  fix: {finding['fix']}"
        for finding in found
    )
