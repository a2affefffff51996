"""Writing a parsed filter as it stands in a query string."""

from __future__ import annotations

import re
from collections.abc import Iterable

from reactor_data.query.ast import Condition, Embed, Field, Filter, JsonKey, Parsed, Selection
from reactor_data.query.fields import JOINS, RESERVED_ENDS
from reactor_data.query.operators import OPERATORS, Family

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# What a bare name would be taken for something else as.
_WORDS = {*RESERVED_ENDS, *JOINS, "not", "select", "columns", "on_conflict", "subscribe"}


def print_filter(parsed: Parsed, slot: int) -> str | None:
    """Return the filter that a value belongs to, as it may stand in a query string but not percent-encoded."""
    return _find("", parsed.query.where, slot, parsed.values) or _find_below(
        "", parsed.query.select, slot, parsed.values
    )


def _find_below(path: str, select: Iterable[Selection], slot: int, values: list[str]) -> str | None:
    for item in select:
        if isinstance(item, Embed):
            inner = f"{path}{bare_name(item.key)}."
            found = _find(inner, item.where, slot, values) or _find_below(inner, item.select, slot, values)
            if found is not None:
                return found
    return None


def _find(path: str, conditions: Iterable[Condition], slot: int, values: list[str]) -> str | None:
    for condition in conditions:
        if isinstance(condition, Filter):
            if slot in (condition.slot, condition.config):
                return f"{path}{field_path(condition.field)}={operation(condition, values)}"
        elif (found := _find(path, condition.children, slot, values)) is not None:
            return found
    return None


def operation(found: Filter, values: list[str]) -> str:
    """Return what follows a filter's field and `=`; its value is not quoted."""
    head = ("not." if found.negated else "") + found.operator
    if found.slot is None:
        return f"{head}.{found.keyword}"
    value = values[found.slot]
    if OPERATORS[found.operator].family is Family.LIST:
        # The value is the array literal that the parser made; its items are quoted as those of a list are.
        return f"{head}.({value[1:-1]})"
    if found.quantifier is not None:
        head += f"({found.quantifier})"
    if found.config is not None:
        head += f"({bare_name(values[found.config])})"
    return f"{head}.{value}"


def field_path(field: Field) -> str:
    """Return a field with the steps into its JSON."""
    steps = (
        ("->>" if step.as_text else "->") + (_key(step.key) if isinstance(step, JsonKey) else str(step.index))
        for step in field.path
    )
    return bare_name(field.name) + "".join(steps)


def _key(key: str) -> str:
    return key if _PLAIN.match(key) else quoted(key)


def bare_name(name: str) -> str:
    """Return a name, quoted where it would be taken for something else."""
    return name if _PLAIN.match(name) and name not in _WORDS else quoted(name)


def quoted(text: str) -> str:
    """Return a text in quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
