"""What a subscriber asks for, and the statements that tell which changed rows it may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote as percent

from reactor_data.catalog.model import Relation, Schema
from reactor_data.errors import DataError
from reactor_data.query.ast import Condition, Filter, Item, Logic, Query, Star
from reactor_data.query.embeds import Select
from reactor_data.query.expressions import Parameters, Scope, array_shim
from reactor_data.query.filtering import condition_sql
from reactor_data.query.joins import Making
from reactor_data.query.levels import Rules, resolve
from reactor_data.query.parser import parse_query
from reactor_data.sql.native import quote
from reactor_kernel.api import CHANGE_EVENTS, Statement

# The source of the parameter that holds the keys; below those of the query language.
_KEYS = -100
_EVERYTHING = Query()


@dataclass(frozen=True)
class Watch:
    """A subscription's own part: which events, and which rows and columns of a table.

    `table` is None for every table of the schema. Equal watches of equal identities are answered by one statement.
    """

    schema: str
    table: str | None
    events: frozenset[str]
    query: Query
    values: tuple[str, ...]

    @property
    def shape(self) -> tuple[Query, tuple[str, ...]]:
        """What decides the statement's text and values."""
        return self.query, self.values


def make_watch(schema: str, table: str, events: Sequence[str], filters: str, select: str | None) -> Watch:
    """Understand a subscription.

    Raises:
        DataError: 400 for events that do not exist, filters that do not parse, and what only a read can have.
    """
    chosen = frozenset(event.strip().upper() for event in events)
    if not chosen or (unknown := sorted(chosen - {*CHANGE_EVENTS, "*"})):
        shown = ", ".join(unknown) if chosen else ""
        raise _invalid(f"event={shown} names no event", "Use INSERT, UPDATE, DELETE, a list of them, or *.")
    parsed = parse_query("&".join(part for part in (filters, select and f"select={percent(select)}") if part))
    query = parsed.query
    if query.order or query.columns is not None or query.on_conflict is not None or parsed.limit is not None:
        raise _invalid("a subscription has no order, limit, columns or on_conflict", "Leave them out.")
    for item in query.select:
        if not isinstance(item, (Star, Item)) or (isinstance(item, Item) and item.aggregate is not None):
            raise _invalid("the select of a subscription can name columns only", "Leave out embeds and aggregates.")
    if table == "*" and query != _EVERYTHING:
        raise _invalid("a subscription to every table has no filters and no select", "Subscribe to one table.")
    every = frozenset(CHANGE_EVENTS) if "*" in chosen else chosen
    return Watch(schema, None if table == "*" else table, every, query, tuple(parsed.values))


def rows_statement(schema: Schema, relation: Relation, watch: Watch, keys: bytes) -> Statement:
    """Return the statement that answers `i` and the row as JSON for each of the keys whose row may be seen and fits.

    `keys` is a JSON array of objects: `i`, and the key's columns as `k0`, `k1`, …
    """
    making = Making(Rules())
    given = making.parameters.number(_KEYS)
    joined = " and ".join(f'"r".{quote(name)} = "k"."k{at}"' for at, name in enumerate(relation.primary_key))
    level = resolve(schema, relation, watch.query.select, making.rules, where=watch.query.where)
    # The row of its own gives the condition on the key a place beside the filters.
    rows = Select(making, level).sql(f'(values (1)) as "one" join {relation.sql} as "r" on {joined}', "")
    sql = f'select "k"."i", row_to_json("_") from {_key_rows(relation, given)} cross join lateral ({rows}) as "_"'
    return Statement(sql, _values(making.parameters, watch, keys))


def keys_statement(schema: Schema, relation: Relation, watch: Watch, keys: bytes) -> Statement:
    """Return the statement that answers `i` for each key of a deleted row that the filters do not rule out.

    A condition on a column that is not in the key cannot be tested; it rules nothing out.
    """
    parameters = Parameters()
    given = parameters.number(_KEYS)
    names = ", ".join(f'"k"."k{at}" as {quote(name)}' for at, name in enumerate(relation.primary_key))
    scope = Scope(schema, relation, '"r"')
    terms = [_testable(scope, condition, parameters) for condition in watch.query.where]
    tested = " and ".join(f"coalesce({term}, true)" for term in terms)
    sql = f'select "?i" from (select "k"."i" as "?i", {names} from {_key_rows(relation, given)}) as "r" where {tested}'
    return Statement(sql, _values(parameters, watch, keys))


def _testable(scope: Scope, condition: Condition, parameters: Parameters) -> str:
    if isinstance(condition, Logic):
        parts = (_testable(scope, child, parameters) for child in condition.children)
        text = "(" + f" {condition.connective} ".join(parts) + ")"
        return f"not ({text})" if condition.negated else text
    if isinstance(condition, Filter) and condition.field.name in scope.relation.primary_key:
        return "(" + condition_sql(scope, condition, parameters, lambda _: None) + ")"
    return "null::boolean"


def _key_rows(relation: Relation, given: str) -> str:
    columns = ", ".join(f'"k{at}" {relation.by_name[name].type}' for at, name in enumerate(relation.primary_key))
    return f'jsonb_to_recordset({given}) as "k"("i" int, {columns})'


def _values(parameters: Parameters, watch: Watch, keys: bytes) -> list[str | bytes | None]:
    shims = parameters.array_shims
    return [
        keys if source == _KEYS else array_shim(watch.values[source]) if source in shims else watch.values[source]
        for source in parameters.sources
    ]


def _invalid(message: str, hint: str) -> DataError:
    return DataError(400, "invalid_query", message, hint=hint)
