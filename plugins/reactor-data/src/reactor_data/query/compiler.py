"""From a parsed request to one SQL statement.

The text depends on the shape of a request only, never on its values, so that equal shapes share one prepared
statement. Results are one row: the number of rows, the JSON that Postgres made of them, and what else was asked for.
"""

from __future__ import annotations

import msgspec

from reactor_data.catalog.model import Column, Relation, Schema
from reactor_data.errors import DataError, column_not_found
from reactor_data.query.ast import Query
from reactor_data.query.expressions import (
    BODY,
    CAP,
    LIMIT,
    OFFSET,
    Parameters,
    columns_used,
    literal,
    order_sql,
    output_names,
    selection_sql,
    where_sql,
)
from reactor_data.query.rendering import OVERRIDES, Shape, body_sql
from reactor_data.sql.native import quote

# Settings through which the data statement hands numbers on within its transaction.
AFFECTED = "reactor.affected"
INSERTED = "reactor.inserted"

_ROWS = '"_"'


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


def compile_read(schema: Schema, relation: Relation, read: Read) -> Plan:
    """Compile GET or HEAD. The row is: count, body, total, what SQL wants the answer to say."""
    query, parameters = read.query, Parameters()
    selected = selection_sql(schema, relation, query.select, '"r"')
    where = where_sql(relation, query.where, '"r"', parameters)
    rows = f'select {selected} from {relation.sql} as "r"{where}{order_sql(relation, query.order, chr(34) + "r" + chr(34))}'
    rows += f" limit {parameters.number(LIMIT)}"
    if read.offset:
        rows += f" offset {parameters.number(OFFSET)}"
    total = "null"
    if read.count == "exact":
        total = f'(select count(*) from {relation.sql} as "r"{where})'
    elif read.count == "estimated":
        # One more than the cap is enough to know that an estimate is needed.
        cap = parameters.number(CAP)
        total = f'(select count(*) from (select from {relation.sql} as "r"{where} limit {cap}) as "c")'
    names = output_names(relation, query.select) if read.shape.kind == "csv" else ()
    body = body_sql(read.shape, _ROWS, names) if read.body else "null"
    sql = f'select count(*), {body}, {total}, {OVERRIDES} from ({rows}) as "_"'
    estimate = None
    if read.count in ("planned", "estimated"):
        counting = Parameters()
        text = where_sql(relation, query.where, '"r"', counting)
        estimate = Plan(
            f'explain (format json) select from {relation.sql} as "r"{text}',
            tuple(counting.sources),
            frozenset(counting.array_shims),
        )
    return Plan(sql, tuple(parameters.sources), frozenset(parameters.array_shims), estimate)


def compile_write(schema: Schema, relation: Relation, write: Write) -> Plan:
    """Compile a write. The row is: count, body, location, inserted, the hand-over of the count, what SQL wants the answer to say."""
    parameters = Parameters()
    target: tuple[str, ...] = ()
    if write.action == "insert":
        change, target = _insert(relation, write, parameters)
    elif write.action == "update":
        change = _update(relation, write, parameters)
    else:
        change = f'delete from {relation.sql} as "r"{where_sql(relation, write.query.where, chr(34) + "r" + chr(34), parameters)}'
    shown = write.returning == "representation"
    # Only what is asked for is returned: each column returned needs the right to read it, and any makes the
    # policies for SELECT apply to the new row.
    names = columns_used(write.query.select, write.query.order) if shown else []
    located = write.returning == "headers-only" and write.action == "insert" and bool(relation.primary_key)
    if located:
        names = list(relation.primary_key)
    if names is None:
        returned = '"r".*'
    else:
        for name in names:
            if name not in relation.by_name:
                raise column_not_found(name, relation.name, relation.near(name))
        returned = ", ".join(f'"r".{quote(name)}' for name in names) or '1 as "_"'
    source = "select 1 from changed"
    if shown:
        listed = selection_sql(schema, relation, write.query.select, '"r"')
        order = order_sql(relation, write.query.order, '"r"')
        source = f'select {listed} from changed as "r"{order}'
    location = "null"
    if located:
        keys = ", ".join(f"{quote(name)}::text" for name in relation.primary_key)
        location = f"(select json_build_array({keys}) from changed limit 1)"
    if write.action == "update" and not (write.rows and write.keys):
        # Nothing to set: no row is changed, and the answer has the form of one that found none.
        changed = f'select {returned} from {relation.sql} as "r" where false'
        parameters = Parameters()
    else:
        changed = f"{change} returning {returned}"
    body = "null"
    if shown:
        listed_names = output_names(relation, write.query.select) if write.shape.kind == "csv" else ()
        body = body_sql(write.shape, _ROWS, listed_names)
    sql = (
        f"with changed as ({changed}) select count(*), {body},"
        f" {location}, nullif(current_setting('{INSERTED}', true), ''),"
        f" set_config('{AFFECTED}', count(*)::text, true), {OVERRIDES} from ({source}) as \"_\""
    )
    return Plan(sql, tuple(parameters.sources), frozenset(parameters.array_shims), target=target)


