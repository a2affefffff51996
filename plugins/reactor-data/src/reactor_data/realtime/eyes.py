"""Whose eyes see: a subscriber's identity as the caller that a read of its own would be."""

from __future__ import annotations

from collections.abc import Sequence

from reactor_data.catalog.cache import SchemaCache
from reactor_data.catalog.model import Schema
from reactor_data.errors import DataError
from reactor_data.permissions import demand
from reactor_data.roles import CallerRoles
from reactor_data.running import Caller, Runner
from reactor_data.sql.native import quote
from reactor_kernel.api import DatabaseFault, Identity, RawResult, Statement

LONGEST_MS = 5000


class Eyes:
    """Runs statements as subscribers, with everything around them that a request's transaction has."""

    def __init__(
        self, schema: SchemaCache, runner: Runner, roles: CallerRoles, timeout_ms: int, *, guarded: bool
    ) -> None:
        """Take what requests run with; `guarded` where `[data] table_permissions` is enforced."""
        self._schema = schema
        self._runner = runner
        self._roles = roles
        self._guarded = guarded
        # All subscribers wait for one reader: a filter that takes long ends its own stream, not everybody's delivery.
        self._timeout = str(min(timeout_ms or LONGEST_MS, LONGEST_MS))

    def demand(self, identity: Identity, table: str) -> None:
        """Demand the permission to read a table, where the server does. Raises 403 `permission_denied`."""
        if self._guarded:
            demand(identity, f"data:{table}:read")

    def caller(self, identity: Identity, schema: Schema) -> Caller:
        """Return the caller of a subscription. Raises DataError where the token names a role it may not have."""
        placed = self._roles.placed(identity)
        role_settings, isolation = self._roles.settings(placed)
        settings = {
            "search_path": ", ".join(quote(name) for name in schema.search_path),
            **role_settings,
            "statement_timeout": self._timeout,
            "request.method": "GET",
            "request.path": "/data/v1/",
            "request.headers": "{}",
            "request.cookies": "{}",
        }
        return Caller(placed, "", settings, isolation=isolation, profile=schema.name)

    def run(self, caller: Caller, statements: Sequence[Statement]) -> list[RawResult]:
        """Run statements that only read, as one transaction."""
        return self._runner.run(caller, statements, readonly=True)

    def explained(self, fault: DatabaseFault, caller: Caller, table: str) -> DataError:
        """Return what a refusal means."""
        return self._runner.error_of(fault, caller, table, "select")
