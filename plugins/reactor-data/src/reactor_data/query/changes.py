"""INSERT and UPDATE, without what they return."""

from __future__ import annotations

import msgspec

from reactor_data.catalog.model import Column, Relation
from reactor_data.errors import column_not_found
from reactor_data.query.expressions import BODY, Parameters
from reactor_data.sql.native import literal, quote

# The setting through which a statement hands on how many rows it inserted, within its transaction.
INSERTED = "reactor.inserted"


class Body(msgspec.Struct):
    """The columns that a JSON body writes, and how.

    `defaults` makes the default of a column that a row leaves out; `textual` says that all values are texts, also those of
    json columns.
    """

    columns: list[Column]
    defaults: bool = False
    textual: bool = False

    def value(self, column: Column) -> str:
        """Return a column's value as the type of the column."""
        value = f'"b".{quote(column.name)}'
        if column.from_json is not None:
            return f"{column.from_json}({value})"
        return f"cast({value} as {column.type})" if self._reparsed(column) else value

    def rows(self, parameters: Parameters) -> str:
        """Return the row source, `"b"`, with one column for each key."""
        shape = ", ".join(f"{quote(column.name)} {self._sent(column)}" for column in self.columns)
        body = parameters.number(BODY)
        defaults = [column for column in self.columns if column.default is not None] if self.defaults else []
        if not defaults:
            return f'json_to_recordset({body}) as "b"({shape})'
        made = ", ".join(f"{literal(column.name)}, {_default(column)}" for column in defaults)
        # `offset 0` keeps the planner from making the defaults once for all rows.
        return (
            f'(select jsonb_build_object({made}) || "e"."value" as "row" from jsonb_array_elements({body}) as "e"'
            f' offset 0) as "j" cross join lateral jsonb_to_record("j"."row") as "b"({shape})'
        )

    def _sent(self, column: Column) -> str:
        if column.from_json is not None:
            return "json"
        return "text" if self._reparsed(column) else column.type

    def _reparsed(self, column: Column) -> bool:
        # A JSON string that stands for a json value would become a json string.
        return self.textual and column.base in ("json", "jsonb")


def written_columns(relation: Relation, keys: tuple[str, ...]) -> list[Column]:
    """Return the columns that a body's keys name, or raise 400 PGRST204."""
    columns: list[Column] = []
    for key in keys:
        column = relation.by_name.get(key)
        if column is None:
            raise column_not_found(key, relation.name, relation.near(key), written=True)
        columns.append(column)
    return columns


def insert_sql(
    relation: Relation,
    body: Body,
    parameters: Parameters,
    *,
    target: tuple[str, ...] = (),
    resolution: str | None = None,
    fitting: str | None = None,
) -> str:
    """Return an INSERT of the body's rows.

    `resolution`, merge or ignore, says what becomes of rows that exist by the columns of `target`. With `fitting`, a whole
    WHERE clause on `"b"`, only the first row is taken, and only when it fits.
    """
    columns = body.columns
    head = f'insert into {relation.sql} as "r"'
    counting = f" where {_count('+ 1')} <> '0'" if resolution == "merge" else ""
    if columns:
        names = ", ".join(quote(column.name) for column in columns)
        values = ", ".join(body.value(column) for column in columns)
        source = body.rows(parameters)
        if fitting is not None:
            # The counting must see the one row that is taken, and none besides.
            source = f'(select * from (select * from {source} limit 1) as "b"{fitting} offset 0) as "b"'
        text = f"{head} ({names}) select {values} from {source}{counting}"
    else:
        text = f'{head} select from json_array_elements({parameters.number(BODY)}) as "b"{counting}'
    if resolution is None:
        return text
    for name in target:
        if name not in relation.by_name:
            raise column_not_found(name, relation.name, relation.near(name), written=True)
    text += f" on conflict ({', '.join(quote(name) for name in target)})"
    if resolution == "ignore" or not columns:
        return text + " do nothing"
    assigned = ", ".join(f"{quote(column.name)} = excluded.{quote(column.name)}" for column in columns)
    return f"{text} do update set {assigned} where {_count('- 1')} <> '-1'"


def update_sql(relation: Relation, body: Body, parameters: Parameters, *, where: str) -> str:
    """Return an UPDATE, with the body's first row, of the rows that `where`, a whole clause, chooses."""
    assigned = ", ".join(f"{quote(column.name)} = {body.value(column)}" for column in body.columns)
    row = f'(select * from {body.rows(parameters)} limit 1) as "b"'
    return f'update {relation.sql} as "r" set {assigned} from {row}{where}'


def _default(column: Column) -> str:
    made = column.default or "null"
    # In the representation that a body would have it in, because it is read like one.
    return made if column.to_json is None or column.from_json is None else f"{column.to_json}({made})"


def _count(change: str) -> str:
    """Count rows inserted, without returning a column: up for each row tried, down for each that became an update."""
    present = f"coalesce(nullif(current_setting('{INSERTED}', true), '')::int, 0)"
    return f"set_config('{INSERTED}', ({present} {change})::text, true)"