def _written(relation: Relation, keys: tuple[str, ...]) -> list[Column]:
    columns: list[Column] = []
    for key in keys:
        column = relation.by_name.get(key)
        if column is None:
            raise column_not_found(key, relation.name, relation.near(key), written=True)
        columns.append(column)
    return columns


def _rows(columns: list[Column], write: Write, parameters: Parameters) -> str:
    """Return the row source of a JSON body, one column for each key."""
    shape = ", ".join(f"{quote(column.name)} {_sent_type(column, write)}" for column in columns)
    body = parameters.number(BODY)
    defaults = [column for column in columns if column.default is not None] if write.missing_default else []
    if not defaults:
        return f'json_to_recordset({body}) as "b"({shape})'
    made = ", ".join(f"{literal(column.name)}, {column.default}" for column in defaults)
    # `offset 0` keeps the planner from making the defaults once for all rows.
    return (
        f'(select jsonb_build_object({made}) || "e"."value" as "row" from jsonb_array_elements({body}) as "e" offset 0)'
        f' as "j" cross join lateral jsonb_to_record("j"."row") as "b"({shape})'
    )


def _sent_type(column: Column, write: Write) -> str:
    # A JSON string that stands for a json value would become a json string.
    return "text" if write.textual and column.base in ("json", "jsonb") else column.type


def _value(column: Column, write: Write) -> str:
    value = f'"b".{quote(column.name)}'
    return f"cast({value} as {column.type})" if _sent_type(column, write) != column.type else value


def _insert(relation: Relation, write: Write, parameters: Parameters) -> tuple[str, tuple[str, ...]]:
    columns = _written(relation, write.keys)
    head = f'insert into {relation.sql} as "r"'
    if not write.rows:
        return f"{head} select where false", ()
    target = write.query.on_conflict or relation.primary_key
    resolution = write.resolution if target else None
    counting = ""
    if resolution == "merge":
        counting = f" where {_count('+ 1')} <> '0'"
    if columns:
        names = ", ".join(quote(column.name) for column in columns)
        values = ", ".join(_value(column, write) for column in columns)
        source = _rows(columns, write, parameters)
        if write.single:
            # The counting below must see the one row that is taken, and none besides.
            fitting = where_sql(relation, write.query.where, '"b"', parameters)
            source = f'(select * from (select * from {source} limit 1) as "b"{fitting} offset 0) as "b"'
        text = f"{head} ({names}) select {values} from {source}{counting}"
    else:
        text = f'{head} select from json_array_elements({parameters.number(BODY)}) as "b"{counting}'
    if resolution is None:
        return text, ()
    for name in target:
        if name not in relation.by_name:
            raise column_not_found(name, relation.name, relation.near(name), written=True)
    text += f" on conflict ({', '.join(quote(name) for name in target)})"
    if resolution == "ignore" or not columns:
        return text + " do nothing", tuple(target)
    assigned = ", ".join(f"{quote(column.name)} = excluded.{quote(column.name)}" for column in columns)
    return f"{text} do update set {assigned} where {_count('- 1')} <> '-1'", tuple(target)


def _count(change: str) -> str:
    """Count rows inserted, without returning a column: up for each row tried, down for each that became an update."""
    present = f"coalesce(nullif(current_setting('{INSERTED}', true), '')::int, 0)"
    return f"set_config('{INSERTED}', ({present} {change})::text, true)"


def _update(relation: Relation, write: Write, parameters: Parameters) -> str:
    columns = _written(relation, write.keys)
    assigned = ", ".join(f"{quote(column.name)} = {_value(column, write)}" for column in columns)
    where = where_sql(relation, write.query.where, '"r"', parameters)
    row = f'(select * from {_rows(columns, write, parameters)} limit 1) as "b"'
    return f'update {relation.sql} as "r" set {assigned} from {row}{where}'


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
