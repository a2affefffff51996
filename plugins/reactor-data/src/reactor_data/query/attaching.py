"""Handing the parameters that carry the path of an embed to the embed that they mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from reactor_data.errors import not_embedded
from reactor_data.query.ast import Condition, Embed, Order, Selection


class Level:
    """What the parameters of one path say. `limit` and `offset` are slots."""

    __slots__ = ("limit", "offset", "order", "where")

    def __init__(self) -> None:
        self.where: list[Condition] = []
        self.order: list[Order] = []
        self.limit: int | None = None
        self.offset: int | None = None


class Targets:
    """Finds embeds by the names that parameters use.

    `legacy` admits the relation's own name for an embed that has an alias; `replaced` then maps each such name to the alias.
    """

    def __init__(self, *, legacy: bool) -> None:
        self.replaced: dict[str, str] = {}
        self._legacy = legacy

    def index(self, select: Sequence[Selection], name: str) -> int:
        """Return where in `select` the embed `name` is.

        Raises:
            DataError: 400 PGRST108 where it is not.
        """
        for index, item in enumerate(select):
            if isinstance(item, Embed) and item.key == name:
                return index
        for index, item in enumerate(select):
            if isinstance(item, Embed) and item.name == name:
                if not self._legacy:
                    raise not_embedded(name, f"Use its alias '{item.alias}' instead of '{name}'.")
                self.replaced[name] = item.key
                return index
        raise not_embedded(name)

    def orders(self, select: Sequence[Selection], orders: Iterable[Order]) -> tuple[Order, ...]:
        """Return the terms with the key of the embed where they name one."""
        return tuple(
            order
            if order.embed is None
            else msgspec.structs.replace(order, embed=_key(select[self.index(select, order.embed)]))
            for order in orders
        )

    def attach(
        self, select: Sequence[Selection], levels: Iterable[tuple[tuple[str, ...], Level]]
    ) -> tuple[Selection, ...]:
        """Return the selection with each level's parameters on the embed its path leads to."""
        found: dict[int, list[tuple[tuple[str, ...], Level]]] = {}
        for path, level in levels:
            found.setdefault(self.index(select, path[0]), []).append((path[1:], level))
        attached = list(select)
        for index, inner in found.items():
            embed = attached[index]
            assert isinstance(embed, Embed)
            attached[index] = self._on(embed, inner)
        return tuple(attached)

    def _on(self, embed: Embed, inner: list[tuple[tuple[str, ...], Level]]) -> Embed:
        deeper = [(rest, level) for rest, level in inner if rest]
        # More than one where alias and legacy name are both used.
        own = [level for rest, level in inner if not rest]
        limits = [level.limit for level in own if level.limit is not None]
        offsets = [level.offset for level in own if level.offset is not None]
        return msgspec.structs.replace(
            embed,
            select=self.attach(embed.select, deeper) if deeper else embed.select,
            where=tuple(condition for level in own for condition in level.where),
            order=self.orders(embed.select, (order for level in own for order in level.order)),
            limit=limits[-1] if limits else None,
            offset=offsets[-1] if offsets else None,
        )


def _key(item: Selection) -> str:
    assert isinstance(item, Embed)
    return item.key
