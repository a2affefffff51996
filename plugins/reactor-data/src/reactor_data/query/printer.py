"""Writing a parsed query as the query string that parses to it: the inverse of `parse_query`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote as percent

from reactor_data.query.ast import Condition, Count, Embed, Field, Filter, Item, JsonKey, Order, Parsed, Selection, Star
from reactor_data.query.fields import JOINS, RESERVED_ENDS
from reactor_data.query.operators import OPERATORS, Family

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# What a bare name would be taken for something else as.
_WORDS = {*RESERVED_ENDS, *JOINS, "not", "select", "columns", "on_conflict", "subscribe"}
_DIRECTIONS = {None: "", True: ".desc", False: ".asc"}


def print_query(parsed: Parsed) -> str:
    """Return the raw query string of what was parsed, percent-encoded.

    Slots are numbered anew in the order of the text: where those of `parsed` are in another, so is what is parsed from it.
    """
    return "&".join(f"{percent(key, safe='')}={percent(value, safe='')}" for key, value in _parameters(parsed))


def print_filter(parsed: Parsed, slot: int) -> str | None:
    """Return the filter that a value belongs to, as it may stand in a query string but not percent-encoded."""
    return _find("", parsed.query.where, slot, parsed.values) or _find_below(
        "", parsed.query.select, slot, parsed.values
    )


def _find_below(path: str, select: Iterable[Selection], slot: int, values: list[str]) -> str | None:
    for item in select:
        if isinstance(item, Embed):
            inner = f"{path}{_name(item.key)}."
            found = _find(inner, item.where, slot, values) or _find_below(inner, item.select, slot, values)
            if found is not None:
                return found
    return None


def _find(path: str, conditions: Iterable[Condition], slot: int, values: list[str]) -> str | None:
    for condition in conditions:
        if isinstance(condition, Filter):
            if slot in (condition.slot, condition.config):
                return f"{path}{_field(condition.field)}={_operation(condition, values, nested=False)}"
        elif (found := _find(path, condition.children, slot, values)) is not None:
            return found
    return None


def _parameters(parsed: Parsed) -> Iterator[tuple[str, str]]:
    query, values = parsed.query, parsed.values
    if query.select != (Star(),):
        yield "select", _selections(query.select)
    yield from _where("", query.where, values)
    if query.order:
        yield "order", ",".join(map(_order, query.order))
    yield from _embeds("", query.select, values)
    if parsed.limit is not None:
        yield "limit", str(parsed.limit)
    if parsed.offset:
        yield "offset", str(parsed.offset)
    if query.columns is not None:
        yield "columns", ",".join(map(_name, query.columns))
    if query.on_conflict is not None:
        yield "on_conflict", ",".join(map(_name, query.on_conflict))
    if parsed.subscribe is not None:
        yield "subscribe", parsed.subscribe
    for name, value in parsed.arguments:
        yield _name(name), value


def _embeds(path: str, select: Iterable[Selection], values: list[str]) -> Iterator[tuple[str, str]]:
    for item in select:
        if not isinstance(item, Embed):
            continue
        inner = f"{path}{_name(item.key)}."
        yield from _where(inner, item.where, values)
        if item.order:
            yield f"{inner}order", ",".join(map(_order, item.order))
        if item.limit is not None:
            yield f"{inner}limit", values[item.limit]
        if item.offset is not None:
            yield f"{inner}offset", values[item.offset]
        yield from _embeds(inner, item.select, values)


def _where(path: str, conditions: Iterable[Condition], values: list[str]) -> Iterator[tuple[str, str]]:
    for condition in conditions:
        if isinstance(condition, Filter):
            yield path + _field(condition.field), _operation(condition, values, nested=False)
        else:
            key = f"{path}{'not.' if condition.negated else ''}{condition.connective}"
            yield key, _group(condition.children, values)


def _selections(select: Iterable[Selection]) -> str:
    return ",".join(map(_selection, select))


def _selection(item: Selection) -> str:
    if isinstance(item, Star):
        return "*"
    alias = "" if item.alias is None else f"{_name(item.alias)}:"
    if isinstance(item, Count):
        return f"{alias}count(){_cast(item.cast)}"
    if isinstance(item, Item):
        aggregated = "" if item.aggregate is None else f".{item.aggregate}(){_cast(item.aggregate_cast)}"
        return alias + _field(item.field) + _cast(item.cast) + aggregated
    # Bare, `count()` would be the aggregate.
    name = _quoted(item.name) if item.name == "count" else _name(item.name)
    hint = "" if item.hint is None else f"!{_name(item.hint)}"
    join = "" if item.join is None else f"!{item.join}"
    return f"{'...' if item.spread else alias}{name}{hint}{join}({_selections(item.select)})"


def _cast(cast: str | None) -> str:
    return "" if cast is None else f"::{cast}"


def _order(order: Order) -> str:
    field = _field(order.field) if order.embed is None else f"{_name(order.embed)}({_field(order.field)})"
    return field + _DIRECTIONS[order.descending] + ("" if order.nulls is None else f".nulls{order.nulls}")


def _condition(condition: Condition, values: list[str]) -> str:
    if isinstance(condition, Filter):
        return f"{_field(condition.field)}.{_operation(condition, values, nested=True)}"
    return f"{'not.' if condition.negated else ''}{condition.connective}{_group(condition.children, values)}"


def _group(children: Iterable[Condition], values: list[str]) -> str:
    return "(" + ",".join(_condition(child, values) for child in children) + ")"


def _operation(found: Filter, values: list[str], *, nested: bool) -> str:
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
        head += f"({_name(values[found.config])})"
    return f"{head}.{_quoted(value) if nested else value}"


def _field(field: Field) -> str:
    steps = (
        ("->>" if step.as_text else "->") + (_key(step.key) if isinstance(step, JsonKey) else str(step.index))
        for step in field.path
    )
    return _name(field.name) + "".join(steps)


def _key(key: str) -> str:
    return key if _PLAIN.match(key) else _quoted(key)


def _name(name: str) -> str:
    return name if _PLAIN.match(name) and name not in _WORDS else _quoted(name)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
