"""What an administrator sees and runs, as the login role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from reactor_data.catalog.cache import SchemaCache
from reactor_data.errors import DataError, table_not_found
from reactor_data.sql.lexer import Kind
from reactor_data.sql.source import SqlComplaint, SqlSource
from reactor_data.sql.statements import SqlStatement, statements
from reactor_data.usermigrations.queries import FORGET_SESSION
from reactor_kernel.api import Database, DatabaseFault, Statement

if TYPE_CHECKING:
    from reactor_data.catalog.model import Relation


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows as plain values; `affected` None for statements that return rows."""

    columns: list[str]
    rows: list[list[Any]]
    affected: int | None


class Administration:
    """Tables, and SQL."""

    def __init__(self, database: Database, schema: SchemaCache) -> None:
        self._db = database
        self._schema = schema

    def tables(self) -> list[str]:
        """Return the names of the exposed relations."""
        return sorted(self._schema.current().relations)

    def table(self, name: str) -> dict[str, Any]:
        """Describe a relation. Raises 404 `table_not_found`."""
        snapshot, relation = self._schema.find(name)
        if relation is None:
            raise table_not_found(name, snapshot.name, snapshot.near(name))
        (counted,) = self._db.run(None, [_count(relation)], readonly=True)
        return {
            "name": relation.name,
            "schema": relation.schema,
            "row_security": relation.row_security,
            "policies": relation.policies,
            "columns": [
                {
                    "name": column.name,
                    "data_type": snapshot.shown(column.type),
                    "is_nullable": column.nullable,
                    "is_primary_key": column.name in relation.primary_key,
                }
                for column in relation.columns
            ],
            "row_count": int(counted.rows[0][0] or 0),
        }

    def query(self, sql: str, params: Mapping[str, Any], *, write: bool) -> QueryResult:
        """Run one statement with `:name` parameters, in a READ ONLY transaction unless `write`.

        Raises:
            DataError: 400 for what cannot be read, a parameter without value, or what Postgres refuses.
        """
        text, used = bind_names(sql, params)
        values = {name: _value(params[name]) for name in used}
        try:
            with self._db.begin(None, readonly=not write) as tx:
                found = tx.connection.exec_driver_sql(text, values)
                if found.returns_rows:
                    result = QueryResult(list(found.keys()), [list(row) for row in found], None)
                else:
                    result = QueryResult([], [], max(found.rowcount, 0))
                tx.run(FORGET_SESSION)
            return result
        except DatabaseFault as fault:
            hint = fault.db_hint
            if fault.sqlstate == "25006":
                hint = 'Send "write": true to allow changes.'
            status = 405 if fault.sqlstate == "25006" else 400
            code = "method_not_allowed" if status == 405 else "database_error"
            raise DataError(
                status, code, fault.primary, pgrst=fault.sqlstate, detail=fault.detail, hint=hint
            ) from fault


def bind_names(sql: str, params: Mapping[str, Any]) -> tuple[str, set[str]]:
    """Turn `:name` into the driver's placeholders, outside of strings, comments and casts."""
    source = SqlSource("sql", sql)
    try:
        found = statements(sql)
    except SqlComplaint as complaint:
        raise _unreadable(complaint, source) from complaint
    if len(found) != 1:
        raise DataError(
            400, "invalid_body", f"sql must be one statement, not {len(found)}", hint="Send them one by one."
        )
    text, used, copied = _placed(sql, found[0], params)
    return text + sql[copied : found[0].end].replace("%", "%%"), used


def _placed(sql: str, statement: SqlStatement, params: Mapping[str, Any]) -> tuple[str, set[str], int]:
    parts: list[str] = []
    used: set[str] = set()
    copied = statement.start
    tokens = statement.tokens
    for index, token in enumerate(tokens[:-1]):
        following = tokens[index + 1]
        if token.text != ":" or token.kind is not Kind.SYMBOL:
            continue
        if following.kind is not Kind.WORD or following.start != token.end:
            continue
        if index and tokens[index - 1].text == ":" and tokens[index - 1].end == token.start:
            continue
        name = sql[following.start : following.end]
        if name not in params:
            near = get_close_matches(name, params, n=1)
            raise DataError(
                400,
                "invalid_body",
                f"params has no value for :{name}",
                hint=f"Did you mean :{near[0]}?" if near else f'Add "{name}" to params.',
            )
        parts += [sql[copied : token.start].replace("%", "%%"), f"%({name})s"]
        used.add(name)
        copied = following.end
    return "".join(parts), used, copied


def _unreadable(complaint: SqlComplaint, source: SqlSource) -> DataError:
    return DataError(400, "invalid_body", complaint.describe(source), hint=complaint.fix)


def _value(value: Any) -> Any:
    """Send objects as JSON text; Postgres reads it where a json value is expected."""
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value


def _count(relation: Relation) -> Statement:
    return Statement(f"select count(*) from {relation.sql}")
