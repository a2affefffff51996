"""Turn one value as it was written into the type its key declares."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from reactor_kernel.config import env, schema
from reactor_kernel.config.nodes import Array, Node, Scalar, Table, Text

NUMBER_LIMIT = 1 << 63


class Mismatch(Exception):
    """A value is not what its key declares; the message is the reason, `quoted` the value as shown to people."""

    def __init__(self, reason: str, quoted: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.quoted = quoted


def scalar(value: object, declared: Any, metadata: Mapping[str, Any], root: Path) -> object:
    """Return `value` as the declared scalar type, checked against the key's restrictions.

    `value` is a TOML value, or `Text` that takes the declared type. Raises Mismatch.
    """
    parse = metadata.get("parse")
    if parse is not None:
        return _parsed(value, parse)
    members = schema.members(declared)
    # Text fits a string always, so the other members of a union are tried before it.
    for member in sorted(members, key=lambda kind: kind is str):
        try:
            found = _as_member(value, member, root)
        except _NotThis:
            continue
        _restrict(found, metadata)
        return found
    raise Mismatch(f"must be {schema.describe(declared)}", show(value))


def infer(value: object) -> object:
    """Return text as what it looks like; anything else as it is."""
    if not isinstance(value, Text):
        return value
    if not value.quotable:  # what a reference led to is a string, digits or not
        return value.raw
    for reader in (env.as_bool, env.as_int, env.as_float):
        found = reader(value.raw)
        if found is not None:
            return found
    return env.as_string(value)


def plain_text(node: Node) -> str | None:
    """Return a scalar's text as it would be bound to a string key; None where it is no text."""
    if not isinstance(node, Scalar):
        return None
    value = env.as_string(node.value) if isinstance(node.value, Text) else node.value
    return value if isinstance(value, str) else None


def expanded(node: Node, to_list: bool, to_table: bool) -> Node:
    """Return text that is written as a list or a table as that."""
    if not (isinstance(node, Scalar) and isinstance(node.value, Text)):
        return node
    if to_list and env.looks_like_list(node.value.raw):
        return Array(tuple(Scalar(item, node.origin) for item in read_list(node.value)), node.origin)
    if to_table and env.looks_like_table(node.value.raw):
        entries = read_table(node.value)
        return Table(node.origin, {key: Scalar(item, node.origin) for key, item in entries.items()})
    return node


def read_list(text: Text) -> list[Text]:
    """Read text as a list. Raises Mismatch."""
    try:
        return env.split_list(text)
    except ValueError as error:
        raise Mismatch(f"must be a list written as [a, b]: {error}") from None


def read_table(text: Text) -> dict[str, Text]:
    """Read text as a table. Raises Mismatch."""
    try:
        return env.split_table(text)
    except ValueError as error:
        raise Mismatch(f"must be a table written as {{k=v}}: {error}") from None


def written_form(expected: str) -> str:
    """Say how a list or a table is written in a variable."""
    return " written as {k=v}" if expected.startswith("a table") else " written as [a, b]"


def show(value: object) -> str:
    """Write a value as a message quotes it."""
    if isinstance(value, Text):
        value = value.raw
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value if len(value) <= 80 else value[:77] + "..."
        return (
            '"' + text.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"' if _odd(text) else f'"{text}"'
        )
    if isinstance(value, int) and abs(value) >= NUMBER_LIMIT:
        return "a larger number"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, Mapping):
        return "a table"
    return str(value)


def _odd(text: str) -> bool:
    return not text.isprintable()


class _NotThis(Exception):
    """The value is not of this member of the declared type."""


def _parsed(value: object, parse: Any) -> object:
    if isinstance(value, Text):
        value = env.as_string(value)
    if not isinstance(value, str):
        raise Mismatch("must be a string", show(value))
    try:
        return parse(value)
    except ValueError as error:
        reason = str(error)
        raise Mismatch(reason, show(value) if reason.startswith("must be ") else None) from None


def _as_member(value: object, member: Any, root: Path) -> object:
    if typing.get_origin(member) is Literal:
        return _as_literal(value, typing.get_args(member), root)
    if member in (Any, object):
        return infer(value)
    if member not in schema.SCALARS:
        raise _NotThis
    readers = {bool: _as_bool, int: _as_int, float: _as_float, str: _as_str}
    if member is Path:
        text = _as_str(value)
        if not text:
            raise Mismatch("must not be empty")
        if "\0" in text:
            raise Mismatch("must not hold a NUL character")
        return root / text
    return readers[member](value)


def _as_literal(value: object, choices: tuple[object, ...], root: Path) -> object:
    for choice in choices:
        try:
            found = _as_member(value, type(choice), root)
        except _NotThis:
            continue
        if found == choice and type(found) is type(choice):
            return choice
    raise _NotThis


def _as_bool(value: object) -> bool:
    found = env.as_bool(value.raw) if isinstance(value, Text) else value
    if not isinstance(found, bool):
        raise _NotThis
    return found


def _as_int(value: object) -> int:
    found = env.as_int(value.raw) if isinstance(value, Text) else value
    if not isinstance(found, int) or isinstance(found, bool):
        raise _NotThis
    if not -NUMBER_LIMIT <= found < NUMBER_LIMIT:
        raise Mismatch("must fit into 64 bits")
    return found


def _as_float(value: object) -> float:
    found = env.as_float(value.raw) if isinstance(value, Text) else value
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) < NUMBER_LIMIT:
        found = float(found)
    if not isinstance(found, float):
        raise _NotThis
    if not math.isfinite(found):
        raise Mismatch("must be a finite number")
    return found


def _as_str(value: object) -> str:
    found = env.as_string(value) if isinstance(value, Text) else value
    if not isinstance(found, str):
        raise _NotThis
    return found


def _restrict(value: object, metadata: Mapping[str, Any]) -> None:
    choices, pattern = metadata.get("choices"), metadata.get("pattern")
    least, most = metadata.get("min"), metadata.get("max")
    if choices is not None and value not in choices:
        raise Mismatch(f"must be {schema.one_of(tuple(choices))}", show(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        if least is not None and value < least:
            raise Mismatch(f"must be at least {least}", show(value))
        if most is not None and value > most:
            raise Mismatch(f"must be at most {most}", show(value))
    if pattern is not None and isinstance(value, str) and not schema.pattern_matches(pattern, value):
        raise Mismatch(f"must match {pattern}", show(value))
