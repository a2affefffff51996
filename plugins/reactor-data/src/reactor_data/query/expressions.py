"""Fields, conditions and orders as SQL. Identifiers come from the relation, values become parameters."""

from __future__ import annotations

from collections.abc import Iterable

from reactor_data.catalog.model import Column, Relation, Schema
from reactor_data.errors import DataError, column_not_found
from reactor_data.query.ast import Condition, Field, Filter, Item, JsonKey, Order, Selection, Star
from reactor_data.query.operators import KEYWORDS, OPERATORS, Family
from reactor_data.sql.native import quote

# Parameters that are no values of the query string.
LIMIT, OFFSET, BODY, CAP = -1, -2, -3, -4


class Parameters:
    """The `$n` of one statement, by where their values come from; one source has one number."""

    def __init__(self) -> None:
        self.sources: list[int] = []
        self.array_shims: set[int] = set()

    def number(self, source: int) -> str:
        """Return `$n` for a slot of the query string or one of LIMIT, OFFSET, BODY, CAP."""
        if source not in self.sources:
            self.sources.append(source)
        return f"${self.sources.index(source) + 1}"


def literal(text: str) -> str:
    """Quote a text as a literal that means the same whatever `standard_conforming_strings` is."""
    doubled = text.replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in doubled else f"'{doubled}'"


def column_of(relation: Relation, name: str) -> Column:
    """Return a column or raise 400 with the nearest name."""
    column = relation.by_name.get(name)
    if column is None:
        raise column_not_found(name, relation.name, relation.near(name))
    return column


def field_sql(relation: Relation, field: Field, source: str) -> str:
    """Return a field as SQL; `source` is the quoted alias its column is taken from."""
    column = column_of(relation, field.name)
    base = f"{source}.{quote(column.name)}"
    if not field.path:
        return base
    # json and jsonb as they are, so that indexes on the same expression serve.
    parts = [base if column.base in ("json", "jsonb") else f"to_jsonb({base})"]
    for step in field.path:
        arrow = "->>" if step.as_text else "->"
        parts.append(arrow + (literal(step.key) if isinstance(step, JsonKey) else f"({step.index})"))
    return "(" + "".join(parts) + ")"


def output_name(item: Item) -> str:
    """Return the key a selected field gets in the answer."""
    if item.alias is not None:
        return item.alias
    keys = [step.key for step in item.field.path if isinstance(step, JsonKey)]
    return keys[-1] if keys else item.field.name


def output_names(relation: Relation, items: Iterable[Selection]) -> list[str]:
    """Return the columns of the answer in their order."""
    names: list[str] = []
    for item in items:
        if isinstance(item, Star):
            names += (column.name for column in relation.columns)
        elif isinstance(item, Item):
            names.append(output_name(item))
    return names


def selection_sql(schema: Schema, relation: Relation, items: Iterable[Selection], source: str) -> str:
    """Return the select list."""
    return ", ".join(
        f"{source}.*"
        if isinstance(item, Star)
        else f"{_item_sql(schema, relation, item, source)} as {quote(output_name(item))}"
        for item in items
    )


def _item_sql(schema: Schema, relation: Relation, item: Item, source: str) -> str:
    expression = field_sql(relation, item.field, source)
    if item.cast is None:
        return expression
    known = schema.types.get(item.cast) or schema.types.get(item.cast.lower())
    if known is None:
        raise DataError(
            400,
            "invalid_query",
            f'type "{item.cast}" does not exist',
            pgrst="42704",
            hint="Cast to a type of the database, such as text, int or numeric.",
        )
    return f"cast({expression} as {known})"


def columns_used(items: Iterable[Selection], orders: Iterable[Order]) -> list[str] | None:
    """Return the columns a representation needs; None = all."""
    names: dict[str, None] = {}
    for item in items:
        if isinstance(item, Star):
            return None
        names[item.field.name] = None
    for order in orders:
        names[order.field.name] = None
    return list(names)


def order_sql(relation: Relation, orders: Iterable[Order], source: str) -> str:
    """Return `order by …`, or nothing."""
    terms: list[str] = []
    for order in orders:
        term = field_sql(relation, order.field, source)
        if order.descending is not None:
            term += " desc" if order.descending else " asc"
        if order.nulls is not None:
            term += f" nulls {order.nulls}"
        terms.append(term)
    return f" order by {', '.join(terms)}" if terms else ""


def where_sql(relation: Relation, conditions: Iterable[Condition], source: str, parameters: Parameters) -> str:
    """Return `where …`, or nothing."""
    parts = [_condition(relation, condition, source, parameters) for condition in conditions]
    return f" where {' and '.join(parts)}" if parts else ""


def _condition(relation: Relation, condition: Condition, source: str, parameters: Parameters) -> str:
    if isinstance(condition, Filter):
        text = _filter(relation, condition, source, parameters)
    else:
        children = (_condition(relation, child, source, parameters) for child in condition.children)
        text = "(" + f" {condition.connective} ".join(children) + ")"
    return f"not ({text})" if condition.negated else text


def _filter(relation: Relation, found: Filter, source: str, parameters: Parameters) -> str:
    operator = OPERATORS[found.operator]
    left = field_sql(relation, found.field, source)
    if found.slot is None:
        return f"{left} is {KEYWORDS[found.keyword or 'null']}"
    right = parameters.number(found.slot)
    if operator.family is Family.LIST:
        return f"{left} = any({right})"
    if operator.family is Family.FULL_TEXT:
        config = "" if found.config is None else f"{parameters.number(found.config)}::regconfig, "
        column = column_of(relation, found.field.name)
        document = left if column.base == "tsvector" and not found.field.path else f"to_tsvector({config}{left})"
        return f"{document} @@ {operator.sql}({config}{right})"
    if (
        operator.family is Family.CONTAIN
        and not found.field.path
        and column_of(relation, found.field.name).base.endswith("[]")
    ):
        parameters.array_shims.add(found.slot)
    if found.quantifier is not None:
        return f"{left} {operator.sql} {found.quantifier}({right})"
    return f"{left} {operator.sql} {right}"


def array_shim(value: str) -> str:
    """Read `(a,b)` as the array `{a,b}`: the JS client sends it so."""
    return "{" + value[1:-1] + "}" if value.startswith("(") and value.endswith(")") else value
