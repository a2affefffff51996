"""Conditions taken apart at their AND and OR, as `pg_get_expr` writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from reactor_data.sql.lexer import Kind, Token, tokens

_QUERIES = frozenset(("select", "with", "values", "table"))
_NAMED_CALL = re.compile(r"\( SELECT ((?:\w+\.)?(\w+)\((?:[^()']|'[^']*'(?:::\w+)?)*\)) AS \2\)")
_COMPARISONS = frozenset(("=", "<>", "!=", "<", ">", "<=", ">="))


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition, or a part of one.

    Attributes:
        shown: the text for people.
        sql: the same with every name qualified, so that it means the same on any search path.
        joint: "and" or "or" where `parts` are joined by it, None for what cannot be taken apart.
    """

    shown: str
    sql: str
    joint: str | None = None
    parts: tuple[Clause, ...] = ()

    def leaves(self) -> list[Clause]:
        """Return the parts that cannot be taken apart, in their order."""
        return [leaf for part in self.parts for leaf in part.leaves()] if self.parts else [self]


def parse_clause(shown: str, sql: str) -> Clause:
    """Take a condition apart. Both texts are the same expression, on two search paths."""
    shown, sql = bare(shown), bare(sql)
    joint, shown_parts = split(shown)
    _, sql_parts = split(sql)
    if joint is None or len(shown_parts) != len(sql_parts):
        return Clause(shown, sql)
    parts = tuple(parse_clause(*pair) for pair in zip(shown_parts, sql_parts, strict=True))
    return Clause(shown, sql, joint, parts)


def tidy(text: str) -> str:
    """Write `( SELECT auth.org_id() AS org_id)` as people do: `(select auth.org_id())`."""
    return _NAMED_CALL.sub(r"(select \1)", text)


def bare(text: str) -> str:
    """Return an expression without the parentheses around all of it; those of a sub-select belong to it."""
    while True:
        found = list(tokens(text))
        if len(found) < 3 or found[0].text != "(" or _closing(found, 0) != len(found) - 1:
            return text.strip()
        if found[1].kind is Kind.WORD and found[1].text in _QUERIES:
            return text.strip()
        text = text[found[0].end : found[-1].start]


def split(text: str) -> tuple[str | None, list[str]]:
    """Split at the ORs that stand outside of all nesting, else at the ANDs; (None, []) where there are neither."""
    found = list(tokens(text))
    top = _top(found)
    for joint in ("or", "and"):
        at = [index for index in top if found[index].kind is Kind.WORD and found[index].text == joint]
        if at:
            edges = [-1, *at, len(found)]
            parts = [text[found[first + 1].start : found[last - 1].end] for first, last in pairwise(edges)]
            return joint, parts
    return None, []


def operands(text: str) -> tuple[str, str] | None:
    """Return both sides of a comparison; None for anything else, ANY and ALL included."""
    found = list(tokens(text))
    last = -1
    for index in _top(found):
        if index <= last or not _is_operator(found[index]):
            continue
        last = index
        while last + 1 < len(found) and _is_operator(found[last + 1]) and found[last + 1].start == found[last].end:
            last += 1
        if text[found[index].start : found[last].end] not in _COMPARISONS:
            continue
        right = found[last + 1 :]
        if index == 0 or not right or right[0].text in ("any", "all", "some"):
            return None
        return text[: found[index].start].strip(), text[found[last].end :].strip()
    return None


def _is_operator(token: Token) -> bool:
    return token.kind is Kind.SYMBOL and token.text in "+-*/<>=~!@#%^&|`?"


def _top(found: Sequence[Token]) -> list[int]:
    """Return the indices of the tokens outside of parentheses, brackets and CASE … END."""
    depth = 0
    top: list[int] = []
    for index, token in enumerate(found):
        if token.kind is Kind.SYMBOL and token.text in ("(", "["):
            depth += 1
        elif token.kind is Kind.SYMBOL and token.text in (")", "]"):
            depth -= 1
        elif token.kind is Kind.WORD and token.text == "case":
            depth += 1
        elif token.kind is Kind.WORD and token.text == "end":
            depth -= 1
        elif depth == 0:
            top.append(index)
    return top


def _closing(found: Sequence[Token], opening: int) -> int:
    depth = 0
    for index in range(opening, len(found)):
        if found[index].kind is Kind.SYMBOL:
            depth += {"(": 1, ")": -1}.get(found[index].text, 0)
            if depth == 0:
                return index
    return -1
