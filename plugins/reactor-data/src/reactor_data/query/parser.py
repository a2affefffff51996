"""Parsing a query string (contract data.md §4.1 and §4.2).

Knows no catalogue: whether `a=is.null` asks for a column or an embed, or whether `count` is a column, the compiler decides.
"""

from __future__ import annotations

from reactor_data.errors import invalid_filter, range_not_satisfiable
from reactor_data.query.ast import Condition, Order, Parsed, Query, Selection, Star
from reactor_data.query.attaching import Level, Targets
from reactor_data.query.conditions import is_operation, read_filter, read_tree
from reactor_data.query.cursor import INTEGER
from reactor_data.query.fields import Key, parse_key, parse_names, parse_order, parse_select
from reactor_data.query.text import pairs

DEFAULT_EMBED_DEPTH = 5
# Postgres takes 65,535 values with a statement; some are the statement's own.
MAX_VALUES = 65_000
_NOTHING = Query()
_ALL = (Star(),)
_BIGGEST = 2**63 - 1
# Parameters of a stream of events. Without an operator they are no filters, even where a column has that name.
_STREAM = ("event", "access_token", "last_event_id")


def parse_query(
    raw: str,
    *,
    max_embed_depth: int = DEFAULT_EMBED_DEPTH,
    legacy_target_names: bool = True,
    call: bool = False,
) -> Parsed:
    """Parse a raw query string.

    With `call`, for GET of a function, a parameter whose value does not start with an operator is an argument.
    `legacy_target_names` lets parameters name an embed that has an alias by its relation, with a warning.

    Raises:
        DataError: 400 `invalid_filter` with the place; 400 `invalid_query` for embeds that are nested too deep or named but
            not selected; 416 for a negative limit of an embed.
    """
    if not raw:
        return Parsed(_NOTHING, [])
    found = pairs(raw)
    parser = _Parser(call, "subscribe" in raw and any(key == "subscribe" for key, _ in found))
    for key, value in found:
        parser.parameter(key, value)
    if len(parser.values) > MAX_VALUES:
        raise invalid_filter(
            f"the query string has {len(parser.values)} values, more than {MAX_VALUES}",
            hint="The items of in.(…) and of an array literal are one value together.",
        )
    return parser.result(max_embed_depth, legacy_target_names)


class _Parser:
    """Gathers the parameters of one query string."""

    def __init__(self, call: bool, stream: bool) -> None:
        self.call = call
        self.stream = stream
        self.select: str | None = None
        self.names: dict[str, tuple[str, ...]] = {}
        self.where: list[Condition] = []
        self.order: tuple[Order, ...] = ()
        self.related = False
        self.levels: dict[tuple[str, ...], Level] = {}
        self.values: list[str] = []
        self.limit: int | None = None
        self.offset = 0
        self.subscribe: str | None = None
        self.arguments: list[tuple[str, str]] = []

    def result(self, max_embed_depth: int, legacy_target_names: bool) -> Parsed:
        select: tuple[Selection, ...] = _ALL if self.select is None else parse_select(self.select, max_embed_depth)
        order, names = self.order, self.names
        parsed = Parsed(_NOTHING, self.values, self.limit, self.offset, self.subscribe, self.arguments)
        if self.levels or self.related:
            targets = Targets(legacy=legacy_target_names)
            select = targets.attach(select, self.levels.items())
            order = targets.orders(select, order)
            parsed.warnings = [
                f"the embed {name} was addressed by its relation; this will end,"
                f" use its alias {alias} in filters, orders and limits"
                for name, alias in targets.replaced.items()
            ]
        parsed.query = Query(select, tuple(self.where), order, names.get("columns"), names.get("on_conflict"))
        return parsed

    def parameter(self, key: str, value: str) -> None:
        """Take one parameter. Of `select` and its like the first counts, of limits the last, orders follow one another."""
        if key == "select":
            if self.select is None:
                self.select = value
        elif key == "order":
            for term in (terms := parse_order(value)):
                self.related |= term.embed is not None
            self.order += terms
        elif key == "limit":
            self.limit = _number(value, self.limit)
        elif key == "offset":
            self.offset = max(_number(value, self.offset) or 0, 0)
        elif key == "columns" or key == "on_conflict":
            if key not in self.names:
                self.names[key] = parse_names(value, key)
        elif key == "subscribe":
            self.subscribe = value
        elif self.call and not is_operation(value) and (name := _argument(key)) is not None:
            self.arguments.append((name, value))
        elif self.stream and key in _STREAM and not is_operation(value):
            self.arguments.append((key, value))
        else:
            self._addressed(parse_key(key), value)

    def _addressed(self, key: Key, value: str) -> None:
        """Take a filter, or another parameter that an embed may have too."""
        if key.kind == "filter":
            self._where(key.path).append(read_filter(value, key.field, self.values))
        elif key.kind == "and" or key.kind == "or":
            self._where(key.path).append(read_tree(value, key.kind, key.negated, self.values))
        elif not key.path:
            # With blanks around it.
            self.parameter(key.kind, value)
        elif key.kind == "order":
            self._level(key.path).order += parse_order(value)
        else:
            self._page(self._level(key.path), key, value)

    def _page(self, level: Level, key: Key, value: str) -> None:
        number = _number(value, None)
        if number is None:
            return
        if key.kind == "offset":
            level.offset = self._slot(str(max(number, 0)))
        elif number < 0:
            raise range_not_satisfiable("Limit should be greater than or equal to zero.")
        else:
            level.limit = self._slot(str(number))

    def _where(self, path: tuple[str, ...]) -> list[Condition]:
        return self._level(path).where if path else self.where

    def _level(self, path: tuple[str, ...]) -> Level:
        level = self.levels.get(path)
        if level is None:
            level = self.levels[path] = Level()
        return level

    def _slot(self, value: str) -> int:
        self.values.append(value)
        return len(self.values) - 1


def _argument(key: str) -> str | None:
    """Return the name of a function's argument, or None for a key that is reserved."""
    found = parse_key(key)
    if found.kind != "filter":
        return None
    return key if found.path or found.field.path else found.field.name


def _number(text: str, otherwise: int | None) -> int | None:
    """Read limit or offset; what cannot be read is ignored."""
    text = text.strip(" ")
    if not INTEGER.fullmatch(text) or not text.isascii():
        return otherwise
    return max(-1, min(int(text[:20]), _BIGGEST))
