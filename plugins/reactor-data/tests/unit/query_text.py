"""Writing a parsed query as the query string that parses to it: the inverse of `parse_query`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote as percent

from reactor_data.query.ast import Condition, Count, Embed, Filter, Item, Order, Parsed, Selection, Star
from reactor_data.query.operators import OPERATORS, Family
from reactor_data.query.printer import bare_name, field_path, operation, quoted

_DIRECTIONS = {None: "", True: ".desc", False: ".asc"}


def print_query(parsed: Parsed) -> str:
    """Return the raw query string of what was parsed, percent-encoded.

    Slots are numbered anew in the order of the text: where those of `parsed` are in another, so is what is parsed from it.
    """
    return "&".join(f"{percent(key, safe='')}={percent(value, safe='')}" for key, value in _parameters(parsed))


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
        yield "columns", ",".join(map(bare_name, query.columns))
    if query.on_conflict is not None:
        yield "on_conflict", ",".join(map(bare_name, query.on_conflict))
    if parsed.subscribe is not None:
        yield "subscribe", parsed.subscribe
    for name, value in parsed.arguments:
        yield bare_name(name), value


def _embeds(path: str, select: Iterable[Selection], values: list[str]) -> Iterator[tuple[str, str]]:
    for item in select:
        if not isinstance(item, Embed):
            continue
        inner = f"{path}{bare_name(item.key)}."
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
            yield path + field_path(condition.field), operation(condition, values)
        else:
            key = f"{path}{'not.' if condition.negated else ''}{condition.connective}"
            yield key, _group(condition.children, values)


def _selections(select: Iterable[Selection]) -> str:
    return ",".join(map(_selection, select))


def _selection(item: Selection) -> str:
    if isinstance(item, Star):
        return "*"
    alias = "" if item.alias is None else f"{bare_name(item.alias)}:"
    if isinstance(item, Count):
        return f"{alias}count(){_cast(item.cast)}"
    if isinstance(item, Item):
        aggregated = "" if item.aggregate is None else f".{item.aggregate}(){_cast(item.aggregate_cast)}"
        return alias + field_path(item.field) + _cast(item.cast) + aggregated
    # Bare, `count()` would be the aggregate.
    name = quoted(item.name) if item.name == "count" else bare_name(item.name)
    hint = "" if item.hint is None else f"!{bare_name(item.hint)}"
    join = "" if item.join is None else f"!{item.join}"
    return f"{'...' if item.spread else alias}{name}{hint}{join}({_selections(item.select)})"


def _cast(cast: str | None) -> str:
    return "" if cast is None else f"::{cast}"


def _order(order: Order) -> str:
    field = field_path(order.field) if order.embed is None else f"{bare_name(order.embed)}({field_path(order.field)})"
    return field + _DIRECTIONS[order.descending] + ("" if order.nulls is None else f".nulls{order.nulls}")


def _condition(condition: Condition, values: list[str]) -> str:
    if isinstance(condition, Filter):
        return f"{field_path(condition.field)}.{_nested(condition, values)}"
    return f"{'not.' if condition.negated else ''}{condition.connective}{_group(condition.children, values)}"


def _group(children: Iterable[Condition], values: list[str]) -> str:
    return "(" + ",".join(_condition(child, values) for child in children) + ")"


def _nested(found: Filter, values: list[str]) -> str:
    """Return the operation of a filter among others, where its value is quoted; the items of a list are so already."""
    if found.slot is None or OPERATORS[found.operator].family is Family.LIST:
        return operation(found, values)
    here = list(values)
    here[found.slot] = quoted(values[found.slot])
    return operation(found, here)
