"""What doctor, /health and /metrics look at."""

from __future__ import annotations

from reactor_data.catalog.cache import SchemaCache
from reactor_data.catalog.model import Relation
from reactor_kernel.api import Database, ProbeResult, ReactorError, Readiness, Statement


class DataProbes:
    """Looks at the database and the schema through the same doors as requests."""

    def __init__(self, database: Database, schema: SchemaCache) -> None:
        self._db = database
        self._schema = schema

    def database(self) -> ProbeResult:
        """Ask the database for its version."""
        (result,) = self._db.run(None, [Statement("select current_setting('server_version')")], readonly=True)
        version = (result.rows[0][0] or b"").decode()
        return ProbeResult(Readiness.OK, f"Postgres {version} answers", {"server_version": version})

    def schema(self) -> ProbeResult:
        """Read the catalogue anew."""
        count = len(self._relations())
        return ProbeResult(
            Readiness.OK, f"{count} relations in {', '.join(self._schema.schemas)}", {"relations": count}
        )

    def policies(self) -> ProbeResult:
        """Count policies, and name tables under row security that have none: nobody sees their rows."""
        relations = self._relations()
        total = sum(relation.policies for relation in relations.values())
        empty = sorted(
            label
            for label, relation in relations.items()
            if relation.row_security and not relation.policies and not relation.partition
        )
        if empty:
            message = f"{total} policies; without any policy nobody sees the rows of: {', '.join(empty)}"
            return ProbeResult(Readiness.WARN, message, {"policies": total, "without_policy": empty})
        return ProbeResult(Readiness.OK, f"{total} policies", {"policies": total})

    def row_security(self) -> ProbeResult:
        """Name the tables whose rows no policy guards."""
        tables = {label: one for label, one in self._relations().items() if one.kind in ("r", "p")}
        open_tables = sorted(label for label, one in tables.items() if not one.row_security)
        if open_tables:
            message = f"row security is off for: {', '.join(open_tables)}; every caller with a grant sees all rows"
            return ProbeResult(Readiness.WARN, message, {"tables": open_tables})
        return ProbeResult(Readiness.OK, f"row security is on for all {len(tables)} tables", {"tables": []})

    def _relations(self) -> dict[str, Relation]:
        """Read all exposed relations anew, those beside the default schema by `schema.name`."""
        default = self._schema.reload()
        return {
            name if schema.name == default.name else f"{schema.name}.{name}": relation
            for schema in self._schema.snapshot().schemas.values()
            for name, relation in schema.relations.items()
        }

    def unready(self) -> str | None:
        """Return why rows cannot be served, None when they can. One cheap statement."""
        try:
            self._db.run(None, [Statement("select 1")], readonly=True)
            self._schema.current()
        except ReactorError as error:
            return error.message
        return None
