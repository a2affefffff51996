"""A parsed query string without its values.

The tree says what is asked, `Parsed.values` with what; two requests that differ only in values have equal trees, hence
the same SQL text. Nodes are frozen structs: hashing and comparing them is what finds a compiled plan.
"""

from __future__ import annotations

import msgspec


class JsonKey(msgspec.Struct, frozen=True, gc=False, tag=True):
    """`->key` or, as text, `->>key`."""

    key: str
    as_text: bool = False


class JsonIndex(msgspec.Struct, frozen=True, gc=False, tag=True):
    """`->0` or, as text, `->>0`; negative counts from the end."""

    index: int
    as_text: bool = False


JsonStep = JsonKey | JsonIndex


class Field(msgspec.Struct, frozen=True):
    """A column, perhaps with a path into it."""

    name: str
    path: tuple[JsonStep, ...] = ()


class Star(msgspec.Struct, frozen=True, gc=False, tag=True):
    """`*`: all columns."""


class Item(msgspec.Struct, frozen=True, tag=True):
    """One selected field: `alias:field::cast`, or aggregated, `alias:field::cast.sum()::aggregate_cast`.

    The bare `count` of old is a field of that name; where the relation has no such column it is meant as `count()`.
    """

    field: Field
    alias: str | None = None
    cast: str | None = None
    aggregate: str | None = None
    aggregate_cast: str | None = None


class Count(msgspec.Struct, frozen=True, tag=True):
    """`count()`: the number of rows."""

    alias: str | None = None
    cast: str | None = None


class Embed(msgspec.Struct, frozen=True, tag=True):
    """A related relation inside the answer: `alias:name!hint!inner(select)`, or with `...` spread into its parent.

    `join` is "inner", "left" or None. `where`, `order`, `limit` and `offset` come from the parameters that carry its name
    (`name.order=…`); `limit` and `offset` are slots in `Parsed.values`. An empty `select` gives no key in the answer.
    """

    name: str
    select: tuple[Selection, ...]
    alias: str | None = None
    hint: str | None = None
    join: str | None = None
    spread: bool = False
    where: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None

    @property
    def key(self) -> str:
        """The name by which the answer and other parameters know it."""
        return self.alias or self.name


Selection = Star | Item | Count | Embed


class Filter(msgspec.Struct, frozen=True, tag=True):
    """`field.operator.value`. `slot` is the value's index in `Parsed.values`; None where the keyword is the value.

    `config` is the slot of a full-text configuration, `quantifier` "any" or "all".
    """

    field: Field
    operator: str
    slot: int | None
    negated: bool = False
    quantifier: str | None = None
    config: int | None = None
    keyword: str | None = None


class Logic(msgspec.Struct, frozen=True, tag=True):
    """`and(…)` or `or(…)`."""

    connective: str
    children: tuple[Filter | Logic, ...]
    negated: bool = False


Condition = Filter | Logic


class Order(msgspec.Struct, frozen=True):
    """One term of `order`. None = Postgres' own default.

    `embed` is the key of the to-one embed, in the same select, whose field orders the parent.
    """

    field: Field
    descending: bool | None = None
    nulls: str | None = None
    embed: str | None = None


class Query(msgspec.Struct, frozen=True):
    """The tree of one query string."""

    select: tuple[Selection, ...] = (Star(),)
    where: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None


class Parsed(msgspec.Struct):
    """A query string: its tree, its values in slot order, and the page it asks for.

    `subscribe` is the value of `subscribe=`, which asks for events instead of rows. `arguments` are what is neither filter nor
    reserved: a function's arguments in their order, repeats kept, and beside `subscribe` those of the stream. `warnings` are
    sentences for the header `Warning`.
    """

    query: Query
    values: list[str]
    limit: int | None = None
    offset: int = 0
    subscribe: str | None = None
    arguments: list[tuple[str, str]] = []
    warnings: list[str] = []
