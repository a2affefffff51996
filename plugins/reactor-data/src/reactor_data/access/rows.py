"""SQL that names, reads and writes one row; the values travel as JSON, as in requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from reactor_data.access.model import Column, Question, Table
from reactor_data.sql.native import quote


@dataclass(frozen=True, slots=True)
class RowSql:
    """The statement's text and its parameters `$1 …`."""

    text: str
    params: tuple[str, ...]


def record(alias: str, columns: Iterable[Column], number: int) -> str:
    """Return a FROM item that reads columns out of the JSON object `$number`."""
    shape = ", ".join(f"{quote(column.name)} {column.type}" for column in columns)
    return f"json_to_record(${number}::json) as {alias}({shape})"


def encode(values: Mapping[str, Any]) -> str:
    """Write values as JSON text."""
    return msgspec.json.encode(values).decode()


def matching(table: Table, key: Mapping[str, Any], number: int) -> tuple[str, str, tuple[str, ...]]:
    """Return what joins the row: a FROM item (with its comma) or nothing, the condition on alias `r`, the parameters."""
    known = table.by_name
    named = [known[name] for name, value in key.items() if value is not None]
    conditions = [f'r.{quote(column.name)} = "w".{quote(column.name)}' for column in named]
    conditions += [f"r.{quote(name)} is null" for name, value in key.items() if value is None]
    condition = " and ".join(conditions) or "true"
    if not named:
        return "", condition, ()
    return f", {record(chr(34) + 'w' + chr(34), named, number)}", condition, (encode(key),)


def reading(question: Question, table: Table) -> RowSql:
    """Return the SELECT of the columns asked for."""
    names = question.columns if question.columns is not None else tuple(column.name for column in table.columns)
    join, condition, params = matching(table, question.key or {}, 1)
    listed = ", ".join(f"r.{quote(name)}" for name in names) or "1"
    return RowSql(f"select {listed} from {table.sql} as r{join} where {condition}", params)


def writing(question: Question, table: Table, returned: str) -> RowSql:
    """Return the INSERT, UPDATE or DELETE. `returned` is what it answers of the row `r`."""
    known = table.by_name
    columns = [known[name] for name in question.values]
    if question.action == "insert":
        if not columns:
            return RowSql(f"insert into {table.sql} as r default values returning {returned}", ())
        names = ", ".join(quote(column.name) for column in columns)
        taken = ", ".join(f'"v".{quote(column.name)}' for column in columns)
        source = record('"v"', columns, 1)
        text = f"insert into {table.sql} as r ({names}) select {taken} from {source} returning {returned}"
        return RowSql(text, (encode(question.values),))
    if question.action == "delete":
        join, condition, params = matching(table, question.key or {}, 1)
        using = f" using {join.removeprefix(', ')}" if join else ""
        return RowSql(f"delete from {table.sql} as r{using} where {condition} returning {returned}", params)
    if not columns:
        return _touching(question, table, returned)
    join, condition, params = matching(table, question.key or {}, 2)
    assigned = ", ".join(f'{quote(column.name)} = "v".{quote(column.name)}' for column in columns)
    source = record('"v"', columns, 1)
    text = f"update {table.sql} as r set {assigned} from {source}{join} where {condition} returning {returned}"
    return RowSql(text, (encode(question.values), *params))


def _touching(question: Question, table: Table, returned: str) -> RowSql:
    """Return an UPDATE that leaves the row as it is: a column is set to itself."""
    column = untouched(table)
    join, condition, params = matching(table, question.key or {}, 1)
    source = f" from {join.removeprefix(', ')}" if join else ""
    name = quote(column.name)
    text = f"update {table.sql} as r set {name} = r.{name}{source} where {condition} returning {returned}"
    return RowSql(text, params)


def untouched(table: Table) -> Column:
    """Return the column that an update without values sets to itself: one that the role may read and set, if there is."""
    choices = sorted(
        (column for column in table.columns if column.writable),
        key=lambda column: not (column.may_update and column.may_select),
    )
    return choices[0] if choices else table.columns[0]


def merged(question: Question, table: Table, empty: Collection[str]) -> RowSql:
    """Return a SELECT of the new row as one value, without triggers: values, defaults, generated columns.

    Defaults of `empty` columns are null. Reads the old row, where there is one, from the table of `Bench`.
    """
    given = [table.by_name[name] for name in question.values]
    base: list[str] = []
    for column in table.columns:
        name = quote(column.name)
        if column.name in question.values:
            made = f'"v".{name}'
        elif question.action == "update":
            made = f'"o".{name}'
        elif column.default is not None and not column.generated and column.name not in empty:
            made = f"({column.default})"
        else:
            made = "null"
        base.append(f"({made})::{column.type} as {name}")
    final = [
        f"({column.default})" if column.generated else f"{quote(table.name)}.{quote(column.name)}"
        for column in table.columns
    ]
    sources = [record('"v"', given, 1)] if given else []
    if question.action == "update":
        old = "unnest(array(select x.row from pg_temp.reactor_explained x where x.side = 'old'))"
        sources.append(f'{old} as "o"')
    source = f" from {', '.join(sources)}" if sources else ""
    text = f"select row({', '.join(final)})::{table.sql}::text from (select {', '.join(base)}{source}) as {quote(table.name)}"
    return RowSql(text, (encode(question.values),) if given else ())
