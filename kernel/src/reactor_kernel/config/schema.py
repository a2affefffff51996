"""What a section's model declares: its keys, their types and restrictions."""

from __future__ import annotations

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass
from pathlib import Path
from typing import Any, Literal, Union

SCALARS = (str, int, float, bool, Path)
_LISTS: tuple[Any, ...] = (list, tuple, frozenset, set, Sequence)
_TABLES: tuple[Any, ...] = (dict, Mapping)


class UndeclarableType(TypeError):
    """A model declares a type that cannot be written in a configuration file."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a model: its type with annotations resolved, its restrictions and its default.

    `name` is what the file says, `attribute` the field; they differ where the name is a word of Python, such as `from`.
    """

    name: str
    attribute: str
    type: Any
    metadata: Mapping[str, Any]
    field: Field[Any]

    @property
    def required(self) -> bool:
        """Tell whether the key has no default."""
        return self.field.default is MISSING and self.field.default_factory is MISSING

    def default(self) -> Any:
        """Return the key's default, made anew where it is made by a factory."""
        if self.field.default_factory is not MISSING:
            return self.field.default_factory()
        return self.field.default


@functools.lru_cache(maxsize=256)
def keys_of(model: type) -> tuple[Key, ...]:
    """Return the keys of a model in its order.

    Raises UndeclarableType.
    """
    try:
        hints = typing.get_type_hints(model)
    except NameError as error:
        raise UndeclarableType(f"the annotations of {model.__qualname__} cannot be resolved: {error}") from None
    keys = [
        Key(f.metadata.get("key", f.name), f.name, hints[f.name], f.metadata, f)
        for f in dataclasses.fields(model)
        if f.init
    ]
    for key in keys:
        if "parse" not in key.metadata:
            _check(key.type, f"{model.__qualname__}.{key.name}")
    return tuple(keys)


def paths_of(model: type, _above: tuple[type, ...] = ()) -> tuple[tuple[str, ...], ...]:
    """Return the path of every key, those of nested tables included."""
    found: list[tuple[str, ...]] = []
    for key in keys_of(model):
        found.append((key.name,))
        nested = None if "parse" in key.metadata else nested_model(key.type)
        if nested is not None and nested not in (model, *_above):
            found += [(key.name, *path) for path in paths_of(nested, (*_above, model))]
    return tuple(found)


def nested_model(declared: Any) -> type | None:
    """Return the dataclass that a key's type is, optional or not."""
    for member in members(declared):
        if isinstance(member, type) and dataclasses.is_dataclass(member):
            return member
    return None


def members(declared: Any) -> tuple[Any, ...]:
    """Return what a union joins, without None; the type itself where it is none."""
    if typing.get_origin(declared) in (Union, types.UnionType):
        return tuple(member for member in typing.get_args(declared) if member is not type(None))
    return (declared,)


def allows_none(declared: Any) -> bool:
    """Tell whether a type is optional."""
    return type(None) in typing.get_args(declared) or declared in (Any, object)


def list_item(declared: Any) -> tuple[Any, Any] | None:
    """Return what makes the list and its item type, or None where the type is no list."""
    origin, args = typing.get_origin(declared) or declared, typing.get_args(declared)
    if origin not in _LISTS:
        return None
    make = tuple if origin is Sequence else origin
    return make, args[0] if args else str


def table_item(declared: Any) -> Any | None:
    """Return the value type of a free-form table, or None where the type is none."""
    origin, args = typing.get_origin(declared) or declared, typing.get_args(declared)
    if origin not in _TABLES:
        return None
    return args[1] if len(args) == 2 else Any


def describe(declared: Any) -> str:
    """Name a type to a person: `a whole number`, `a list of strings`."""
    kinds = members(declared)
    if len(kinds) > 1:
        return " or ".join(dict.fromkeys(describe(kind) for kind in kinds))
    kind = kinds[0]
    names = {str: "a string", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
    if kind in names:
        return names[kind]
    if typing.get_origin(kind) is Literal:
        return one_of(typing.get_args(kind))
    item = list_item(kind)
    if item is not None:
        plural = {
            str: "strings", int: "whole numbers", float: "numbers", bool: "true or false", Path: "paths"
        }.get(item[1])  # fmt: skip
        return f"a list of {plural}" if plural else "a list"
    return "a table"


def one_of(choices: Sequence[object]) -> str:
    """Write choices as people do: `"fs" or "s3"`."""
    texts = [f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in choices]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def pattern_matches(pattern: str, text: str) -> bool:
    """Tell whether the whole text matches a key's `pattern`."""
    return re.fullmatch(pattern, text) is not None


def _check(declared: Any, where: str) -> None:
    for member in members(declared):
        item, value = list_item(member), table_item(member)
        args = typing.get_args(member)
        if item is not None:
            variadic = typing.get_origin(member) is not tuple or (len(args) == 2 and args[1] is Ellipsis)
            if not variadic:
                raise UndeclarableType(f"{where} must be tuple[X, ...]: a list in a file has no fixed length")
            _check(item[1], where)
        elif value is not None:
            if args and args[0] is not str:
                raise UndeclarableType(f"{where} must have str keys")
            _check(value, where)
        elif not (
            member in SCALARS
            or member in (Any, object)
            or typing.get_origin(member) is Literal
            or (isinstance(member, type) and dataclasses.is_dataclass(member))
        ):
            raise UndeclarableType(f"{where} has a type that cannot be configured: {member!r}")
