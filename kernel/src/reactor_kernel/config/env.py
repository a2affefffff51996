"""The grammar of values in the environment, and which variables name which key (contract kernel.md §2.1)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping

from reactor_kernel.config.nodes import Text

PREFIX = "REACTOR_"
LOG_VARIABLE = "REACTOR_LOG"
UNRELATED = frozenset(
    f"REACTOR_{word}"
    for word in ("TOKEN", "CONTEXT", "URL", "ORG", "OUTPUT", "ASSUME_YES", "VAULT_MASTER_KEY", "HOME", "LOG")
)

_INTEGER = re.compile(r"[+-]?[0-9][0-9_]{0,39}\Z")
_FLOAT = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?\Z")
_QUOTED = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"\Z|'[^'\n]*'\Z")
_QUOTED_PREFIX = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_CLOSING = {"[": "]", "{": "}"}


def nested_keys(environ: Mapping[str, str]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Yield each variable of the `__` form with its path, shallow paths first so that deeper ones win."""
    found = []
    for name in environ:
        if name.startswith(PREFIX) and name not in UNRELATED:
            path = tuple(name.removeprefix(PREFIX).lower().split("__"))
            if len(path) > 1 and all(path):
                found.append((name, path))
    return sorted(found, key=lambda item: (len(item[1]), item[0]))


def alias_name(section: str, key: tuple[str, ...]) -> str:
    """Return the single-underscore spelling of a key's variable."""
    return PREFIX + "_".join((section, *key)).upper()


def variable_name(section: str, key: Iterable[str]) -> str:
    """Return the `__` spelling of a key's variable."""
    return PREFIX + "__".join((section, *key)).upper()


def as_bool(text: str) -> bool | None:
    """Read `true` or `false`; None for anything else."""
    return {"true": True, "false": False}.get(text.strip().lower())


def as_int(text: str) -> int | None:
    """Read an integer; None for anything else."""
    return int(text.strip().replace("_", "")) if _INTEGER.match(text.strip()) else None


def as_float(text: str) -> float | None:
    """Read an integer or a decimal number; None for anything else."""
    return float(text.strip()) if _FLOAT.match(text.strip()) else None


def as_string(text: Text) -> str:
    """Return the text, without its quotes where it is quoted."""
    trimmed = text.raw.strip()
    if text.quotable and _QUOTED.match(trimmed):
        try:
            value = tomllib.loads(f"value = {trimmed}")["value"]
        except tomllib.TOMLDecodeError:  # an escape TOML does not know: then the quotes are part of the text
            return text.raw
        return str(value)
    return text.raw


def looks_like_list(text: str) -> bool:
    """Tell whether the text is meant as `[a, b]`."""
    return text.strip().startswith("[") and text.strip().endswith("]")


def looks_like_table(text: str) -> bool:
    """Tell whether the text is meant as `{k=v}`."""
    return text.strip().startswith("{") and text.strip().endswith("}")


def split_list(text: Text) -> list[Text]:
    """Read `[a, b]`; the items are typed by whoever asks. Raises ValueError."""
    return [Text(item) for item in _items(text.raw.strip(), "[")]


def split_table(text: Text) -> dict[str, Text]:
    """Read `{k=v, k2=v2}`. Raises ValueError."""
    table: dict[str, Text] = {}
    for item in _items(text.raw.strip(), "{"):
        quoted = _QUOTED_PREFIX.match(item)
        end = quoted.end() if quoted else 0
        key, equals, value = item[end:].partition("=")
        name = as_string(Text(quoted.group())) if quoted and not key.strip() else (item[:end] + key).strip()
        if not equals or not name:
            raise ValueError("each entry of a table is written key=value")
        if name in table:
            raise ValueError(f"the key {name} stands twice")
        table[name] = Text(value.strip())
    return table


def _items(text: str, opening: str) -> list[str]:
    """Split what stands between the outer brackets at its commas, minding quotes and inner brackets."""
    items: list[str] = []
    expected = [_CLOSING[opening]]
    start = position = 1
    fresh = True  # a quote only opens at the start of a value, so that [it's, fine] needs none
    while position < len(text):
        symbol = text[position]
        if fresh and symbol in "\"'":
            quoted = _QUOTED_PREFIX.match(text, position)
            position = quoted.end() if quoted else position + 1
            fresh = False
            continue
        if fresh and symbol in _CLOSING:
            expected.append(_CLOSING[symbol])
        elif symbol == expected[-1]:
            expected.pop()
            if not expected:
                break
        elif symbol == "," and len(expected) == 1:
            items.append(text[start:position].strip())
            start = position + 1
        fresh = symbol in "[{,=" or (fresh and symbol.isspace())
        position += 1
    if expected or position != len(text) - 1:
        raise ValueError(f"the brackets do not match: a {_CLOSING[opening]} is missing or stands too early")
    last = text[start:position].strip()
    if last:
        items.append(last)
    if not all(items):
        raise ValueError("there is nothing between two commas")
    return items
