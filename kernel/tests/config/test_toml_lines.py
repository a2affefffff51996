"""The line of every key, also where TOML makes it hard to see."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reactor_kernel.config.toml_lines import key_lines

AWKWARD = (
    '''\
# [not.a.table]
title = "a # b [c]"          # 2
[server]
bind = "127.0.0.1:8000"
cors.allow_origins = [       # 5
  "https://a.example",       # 6
  # a comment, with [brackets]
  "https://b.example",       # 8
]
[data . "quoted key"]        # 10
text = """
[fake]
x = 1 \\""" y
"""
after = \'\'\'
[also.fake]
z = "\'\'\'
point = { x = 1, y = { z = [1, { deep = "}" }] } }  # 18
when = 1979-05-27 07:32:00Z
[[list]]
name = "one"
[[list]]
name = "two"                 # 23
[list.sub]
k = 'it'''
    + "'"
    + """       # 25
[a.b]
x = 1
[a]
y = 2
"""
)


def test_tables_arrays_inline_tables_dotted_keys_and_long_strings() -> None:
    lines = key_lines(AWKWARD)
    assert set(lines) == set(_paths(tomllib.loads(AWKWARD)))
    expected = {
        ("title",): 2,
        ("server",): 3,
        ("server", "bind"): 4,
        ("server", "cors"): 5,
        ("server", "cors", "allow_origins", 0): 6,
        ("server", "cors", "allow_origins", 1): 8,
        ("data", "quoted key"): 10,
        ("data", "quoted key", "after"): 15,
        ("data", "quoted key", "point", "y", "z", 1, "deep"): 18,
        ("data", "quoted key", "when"): 19,
        ("list", 0): 20,
        ("list", 1): 22,
        ("list", 1, "name"): 23,
        ("list", 1, "sub"): 24,
        ("list", 1, "sub", "k"): 25,
        ("a", "b"): 26,
        ("a",): 28,
    }
    assert {path: lines[path] for path in expected} == expected


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += _paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _paths(item, (*path, index))
    return found


_KEYS = st.text(alphabet="ab-_.\"'#[]={} é", max_size=4)
_STRINGS = st.text(alphabet="ab\"'\\#[]{}=,\n é", max_size=8)
_LEAVES = st.one_of(st.integers(-9, 9), st.booleans(), st.just(1.5), _STRINGS)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=6,
)
_TABLES = st.dictionaries(_KEYS, st.dictionaries(_KEYS, _VALUES, max_size=4), max_size=4)


@st.composite
def _documents(draw: st.DrawFn) -> tuple[str, dict[tuple[str | int, ...], int]]:
    """A document, and the line of each of its top-level tables and their keys."""
    text, lines = "", {}
    for table, keys in draw(_TABLES).items():
        text += draw(st.sampled_from(["", "\n", "# [x] = 'y'\n", "  \n\n"]))
        lines[(table,)] = text.count("\n") + 1
        text += f"[ {_key(table, draw)} ]\n"
        for key, value in keys.items():
            text += draw(st.sampled_from(["", "\n", "# a = 'b\n"]))
            lines[(table, key)] = text.count("\n") + 1
            text += f"{_key(key, draw)} = {_value(value, draw)}{draw(st.sampled_from(['', '  # ]']))}\n"
    return text, lines


def _quoted(text: str) -> str:
    table = {'"': '\\"', "\\": "\\\\", "\n": "\\n"}
    return '"' + "".join(table.get(symbol, symbol) for symbol in text) + '"'


def _key(text: str, draw: st.DrawFn) -> str:
    if text and set(text) <= set("ab-_"):
        return text
    if "'" not in text and draw(st.booleans()):
        return f"'{text}'"
    return _quoted(text)


def _value(value: Any, draw: st.DrawFn) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _string(value, draw)
    if isinstance(value, list):
        gap = draw(st.sampled_from([" ", "\n", " # ]\n"]))
        return "[" + gap + "".join(f"{_value(item, draw)},{gap}" for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key, draw)} = {_value(item, draw)}" for key, item in value.items()) + "}"
    return str(value)


def _string(text: str, draw: st.DrawFn) -> str:
    form = draw(st.integers(0, 2))
    if form == 1 and "'''" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    if form == 2:
        return '"""\n' + text.replace("\\", "\\\\").replace('"', '\\"') + '"""'
    return _quoted(text)


@given(_documents())
def test_every_path_of_any_document_has_its_line(made: tuple[str, dict[tuple[str | int, ...], int]]) -> None:
    text, expected = made
    lines = key_lines(text)
    assert set(lines) == set(_paths(tomllib.loads(text)))
    assert {path: lines[path] for path in expected} == expected
