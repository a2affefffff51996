"""A query tree with its names resolved: one level for the relation asked for and one for each embed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from reactor_data.catalog.model import Relation, Relationship, Schema
from reactor_data.catalog.relationships import find_relationship
from reactor_data.query.aggregates import as_count, check_allowed
from reactor_data.query.ast import Condition, Count, Embed, Item, Order, Selection, Star
from reactor_data.query.expressions import Scope


class Rules(msgspec.Struct, frozen=True):
    """What the configuration allows: rows of a to-many embed, and whether aggregates are asked for."""

    max_limit: int = 1000
    aggregates: bool = False


_ANYTHING = Rules(aggregates=True)


class Level(msgspec.Struct):
    """The rows of one relation: what is shown of them and which they are. `limit` and `offset` are slots."""

    scope: Scope
    select: tuple[Star | Item | Count | Child, ...]
    where: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None

    @property
    def children(self) -> list[Child]:
        """The embeds."""
        return [item for item in self.select if isinstance(item, Child)]

    def child(self, key: str) -> Child | None:
        """Return the embed of that key."""
        return next((child for child in self.children if child.embed.key == key), None)


class Child(msgspec.Struct):
    """An embed in the rows of `parent`. `number` is its own within the statement."""

    embed: Embed
    relationship: Relationship
    parent: Scope
    level: Level
    number: int

    @property
    def inner(self) -> bool:
        """Tell whether the parents without it are left out."""
        return self.embed.join == "inner"

    @property
    def empty(self) -> bool:
        """Tell whether nothing of it is shown."""
        return all(isinstance(item, Child) and item.empty for item in self.level.select)

    @property
    def spread_to_one(self) -> bool:
        """Tell whether its fields become fields of the parent."""
        return self.embed.spread and self.relationship.to_one


def resolve(
    schema: Schema,
    relation: Relation,
    select: Iterable[Selection],
    rules: Rules,
    *,
    where: tuple[Condition, ...] = (),
    order: tuple[Order, ...] = (),
    alias: str = '"r"',
    derived: bool = False,
) -> Level:
    """Resolve a query on a relation, whose rows have the quoted `alias`.

    Raises:
        DataError: 400 `embed_not_found`, 300 `ambiguous_embed`, 400 for aggregates that are not allowed.
    """
    return _Resolver(schema, rules).level(
        Level(Scope(schema, relation, alias, derived), (), where, order), tuple(select)
    )


def embedded(schema: Schema, relation: Relation, select: Iterable[Selection]) -> set[str]:
    """Return the names of the relations that a selection on a relation embeds, however deep.

    Raises:
        DataError: as `resolve`.
    """
    return {child.level.scope.relation.name for child in _descendants(resolve(schema, relation, select, _ANYTHING))}


def _descendants(level: Level) -> Iterator[Child]:
    for child in level.children:
        yield child
        yield from _descendants(child.level)


class _Resolver:
    def __init__(self, schema: Schema, rules: Rules) -> None:
        self._schema = schema
        self._rules = rules
        self._count = 0

    def level(self, level: Level, select: tuple[Selection, ...], *, spread: bool = False) -> Level:
        scope = level.scope
        items: list[Star | Item | Count | Child] = []
        for item in select:
            if isinstance(item, Embed):
                items.append(self._child(scope, item))
                continue
            meant = as_count(scope, item)
            # The bare `count` of old, where it is all there is, is allowed whatever the configuration says of aggregates.
            if meant is item or spread or len(select) > 1:
                check_allowed(meant, self._rules.aggregates)
            items.append(meant)
        level.select = tuple(items)
        return level

    def _child(self, parent: Scope, embed: Embed) -> Child:
        relationship = find_relationship(self._schema, parent.relation, embed.name, embed.hint)
        self._count += 1
        number = self._count
        scope = Scope(self._schema, self._schema.relations[relationship.target], f'"t{number}"')
        level = Level(scope, (), embed.where, embed.order, embed.limit, embed.offset)
        return Child(embed, relationship, parent, self.level(level, embed.select, spread=embed.spread), number)
