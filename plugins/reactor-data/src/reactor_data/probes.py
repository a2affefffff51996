"""What doctor, /health and /metrics look at."""

from __future__ import annotations

from reactor_data.catalog.cache import SchemaCache
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
        snapshot = self._schema.reload()
        return ProbeResult(
            Readiness.OK,
            f"{len(snapshot.relations)} relations in {snapshot.name}",
            {"relations": len(snapshot.relations)},
        )

    def policies(self) -> ProbeResult:
        """Count policies, and name tables under row security that have none: nobody sees their rows."""
        relations = self._schema.reload().relations.values()
        total = sum(relation.policies for relation in relations)
        empty = sorted(
            relation.name
            for relation in relations
            if relation.row_security and not relation.policies and not relation.partition
        )
        if empty:
            message = f"{total} policies; without any policy nobody sees the rows of: {', '.join(empty)}"
            return ProbeResult(Readiness.WARN, message, {"policies": total, "without_policy": empty})
        return ProbeResult(Readiness.OK, f"{total} policies", {"policies": total})

    def row_security(self) -> ProbeResult:
        """Name the tables whose rows no policy guards."""
        relations = self._schema.reload().relations.values()
        tables = [relation for relation in relations if relation.kind in ("r", "p")]
        open_tables = sorted(relation.name for relation in tables if not relation.row_security)
        if open_tables:
            message = f"row security is off for: {', '.join(open_tables)}; every caller with a grant sees all rows"
            return ProbeResult(Readiness.WARN, message, {"tables": open_tables})
        return ProbeResult(Readiness.OK, f"row security is on for all {len(tables)} tables", {"tables": []})

    def unready(self) -> str | None:
        """Return why rows cannot be served, None when they can. One cheap statement."""
        try:
            self._db.run(None, [Statement("select 1")], readonly=True)
            self._schema.current()
        except ReactorError as error:
            return error.message
        return None
