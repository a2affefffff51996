"""How the rows of an embed are found from a row of its parent, and whether there are any."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reactor_data.query.ast import Condition, Item, Star
from reactor_data.query.expressions import Parameters, field_value
from reactor_data.query.filtering import condition_sql
from reactor_data.query.levels import Child, Level, Rules
from reactor_data.sql.native import quote


class Making:
    """One statement in the making: its parameters, and what every part of it obeys."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.parameters = Parameters()


def source_sql(child: Child) -> str:
    """Return the FROM item of an embed's rows."""
    relationship, alias = child.relationship, child.level.scope.alias
    if relationship.function is not None:
        return f"{relationship.function}({child.parent.row}) as {alias}"
    found = f"{child.level.scope.relation.sql} as {alias}"
    if relationship.junction is None:
        return found
    junction = f'"j{child.number}"'
    pairs = relationship.junction.target_columns
    on = " and ".join(f"{junction}.{quote(ours)} = {alias}.{quote(theirs)}" for ours, theirs in pairs)
    return f"{found} join {relationship.junction.sql} as {junction} on {on}"


def link_parts(child: Child) -> list[str]:
    """Return the conditions that tie an embed's rows to a row of its parent."""
    relationship, alias, parent = child.relationship, child.level.scope.alias, child.parent.alias
    if relationship.junction is None:
        # None of a computed relationship, whose function is given the parent's row.
        return [f"{alias}.{quote(theirs)} = {parent}.{quote(ours)}" for ours, theirs in relationship.columns]
    pairs = relationship.junction.source_columns
    return [f'"j{child.number}".{quote(theirs)} = {parent}.{quote(ours)}' for ours, theirs in pairs]


def where_sql(making: Making, level: Level, *, child: Child | None = None, joined: Collection[int] = ()) -> str:
    """Return `where …`, or nothing: the link of a child, the filters, and the inner embeds except those `joined`."""

    def presence(key: str) -> str | None:
        found = level.child(key)
        return None if found is None else present_sql(making, found)

    def sql(condition: Condition) -> str:
        return condition_sql(level.scope, condition, making.parameters, presence)

    parts = [] if child is None else link_parts(child)
    parts += [sql(condition) for condition in level.where]
    parts += [present_sql(making, one) for one in level.children if one.inner and one.number not in joined]
    return f" where {' and '.join(parts)}" if parts else ""


def present_sql(making: Making, child: Child) -> str:
    """Return the test whether an embed has a row."""
    level = child.level
    found = f"select from {source_sql(child)}{where_sql(making, level, child=child)}"
    if level.offset is not None:
        return f"exists ({found}{page_sql(making, level)})"
    if level.limit is None:
        return f"exists ({found})"
    # The planner makes a join only of what has no limit, and a limit matters only when it is 0.
    return f"(exists ({found}) and {making.parameters.number(level.limit)}::bigint > 0)"


def page_sql(making: Making, level: Level, most: int | None = None) -> str:
    """Return `limit … offset …` of an embed: what its parameters say, and never more than `most` rows."""
    limit = "" if most is None else f" limit {most}"
    if level.limit is not None:
        asked = f"{making.parameters.number(level.limit)}::bigint"
        limit = f" limit {asked}" if most is None else f" limit least({asked}, {most})"
    return limit if level.offset is None else f"{limit} offset {making.parameters.number(level.offset)}::bigint"


def needed_columns(level: Level) -> list[str] | None:
    """Return the columns that a level takes of its rows, for what it shows, how it orders them and its embeds.

    None means all, also where a function takes the whole row.
    """
    names: dict[str, None] = {}
    for name in _needed(level):
        if name is None:
            return None
        names[name] = None
    return list(names)


def _needed(level: Level) -> Iterator[str | None]:
    ordering = {order.embed for order in level.order}
    fields = [order.field for order in level.order if order.embed is None]
    for item in level.select:
        if isinstance(item, Star):
            yield None
        elif isinstance(item, Item):
            fields.append(item.field)
        elif isinstance(item, Child) and (item.inner or not item.empty or item.embed.key in ordering):
            relationship = item.relationship
            if relationship.function is not None:
                yield None
            pairs = relationship.columns if relationship.junction is None else relationship.junction.source_columns
            yield from (ours for ours, _ in pairs)
    for field in fields:
        # Raises where there is no such field.
        field_value(level.scope, field)
        yield field.name if field.name in level.scope.relation.by_name else None
