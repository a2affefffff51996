"""What a migration may say and rarely means."""

from __future__ import annotations

from collections.abc import Iterable

from reactor_data.sql.policy import PolicyDeclaration
from reactor_data.sql.script import Step
from reactor_data.sql.source import SqlComplaint, SqlSource


def lint(source: SqlSource, steps: Iterable[Step]) -> list[str]:
    """Return warnings about a file, each with place, reason and fix."""
    found: list[str] = []
    for step in steps:
        if isinstance(step, PolicyDeclaration) and "update" in step.scopes and step.using is None:
            warning = SqlComplaint(
                f'policy "{step.name}" is for update with only CHECK: rows stay invisible to UPDATE'
                " unless another policy has USING",
                start=step.start,
                end=step.end,
                fix="add using (…) to it, or have another policy for update with using (…)",
            )
            found.append(warning.describe(source))
    return found
