"""Configuration before it is bound: values with the place each came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Source = Literal["flag", "env", "file", "default"]
Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_STEP = re.compile(r'"((?:[^"\\]|\\.)*)"|\[(\d+)\]|([^.\[\]"]+)')


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from; `where` is a place a person can open: `Reactor.toml:12`, `environment REACTOR_X`."""

    source: Source
    where: str | None = None


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Text:
    """Text whose type the declared key decides: the value of a variable, or what a reference led to.

    `quotable` text may be quoted to be taken as it is; what a reference led to never is, so that a secret that happens
    to begin with a quote keeps it.
    """

    raw: str = field(repr=False)
    quotable: bool = True


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: a TOML scalar, a flag's value, or `Text`."""

    value: object = field(repr=False)
    origin: Origin


@dataclass(frozen=True, slots=True)
class Array:
    """A list of values."""

    items: tuple[Node, ...]
    origin: Origin


@dataclass(slots=True)
class Table:
    """A table; `entries` is filled while layers are merged."""

    origin: Origin
    entries: dict[str, Node] = field(default_factory=dict)


Node = Scalar | Array | Table


def dotted(path: Sequence[str | int]) -> str:
    """Write a path as people do: `server.cors.allow_origins[1]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if _BARE.match(step) else '"' + step.replace("\\", "\\\\").replace('"', '\\"') + '"'
            text += f".{name}" if text else name
    return text


def split_dotted(text: str) -> Path:
    """Read a path written by `dotted`."""
    steps: list[str | int] = []
    for quoted, index, bare in _STEP.findall(text):
        if index:
            steps.append(int(index))
        else:
            steps.append(bare or re.sub(r"\\(.)", r"\1", quoted))
    return tuple(steps)


def from_plain(value: object, origin: Origin, lines: Mapping[Path, str] | None = None, path: Path = ()) -> Node:
    """Turn plain TOML data into nodes; `lines` gives the place of each path that has one of its own."""
    here = Origin(origin.source, lines[path]) if lines and path in lines else origin
    if isinstance(value, Mapping):
        return Table(here, {key: from_plain(item, here, lines, (*path, key)) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return Array(tuple(from_plain(item, here, lines, (*path, i)) for i, item in enumerate(value)), here)
    return Scalar(value, here)


def place(table: Table, path: Sequence[str], node: Node) -> None:
    """Set the value at `path`, making the tables on the way."""
    for step in path[:-1]:
        inner = table.entries.get(step)
        if not isinstance(inner, Table):
            inner = table.entries[step] = Table(node.origin)
        table = inner
    table.entries[path[-1]] = node


def find(node: Node, path: Sequence[str | int]) -> Node | None:
    """Return the node at `path`, or None."""
    for step in path:
        if isinstance(node, Table) and isinstance(step, str) and step in node.entries:
            node = node.entries[step]
        elif isinstance(node, Array) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            return None
    return node
