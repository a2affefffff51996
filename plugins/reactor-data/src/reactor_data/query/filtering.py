"""Filters and logic trees as SQL."""

from __future__ import annotations

from collections.abc import Callable

from reactor_data.catalog.model import Column
from reactor_data.errors import DataError
from reactor_data.query.ast import Condition, Filter
from reactor_data.query.expressions import Parameters, Scope, field_value, known_field
from reactor_data.query.operators import KEYWORDS, OPERATORS, Family

Presence = Callable[[str], str | None]
"""From the key of an embed the SQL that tests whether it has a row; None where no embed has that key."""


def condition_sql(scope: Scope, condition: Condition, parameters: Parameters, presence: Presence) -> str:
    """Return a condition on the rows of `scope`."""
    if isinstance(condition, Filter):
        embedded = _embed_filter(scope, condition, presence)
        if embedded is not None:
            return embedded
        text = _filter(scope, condition, parameters)
    else:
        children = (condition_sql(scope, child, parameters, presence) for child in condition.children)
        text = "(" + f" {condition.connective} ".join(children) + ")"
    return f"not ({text})" if condition.negated else text


def _embed_filter(scope: Scope, found: Filter, presence: Presence) -> str | None:
    """Return the test for an embed's rows where the filter names one.

    Raises:
        DataError: 400 PGRST120 for anything but a test for null, unless a field has the same name.
    """
    if found.field.path:
        return None
    name = found.field.name
    if found.operator == "is" and found.keyword in ("null", "not_null"):
        present = presence(name)
        if present is None:
            return None
        # Never `not not`: only a plain `[not] exists` becomes a join.
        return present if (found.keyword == "not_null") is not found.negated else f"not {present}"
    if known_field(scope, name) or presence(name) is None:
        return None
    raise DataError(
        400,
        "invalid_filter",
        f"Bad operator on the '{name}' embedded resource",
        pgrst="PGRST120",
        detail="Only is null or not is null filters are allowed on embedded resources",
        hint=f"Filter the embed's rows with '{name}.<column>=…'.",
        details={"embed": name},
    )


def _filter(scope: Scope, found: Filter, parameters: Parameters) -> str:
    operator = OPERATORS[found.operator]
    left, column = field_value(scope, found.field)
    if found.slot is None:
        return f"{left} is {KEYWORDS[found.keyword or 'null']}"
    right = parameters.number(found.slot)
    parse = None if column is None else column.from_text
    if operator.family is Family.LIST:
        return f"{left} = any({_each(parse, right)})"
    if operator.family is Family.FULL_TEXT:
        config = "" if found.config is None else f"{parameters.number(found.config)}::regconfig, "
        document = left if column is not None and column.base == "tsvector" else f"to_tsvector({config}{left})"
        return f"{document} @@ {operator.sql}({config}{right})"
    if operator.family is Family.CONTAIN and _is_array(column):
        parameters.array_shims.add(found.slot)
    if operator.family is not Family.COMPARE:
        parse = None
    if found.quantifier is not None:
        return f"{left} {operator.sql} {found.quantifier}({_each(parse, right)})"
    return f"{left} {operator.sql} {right if parse is None else f'{parse}({right})'}"


def _each(parse: str | None, array: str) -> str:
    """Apply the function that reads a domain's text to every element."""
    return array if parse is None else f"select {parse}(unnest({array}::text[]))"


def _is_array(column: Column | None) -> bool:
    return column is not None and column.base.endswith("[]")
