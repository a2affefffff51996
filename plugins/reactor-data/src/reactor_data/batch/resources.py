"""The resources of rows and functions, on another database than the capability's own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from reactor_data.calling import Functions
from reactor_data.config import DataConfig
from reactor_data.http.changes import Changes
from reactor_data.http.relations import RelationResource
from reactor_data.http.rpc import FunctionResource
from reactor_data.perrow import RowByRow
from reactor_data.reading import Reader
from reactor_data.running import Runner
from reactor_data.writing import Writer

if TYPE_CHECKING:
    from reactor_data.assembly import Assembly
    from reactor_kernel.api import Identity, Isolation


class BatchResources:
    """Makes them for one transaction; what was understood and compiled before is shared with all others."""

    def __init__(self, parts: Assembly, config: DataConfig, log: logging.Logger) -> None:
        self._parts = parts
        self._config = config
        self._log = log

    def ready(self, identity: Identity) -> Isolation | None:
        """Load the catalogue and the settings of a caller's role, if they are not; return that role's isolation level."""
        self._parts.schema.snapshot()
        return self._parts.roles.settings(identity)[1]

    def relations(self, database: Any) -> RelationResource:
        """Return the resource of rows."""
        parts, config = self._parts, self._config
        runner = Runner(database, parts.schema, config, self._log)
        reader = Reader(runner, parts.schema, parts.plans, config)
        writer = Writer(runner, parts.schema, parts.plans, config)
        changes = Changes(writer, RowByRow(runner, writer), parts.asker)
        return RelationResource(reader, changes, parts.callers, parts.asker, config, parts.realtime)

    def functions(self, database: Any) -> FunctionResource:
        """Return the resource of functions."""
        parts, config = self._parts, self._config
        runner = Runner(database, parts.schema, config, self._log)
        functions = Functions(database, runner, parts.schema, config, parts.rules)
        return FunctionResource(functions, parts.callers, parts.asker, config)
