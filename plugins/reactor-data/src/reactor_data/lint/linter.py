"""Looks a whole database over."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reactor_data.lint import queries, rules
from reactor_data.lint.model import ORDER, Finding, FunctionSeen, TableSeen, ViewSeen
from reactor_data.sql.native import quote
from reactor_data.usermigrations.roles import role_names
from reactor_kernel.api import Database, DbRole, ProbeResult, Readiness

_TABLE = msgspec.json.Decoder(TableSeen)
_VIEW = msgspec.json.Decoder(ViewSeen)
_FUNCTION = msgspec.json.Decoder(FunctionSeen)


class PolicyLinter:
    """Finds what is rarely meant among the project's tables, views and functions, as callers could reach them."""

    def __init__(self, database: Database, exposed: Sequence[str]) -> None:
        self._db = database
        self._path = [quote(schema) for schema in exposed]

    def findings(self) -> list[Finding]:
        """Return every finding, errors first."""
        roles = [name for name, role in role_names(self._db).items() if role is not DbRole.SERVICE]
        _, tables, views, functions = self._db.run(None, queries.everything(self._path, roles), readonly=True)
        found: list[Finding] = []
        for row in tables.rows:
            found += rules.of_table(_TABLE.decode(row[0] or b""))
        for row in views.rows:
            found += rules.of_view(_VIEW.decode(row[0] or b""))
        for row in functions.rows:
            found += rules.of_function(_FUNCTION.decode(row[0] or b""))
        unique = dict.fromkeys(found)
        return sorted(unique, key=lambda finding: (ORDER.index(finding.level), finding.object, finding.code))

    def probe(self) -> ProbeResult:
        """Sum the findings up for doctor: errors and warnings make it a warning."""
        found = self.findings()
        serious = [finding for finding in found if finding.level != "info"]
        details = {"findings": [msgspec.to_builtins(finding) for finding in serious]}
        if not serious:
            return ProbeResult(Readiness.OK, "policies, grants and functions look as meant", details)
        shown = "; ".join(f"{finding.object}: {finding.what}" for finding in serious[:3])
        more = f"; and {len(serious) - 3} more" if len(serious) > 3 else ""
        return ProbeResult(Readiness.WARN, f"{shown}{more}; see: reactor data lint", details)


def new_findings(before: Sequence[Finding], after: Sequence[Finding]) -> list[Finding]:
    """Return what was not found before, without mere remarks."""
    known = set(before)
    return [finding for finding in after if finding not in known and finding.level != "info"]
