"""What a policy's condition mentions, found in its text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from reactor_data.sql.lexer import Kind, Token, tokens

_NAMES = (Kind.WORD, Kind.QUOTED)
# Words of SQL that name nothing; enough for conditions.
_SPELLED = """all and any array as asc between by case cast collate current_date current_timestamp current_user desc distinct else
end escape exists false from group having ilike in interval is isnull join like limit not notnull null on or order select
session_user similar some symmetric then true union unknown using values when where with"""
_WORDS = frozenset(_SPELLED.split())


def columns_of(text: str, table: str, columns: Collection[str]) -> list[str]:
    """Return the columns of the policy's own table that a condition mentions, each once.

    `pg_get_expr` qualifies every column inside of a sub-select, and none outside of it.
    """
    found = list(tokens(text))
    mentioned = [
        token.text
        for at, token in enumerate(found)
        if token.kind in _NAMES and token.text in columns and _is_column(found, at, table)
    ]
    return list(dict.fromkeys(mentioned))


def compared_columns(text: str, table: str, columns: Collection[str]) -> list[str]:
    """Return the columns that stand beside an equals sign, each once."""
    found = list(tokens(text))
    compared = [
        token.text
        for at, token in enumerate(found)
        if token.kind in _NAMES
        and token.text in columns
        and _is_column(found, at, table)
        and (
            _symbol(found, at + 1) == "=" or _symbol(found, at - 1 if _symbol(found, at - 1) != "." else at - 3) == "="
        )
    ]
    return list(dict.fromkeys(compared))


def mentions_nothing(text: str) -> bool:
    """Tell whether a condition as written in a file names nothing but functions and constants."""
    found = list(tokens(text))
    for at, token in enumerate(found):
        if token.kind not in _NAMES or (token.kind is Kind.WORD and token.text in _WORDS):
            continue
        if _symbol(found, at + 1) in ("(", ".") or _after_cast(found, at) or _word(found, at - 1) == "as":
            continue
        return False
    return True


def calls_permission(text: str) -> bool:
    """Tell whether it asks `auth.has_permission`."""
    return any(token.kind in _NAMES and token.text == "has_permission" for token in tokens(text))


def unwrapped_calls(text: str) -> list[str]:
    """Return the calls of `auth.*` and `current_setting` that are not the whole of a `(select …)`, each once."""
    found = list(tokens(text))
    calls = []
    for at, token in enumerate(found):
        if token.kind not in _NAMES:
            continue
        if token.text == "auth" and _symbol(found, at + 1) == "." and _symbol(found, at + 3) == "(":
            name = f"auth.{found[at + 2].text}"
        elif token.text == "current_setting" and _symbol(found, at + 1) == "(" and _symbol(found, at - 1) != ".":
            name = "current_setting"
        else:
            continue
        if not _inside_select(found, at):
            calls.append(name)
    return list(dict.fromkeys(calls))


def _inside_select(found: Sequence[Token], at: int) -> bool:
    """Tell whether one of the parentheses around a token opens a sub-select without FROM of its own row."""
    depth = 0
    for index in range(at - 1, -1, -1):
        symbol = _symbol(found, index)
        if symbol == ")":
            depth += 1
        elif symbol == "(":
            if depth == 0 and _word(found, index + 1) == "select":
                return True
            depth = max(depth - 1, 0)
    return False


def _is_column(found: Sequence[Token], at: int, table: str) -> bool:
    if _symbol(found, at + 1) in ("(", ".") or _after_cast(found, at) or _word(found, at - 1) == "as":
        return False
    if _symbol(found, at - 1) == ".":
        return at >= 2 and found[at - 2].text == table
    return True


def _after_cast(found: Sequence[Token], at: int) -> bool:
    return _symbol(found, at - 1) == ":" and _symbol(found, at - 2) == ":"


def _symbol(found: Sequence[Token], at: int) -> str | None:
    return found[at].text if 0 <= at < len(found) and found[at].kind is Kind.SYMBOL else None


def _word(found: Sequence[Token], at: int) -> str | None:
    return found[at].text if 0 <= at < len(found) and found[at].kind is Kind.WORD else None


def listed(names: Iterable[str]) -> str:
    """Join names for a sentence."""
    return ", ".join(names)
