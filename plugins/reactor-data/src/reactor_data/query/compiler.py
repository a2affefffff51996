"""From a parsed request to one SQL statement.

The text depends on the shape of a request only, never on its values, so that equal shapes share one prepared
statement. Results are one row: the number of rows, the JSON that Postgres made of them, and what else was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from reactor_data.catalog.model import Relation, Schema
from reactor_data.errors import DataError
from reactor_data.query.ast import Query
from reactor_data.query.changes import INSERTED, Body, insert_sql, update_sql, written_columns
from reactor_data.query.embeds import Select
from reactor_data.query.expressions import CAP, LIMIT, OFFSET, Parameters
from reactor_data.query.joins import Making, needed_columns, where_sql
from reactor_data.query.levels import Level, Rules, resolve
from reactor_data.query.rendering import OVERRIDES, Shape, body_sql
from reactor_data.sql.native import quote

# The setting through which the data statement hands the number of rows affected to what follows in its transaction.
AFFECTED = "reactor.affected"

_ROWS = '"_"'
_RULES = Rules()

Source = Callable[[Parameters], str]
"""Makes a FROM item, without an alias, and the parameters it needs."""


class Read(msgspec.Struct, frozen=True):
    """What a read asks for, beside its query. `body` is False for HEAD."""

    query: Query
    body: bool = True
    count: str | None = None
    offset: bool = False
    shape: Shape = Shape()


class Write(msgspec.Struct, frozen=True):
    """What a write asks for.

    `action` is insert, update or delete; `keys` the columns written; `rows` False when the body holds none;
    `returning` minimal, headers-only or representation; `resolution` merge, ignore or None; `textual` that the body's values
    are texts, also those of json columns; `single` that only the first row is taken, and only where the filters fit it (PUT).
    """

    action: str
    query: Query
    keys: tuple[str, ...] = ()
    rows: bool = True
    returning: str = "minimal"
    resolution: str | None = None
    missing_default: bool = False
    textual: bool = False
    single: bool = False
    shape: Shape = Shape()


class Plan(msgspec.Struct, frozen=True):
    """A compiled statement: its text and where the value of each `$n` comes from.

    `estimate` is the statement whose EXPLAIN estimates the number of rows.
    """

    sql: str
    sources: tuple[int, ...]
    array_shims: frozenset[int] = frozenset()
    estimate: Plan | None = None
    target: tuple[str, ...] = ()


def compile_read(
    schema: Schema, relation: Relation, read: Read, *, rules: Rules = _RULES, source: Source | None = None
) -> Plan:
    """Compile GET or HEAD. The row is: count, body, total, what SQL wants the answer to say.

    `source` makes the FROM item of the rows where they do not come from the relation itself, such as a function's; it is
    run once, and `relation` says what columns and relationships they have.
    """
    query, making = read.query, Making(rules)
    level = resolve(
        schema, relation, query.select, rules, where=query.where, order=query.order, derived=source is not None
    )
    head, origin = _origin(relation, source, making)
    select = Select(making, level)
    page = f" limit {making.parameters.number(LIMIT)}"
    if read.offset:
        page += f" offset {making.parameters.number(OFFSET)}"
    rows = select.sql(origin, page)
    total = "null"
    if read.count == "exact":
        total = f"(select count(*) from {origin}{where_sql(making, level)})"
    elif read.count == "estimated":
        # One more than the cap is enough to know that an estimate is needed.
        counted = f"select from {origin}{where_sql(making, level)} limit {making.parameters.number(CAP)}"
        total = f'(select count(*) from ({counted}) as "c")'
    body = body_sql(read.shape, _ROWS, select.names) if read.body else "null"
    sql = f'{head}select count(*), {body}, {total}, {OVERRIDES} from ({rows}) as "_"'
    estimate = _estimate(level, source, rules) if read.count in ("planned", "estimated") else None
    return _plan(sql, making, estimate=estimate)


def compile_write(schema: Schema, relation: Relation, write: Write, *, rules: Rules = _RULES) -> Plan:
    """Compile a write.

    The row is: count, body, location, inserted, the hand-over of the count, what SQL wants the answer to say.
    """
    making = Making(rules)
    target = (write.query.on_conflict or relation.primary_key) if write.resolution else ()
    change = _change_sql(schema, relation, write, target, making)
    located = write.returning == "headers-only" and write.action == "insert" and bool(relation.primary_key)
    # Only what is asked for is returned: each column returned needs the right to read it, and any makes the
    # policies for SELECT apply to the new row.
    needed: Collection[str] | None = relation.primary_key if located else ()
    rows, body, affected = "select 1 from changed", "null", "count(*)"
    if write.returning == "representation":
        level = resolve(schema, relation, write.query.select, rules, order=write.query.order, derived=True)
        needed = needed_columns(level)
        select = Select(making, level)
        rows, body = select.sql('changed as "r"', ""), body_sql(write.shape, _ROWS, select.names)
        if any(child.inner for child in level.children):
            # An inner embed leaves rows out of the representation, not of the change.
            affected = "(select count(*) from changed)"
    columns = ['"r".*'] if needed is None else [f'"r".{quote(name)}' for name in needed]
    returned = ", ".join(columns) or '1 as "_"'
    location = "null"
    if located:
        keys = ", ".join(f"{quote(name)}::text" for name in relation.primary_key)
        location = f"(select json_build_array({keys}) from changed limit 1)"
    # The one row of a singular answer must be there to be shown.
    counted = "count(*)" if write.shape.singular else affected
    # Where there is nothing to set no row is changed, and the answer has the form of one that found none.
    nothing = f'select {returned} from {relation.sql} as "r" where false'
    changed = f"{change} returning {returned}" if change else nothing
    sql = (
        f"with changed as ({changed}) select {counted}, {body}, {location},"
        f" nullif(current_setting('{INSERTED}', true), ''),"
        f" set_config('{AFFECTED}', {affected}::text, true), {OVERRIDES} from ({rows}) as \"_\""
    )
    return _plan(sql, making, target=target if write.rows else ())


def _origin(relation: Relation, source: Source | None, making: Making) -> tuple[str, str]:
    """Return what precedes the statement and the FROM item of its rows."""
    if source is None:
        return "", f'{relation.sql} as "r"'
    return f'with "called" as (select * from {source(making.parameters)} as "_") ', '"called" as "r"'


def _estimate(level: Level, source: Source | None, rules: Rules) -> Plan:
    making = Making(rules)
    head, origin = _origin(level.scope.relation, source, making)
    return _plan(f"explain (format json) {head}select from {origin}{where_sql(making, level)}", making)


def _change_sql(schema: Schema, relation: Relation, write: Write, target: tuple[str, ...], making: Making) -> str:
    """Return what is to be done, without what it returns; nothing where there is nothing to set."""
    alias = '"b"' if write.action == "insert" else '"r"'
    level = resolve(schema, relation, write.query.select, making.rules, where=write.query.where, alias=alias)
    # Which rows are written is up to the filters alone: an inner embed shapes the representation only.
    shaping = {child.number for child in level.children}
    if write.action == "delete":
        return f'delete from {relation.sql} as "r"{where_sql(making, level, joined=shaping)}'
    body = Body(written_columns(relation, write.keys), write.missing_default, write.textual)
    if write.action == "insert":
        if not write.rows:
            return f'insert into {relation.sql} as "r" select where false'
        fitting = where_sql(making, level, joined=shaping) if write.single else None
        resolution = write.resolution if target else None
        return insert_sql(relation, body, making.parameters, target=target, resolution=resolution, fitting=fitting)
    if write.rows and write.keys:
        return update_sql(relation, body, making.parameters, where=where_sql(making, level, joined=shaping))
    # Filters that are wrong are refused all the same.
    where_sql(Making(making.rules), level, joined=shaping)
    return ""


def _plan(sql: str, making: Making, *, estimate: Plan | None = None, target: tuple[str, ...] = ()) -> Plan:
    parameters = making.parameters
    return Plan(sql, parameters.sources, frozenset(parameters.array_shims), estimate, target)


def check_filters(write: Write) -> None:
    """Refuse an update or delete of every row; for `safe_update`."""
    if not write.query.where:
        verb = "UPDATE" if write.action == "update" else "DELETE"
        raise DataError(
            400,
            "database_error",
            f"{verb} requires a WHERE clause",
            pgrst="21000",
            hint="Add a filter to the URL; to mean every row write a filter that is always true.",
        )
