"""Aggregates in `select`: what they are allowed to be, how they are written, and what the rest is grouped by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reactor_data.errors import DataError
from reactor_data.query.ast import Count, Item, Star
from reactor_data.query.expressions import Scope, known_field
from reactor_data.sql.native import quote


class Output(NamedTuple):
    """A column of an answer: its name and its value, to which `aggregate` and then `cast`, a type, are still to be applied.

    All columns of a relation are one output without a name.
    """

    name: str | None
    sql: str
    aggregate: str | None = None
    cast: str | None = None

    @property
    def select_sql(self) -> str:
        """The item of the select list."""
        sql = self.sql if self.aggregate is None else f"{self.aggregate}({self.sql})"
        if self.cast is not None:
            sql = f"cast({sql} as {self.cast})"
        return sql if self.name is None else f"{sql} as {quote(self.name)}"


def as_count(scope: Scope, item: Star | Item | Count) -> Star | Item | Count:
    """Return `count()` for the bare `count` of old, which no column is named."""
    if isinstance(item, Item) and item.field.name == "count" and not item.field.path and item.aggregate is None:
        return item if known_field(scope, "count") else Count(item.alias, item.cast)
    return item


def check_allowed(item: Star | Item | Count, allowed: bool) -> None:
    """Refuse an aggregate with 400 PGRST123 unless `[data] aggregates_enabled`."""
    if not allowed and (isinstance(item, Count) or (isinstance(item, Item) and item.aggregate is not None)):
        raise DataError(
            400,
            "aggregates_disabled",
            "Use of aggregate functions is not allowed",
            pgrst="PGRST123",
            hint="They are allowed by [data] aggregates_enabled = true.",
        )


def check_spread(outputs: Sequence[Output]) -> None:
    """Refuse aggregates in a to-many spread, whose columns are arrays already."""
    if any(output.aggregate is not None for output in outputs):
        raise DataError(
            400,
            "invalid_query",
            "Feature not implemented",
            pgrst="PGRST127",
            detail="Aggregates are not implemented for one-to-many or many-to-many spreads.",
            hint="Embed without '...', or spread from the other side of the relationship.",
        )


def group_by(outputs: Sequence[Output]) -> str:
    """Return `group by …` over what is no aggregate, by position; nothing where there is no aggregate or nothing else."""
    plain = [str(place) for place, output in enumerate(outputs, 1) if output.aggregate is None]
    return f" group by {', '.join(plain)}" if plain and len(plain) < len(outputs) else ""
