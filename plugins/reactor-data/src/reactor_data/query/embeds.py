"""The rows of a level, with its embeds in them, as one SELECT.

What was measured (1 million parents, 100 or 1,000 rows a page): an embed is a scalar subquery in the select list, since that
is evaluated after ORDER BY and LIMIT, for the rows of the page only; a lateral join is evaluated before, for every parent.
Inner embeds and tests for null are EXISTS, which becomes a semi or an anti join. Only a spread embed, which gives
several columns, and an embed that orders its parents are joined.
"""

from __future__ import annotations

from typing import TypeGuard

from reactor_data.errors import DataError, not_embedded
from reactor_data.query.aggregates import Output, check_spread, group_by
from reactor_data.query.ast import Count, Field, Item, Order, Star
from reactor_data.query.expressions import field_value, known_type, output_name, shown_value
from reactor_data.query.joins import Making, page_sql, source_sql, where_sql
from reactor_data.query.levels import Child, Level


class Select:
    """The SELECT of one level.

    `grouped` says that the values are grouped by, here or in a parent that they are spread into: json, which has no
    equality, is then jsonb.
    """

    def __init__(self, making: Making, level: Level, *, spread: bool = False, grouped: bool = False) -> None:
        self._making = making
        self._level = level
        self._spread = spread
        self._grouped = grouped or (not spread and _aggregated(level))
        self._joins: list[str] = []
        self._joined_inner: set[int] = set()
        # What orders may name of each spread embed: the columns it gives.
        self._spread_columns: dict[int, dict[Field, str]] = {}
        self.outputs = [output for item in level.select for output in self._outputs(item)]

    @property
    def names(self) -> list[str]:
        """The columns of the answer in their order."""
        every = [column.name for column in self._level.scope.relation.columns]
        return [name for one in self.outputs for name in (every if one.name is None else [one.name])]

    def sql(self, source: str, page: str, *, child: Child | None = None, columns: str | None = None) -> str:
        """Return the statement. `columns` is the select list where it is not the outputs under their names."""
        listed = ", ".join(output.select_sql for output in self.outputs) if columns is None else columns
        order = self._order()
        where = where_sql(self._making, self._level, child=child, joined=self._joined_inner)
        group = "" if self._spread else group_by(self.outputs)
        blank = " " if listed else ""
        return f"select{blank}{listed} from {source}{''.join(self._joins)}{where}{group}{order}{page}"

    def _outputs(self, item: Star | Item | Count | Child) -> list[Output]:
        scope = self._level.scope
        if isinstance(item, Star):
            columns = scope.relation.columns
            if not (self._grouped or self._spread or any(column.to_json for column in columns)):
                return [Output(None, f"{scope.alias}.*")]
            return [Output(one.name, self._shown(Item(Field(one.name)))) for one in columns]
        if isinstance(item, Item):
            cast = None if item.aggregate_cast is None else known_type(scope.schema, item.aggregate_cast)
            return [Output(output_name(item), self._shown(item), item.aggregate, cast)]
        if isinstance(item, Count):
            cast = None if item.cast is None else known_type(scope.schema, item.cast)
            # Spread into the parent, it counts the parents that have the row.
            return [Output(item.alias or "count", "true" if self._spread else "*", "count", cast)]
        if item.embed.spread:
            return self._spread_to_one(item) if item.relationship.to_one else self._spread_to_many(item)
        return [] if item.empty else [Output(item.embed.key, self._embedded(item))]

    def _embedded(self, child: Child) -> str:
        """Return an embed as one JSON value."""
        alias = f'"e{child.number}"'
        select = Select(self._making, child.level)
        if child.relationship.to_one:
            rows = select.sql(source_sql(child), page_sql(self._making, child.level, 1), child=child)
            return f"(select {'to_jsonb' if self._grouped else 'row_to_json'}({alias}.*) from ({rows}) as {alias})"
        page = page_sql(self._making, child.level, self._making.rules.max_limit)
        rows = select.sql(source_sql(child), page, child=child)
        aggregate = "jsonb_agg" if self._grouped else "json_agg"
        return f"(select coalesce({aggregate}({alias}.*), '[]') from ({rows}) as {alias})"

    def _spread_to_one(self, child: Child) -> list[Output]:
        alias = f'"e{child.number}"'
        select = Select(self._making, child.level, spread=True, grouped=self._grouped)
        self._join(child, alias, select.sql(source_sql(child), self._row(child), child=child, columns=select.numbered))
        found = [
            Output(one.name, f'{alias}."c{place}"', one.aggregate, one.cast) for place, one in enumerate(select.outputs)
        ]
        self._spread_columns[child.number] = self._orderable(child, found)
        return found

    def _orderable(self, child: Child, outputs: list[Output]) -> dict[Field, str]:
        """Return the columns of a spread embed that can order its parents, by their names and by the fields they show."""
        columns = {Field(one.name): one.sql for one in outputs if one.name is not None and one.aggregate is None}
        for item in child.level.select:
            if isinstance(item, Item) and item.aggregate is None and item.cast is None:
                shown = columns[Field(output_name(item))]
                columns.setdefault(item.field, shown)
        if not self._grouped:
            # A representation is json, which has no order.
            for column in child.level.scope.relation.columns:
                if column.to_json is not None:
                    columns = {field: sql for field, sql in columns.items() if field.name != column.name}
        return columns

    def _spread_to_many(self, child: Child) -> list[Output]:
        """Return one array a column, all in the same order."""
        rows, alias = f'"x{child.number}"', f'"e{child.number}"'
        select = Select(self._making, child.level, spread=True)
        check_spread(select.outputs)
        page = page_sql(self._making, child.level, self._making.rules.max_limit)
        inner = select.sql(source_sql(child), page, child=child, columns=select.numbered)
        aggregate = "jsonb_agg" if self._grouped else "json_agg"
        places = range(len(select.outputs))
        arrays = ", ".join(f'coalesce({aggregate}({rows}."c{place}"), \'[]\') as "c{place}"' for place in places)
        if arrays:
            self._joins.append(f" left join lateral (select {arrays} from ({inner}) as {rows}) as {alias} on true")
        return [Output(one.name, f'{alias}."c{place}"') for place, one in enumerate(select.outputs)]

    @property
    def numbered(self) -> str:
        """The outputs as a select list for a parent to spread, named by their places; aggregates are left to it."""
        return ", ".join(f'{output.sql} as "c{place}"' for place, output in enumerate(self.outputs))

    def _row(self, child: Child) -> str:
        """Return the limit of a joined to-one embed. Keys see to it that there is one row; a function may give more."""
        return page_sql(self._making, child.level, None if child.relationship.function is None else 1)

    def _join(self, child: Child, alias: str, rows: str) -> None:
        if child.inner:
            self._joined_inner.add(child.number)
        self._joins.append(f"{' join' if child.inner else ' left join'} lateral ({rows}) as {alias} on true")

    def _shown(self, item: Item) -> str:
        scope = self._level.scope
        sql = shown_value(scope, item)
        if not self._grouped or item.cast is not None or item.aggregate is not None:
            return sql
        value = field_value(scope, Field(item.field.name)).column
        as_text = bool(item.field.path) and item.field.path[-1].as_text
        json = value is not None and (value.base == "json" or (value.to_json is not None and not item.field.path))
        return f"({sql})::jsonb" if json and not as_text else sql

    def _order(self) -> str:
        """Return `order by …`, or nothing, having joined what it needs."""
        terms: list[str] = []
        wanted: dict[int, tuple[Child, list[str]]] = {}
        for order in self._level.order:
            if order.embed is None:
                term = field_value(self._level.scope, order.field).sql
            else:
                term = self._embed_term(order.embed, order, wanted)
            if order.descending is not None:
                term += " desc" if order.descending else " asc"
            if order.nulls is not None:
                term += f" nulls {order.nulls}"
            terms.append(term)
        for number, (child, values) in wanted.items():
            columns = ", ".join(f'{value} as "k{place}"' for place, value in enumerate(values))
            where = where_sql(self._making, child.level, child=child)
            self._join(child, f'"o{number}"', f"select {columns} from {source_sql(child)}{where}{self._row(child)}")
        return f" order by {', '.join(terms)}" if terms else ""

    def _embed_term(self, key: str, order: Order, wanted: dict[int, tuple[Child, list[str]]]) -> str:
        child = self._level.child(key)
        if child is None:
            raise not_embedded(key)
        if not child.relationship.to_one:
            raise _order_not_to_one(child)
        spread = self._spread_columns.get(child.number, {}).get(order.field)
        if spread is not None:
            return spread
        shown = next((item.field for item in child.level.select if _is_called(item, order.field)), order.field)
        _, values = wanted.setdefault(child.number, (child, []))
        values.append(field_value(child.level.scope, shown).sql)
        return f'"o{child.number}"."k{len(values) - 1}"'


def _aggregated(level: Level) -> bool:
    """Tell whether a level has aggregates of its own or from an embed that is spread into it."""
    return any(
        isinstance(item, Count)
        or (isinstance(item, Item) and item.aggregate is not None)
        or (isinstance(item, Child) and item.spread_to_one and _aggregated(item.level))
        for item in level.select
    )


def _is_called(item: object, field: Field) -> TypeGuard[Item]:
    return isinstance(item, Item) and item.aggregate is None and Field(item.alias or "") == field


def _order_not_to_one(child: Child) -> DataError:
    name = child.embed.key
    return DataError(
        400,
        "invalid_query",
        f"A related order on '{name}' is not possible",
        pgrst="PGRST118",
        detail=f"'{child.parent.relation.name}' and '{name}' do not form a many-to-one or one-to-one relationship",
        details={"embed": name},
    )
