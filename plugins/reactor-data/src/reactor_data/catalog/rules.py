"""Which base column each column of a view shows, read from the view's rule (`pg_rewrite.ev_action`).

Postgres notes the origin of a view's columns in its query tree; the text of that tree is scanned for the entries of the
outermost target list. What a set operation or an expression makes has no origin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Origin = tuple[int, int]
"""Oid of a relation and number of its column."""

# A backslash escapes the next character, so that braces in names do not count.
_MARKS = re.compile(
    r"\\.|[{}]|:resno (\d+) :resname (?:\\.|[^ \\])+ :ressortgroupref \d+ :resorigtbl (\d+) :resorigcol (\d+)",
    re.DOTALL,
)
# Depth of braces inside an entry of the outermost query: QUERY, then TARGETENTRY.
_ENTRY = 2


def origins(rule: str) -> dict[int, Origin]:
    """Return the origin of each column that has one, by its number."""
    found: dict[int, Origin] = {}
    depth = 0
    for mark in _MARKS.finditer(rule):
        text = mark[0]
        if text == "{":
            depth += 1
        elif text == "}":
            depth -= 1
        elif mark[1] is not None and depth == _ENTRY and mark[2] != "0":
            found[int(mark[1])] = (int(mark[2]), int(mark[3]))
    return found


def base_columns(views: Mapping[int, Mapping[int, Origin]]) -> dict[int, dict[int, dict[int, list[int]]]]:
    """Follow views of views down to tables: view → table → number of its column → numbers of the view's columns."""
    found: dict[int, dict[int, dict[int, list[int]]]] = {}
    for view, columns in views.items():
        tables: dict[int, dict[int, list[int]]] = {}
        for number in sorted(columns):
            origin = _base(views, columns[number])
            if origin is not None:
                tables.setdefault(origin[0], {}).setdefault(origin[1], []).append(number)
        found[view] = tables
    return found


def _base(views: Mapping[int, Mapping[int, Origin]], origin: Origin) -> Origin | None:
    seen: set[int] = set()
    at: Origin | None = origin
    while at is not None and at[0] in views:
        if at[0] in seen:
            return None
        seen.add(at[0])
        at = views[at[0]].get(at[1])
    return at
