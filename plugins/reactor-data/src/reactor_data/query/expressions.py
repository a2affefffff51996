"""Fields, casts and parameters as SQL. Identifiers come from the catalogue, values become parameters."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from reactor_data.catalog.model import Column, Relation, Schema
from reactor_data.errors import DataError, column_not_found
from reactor_data.query.ast import Field, Item, JsonKey
from reactor_data.sql.native import literal, quote

# Parameters that are no values of the query string.
LIMIT, OFFSET, BODY, CAP = -1, -2, -3, -4


class Parameters:
    """The `$n` of one statement, by where their values come from; one source has one number."""

    def __init__(self) -> None:
        self._numbers: dict[int, str] = {}
        self.array_shims: set[int] = set()

    def number(self, source: int) -> str:
        """Return `$n` for a slot of the query string or one of LIMIT, OFFSET, BODY, CAP."""
        return self._numbers.setdefault(source, f"${len(self._numbers) + 1}")

    @property
    def sources(self) -> tuple[int, ...]:
        """Where the value of each `$n` comes from, in the order of the numbers."""
        return tuple(self._numbers)


class Scope(msgspec.Struct, frozen=True):
    """Where names are looked up: a relation, and the quoted alias its rows have in the statement.

    `derived` says that they come from a CTE, and are the relation's by their columns only.
    """

    schema: Schema
    relation: Relation
    alias: str
    derived: bool = False

    @property
    def row(self) -> str:
        """A whole row, as the argument of a function; never mistaken for a column named like the alias."""
        return f"row({self.alias}.*)::{self.relation.sql}" if self.derived else f"{self.alias}.*"


class Value(NamedTuple):
    """A field as SQL. `column` is its column, or what a computed field gives; None when a path leads into it."""

    sql: str
    column: Column | None


def known_field(scope: Scope, name: str) -> bool:
    """Tell whether a name is a column or a computed field."""
    return name in scope.relation.by_name or (scope.relation.name, name) in scope.schema.computed


def field_value(scope: Scope, field: Field) -> Value:
    """Return a field as SQL.

    Raises:
        DataError: 400 `column_not_found` with the nearest name.
    """
    relation = scope.relation
    column = relation.by_name.get(field.name)
    if column is not None:
        base = f"{scope.alias}.{quote(column.name)}"
    else:
        function = scope.schema.computed.get((relation.name, field.name))
        if function is None:
            raise column_not_found(field.name, relation.name, relation.near(field.name))
        column = function.column
        base = f"{function.sql}({scope.row})"
    if not field.path:
        return Value(base, column)
    # json and jsonb as they are, so that indexes on the same expression serve.
    parts = [base if column.base in ("json", "jsonb") else f"to_jsonb({base})"]
    for step in field.path:
        arrow = "->>" if step.as_text else "->"
        parts.append(arrow + (literal(step.key) if isinstance(step, JsonKey) else f"({step.index})"))
    return Value("(" + "".join(parts) + ")", None)


def shown_value(scope: Scope, item: Item) -> str:
    """Return a selected field, before any aggregate: in the representation its type has for answers, and cast."""
    value = field_value(scope, item.field)
    sql = value.sql
    if value.column is not None and value.column.to_json is not None and item.aggregate is None:
        sql = f"{value.column.to_json}({sql})"
    return sql if item.cast is None else f"cast({sql} as {known_type(scope.schema, item.cast)})"


def known_type(schema: Schema, name: str) -> str:
    """Return a type as SQL by the name the client wrote.

    Raises:
        DataError: 400 `invalid_query` when the catalogue has none.
    """
    known = schema.types.get(name) or schema.types.get(name.lower())
    if known is None:
        raise DataError(
            400,
            "invalid_query",
            f'type "{name}" does not exist',
            pgrst="42704",
            hint="Cast to a type of the database, such as text, int or numeric.",
        )
    return known


def output_name(item: Item) -> str:
    """Return the key a selected field gets in the answer."""
    if item.alias is not None:
        return item.alias
    if item.aggregate is not None:
        return item.aggregate
    keys = [step.key for step in item.field.path if isinstance(step, JsonKey)]
    return keys[-1] if keys else item.field.name


def array_shim(value: str) -> str:
    """Read `(a,b)` as the array `{a,b}`: the JS client sends it so."""
    return "{" + value[1:-1] + "}" if value.startswith("(") and value.endswith(")") else value
