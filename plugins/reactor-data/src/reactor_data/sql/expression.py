"""Boolean expressions of policies: any SQL, in which only the calls of `auth.*` are checked and wrapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from reactor_data.sql.lexer import Kind, Token
from reactor_data.sql.source import SqlComplaint

# The functions of contract data.md §7.5 with their number of arguments; the kernel's migrations make them.
AUTH_BUILTINS: dict[str, int] = {
    "current_org_id": 0,
    "current_user_id": 0,
    "db_role": 0,
    "email": 0,
    "has_permission": 1,
    "in_org": 1,
    "is_authenticated": 0,
    "jwt": 0,
    "org_id": 0,
    "role": 0,
    "session_id": 0,
    "uid": 0,
    "user_id": 0,
}


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a compiled text. `origin` is its offset in the script, None for what the compiler added."""

    text: str
    origin: int | None = None


@dataclass(frozen=True, slots=True)
class Compiled:
    """Compiled SQL that still knows where its parts came from."""

    pieces: tuple[Piece, ...]

    @property
    def sql(self) -> str:
        """The text."""
        return "".join(piece.text for piece in self.pieces)

    def origin(self, offset: int) -> int | None:
        """Return the offset in the script that an offset in the compiled text stems from."""
        for piece in self.pieces:
            if offset < len(piece.text):
                return None if piece.origin is None else piece.origin + offset
            offset -= len(piece.text)
        return None


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression as compiled for a native policy, and the place it was written."""

    compiled: Compiled
    start: int
    end: int


def compile_expression(text: str, inner: Sequence[Token]) -> Expression:
    """Check the `auth.*` calls among `inner` and wrap each as `(select auth.x(…))`.

    Wrapped, the planner evaluates it once a statement instead of once a row.

    Raises:
        SqlComplaint: an unknown function of `auth`, or the wrong number of arguments.
    """
    pieces: list[Piece] = []
    copied = start = inner[0].start
    closings: dict[int, int] = {}
    for index, token in enumerate(inner):
        closing = _call_end(inner, index)
        if closing is not None:
            _check_call(inner, index, closing)
            if not _is_wrapped(inner, index, closing):
                pieces += [Piece(text[copied : token.start], copied), Piece("(select ")]
                copied = token.start
                closings[closing] = closings.get(closing, 0) + 1
        if index in closings:
            pieces += [Piece(text[copied : token.end], copied), Piece(")" * closings[index])]
            copied = token.end
    end = inner[-1].end
    pieces.append(Piece(text[copied:end], copied))
    return Expression(Compiled(tuple(piece for piece in pieces if piece.text)), start, end)


def _is_symbol(token: Token, text: str) -> bool:
    return token.kind is Kind.SYMBOL and token.text == text


def _call_end(inner: Sequence[Token], index: int) -> int | None:
    """Return the index of the `)` of the `auth.name(…)` call that starts at `index`."""
    if index + 3 >= len(inner):
        return None
    schema, dot, name, opening = inner[index : index + 4]
    names = (Kind.WORD, Kind.QUOTED)
    if schema.kind not in names or schema.text != "auth" or name.kind not in names:
        return None
    if not _is_symbol(dot, ".") or not _is_symbol(opening, "("):
        return None
    if index and _is_symbol(inner[index - 1], "."):
        return None
    depth = 0
    for at in range(index + 3, len(inner)):
        if inner[at].kind is Kind.SYMBOL:
            depth += {"(": 1, ")": -1}.get(inner[at].text, 0)
            if depth == 0:
                return at
    return None


def _check_call(inner: Sequence[Token], index: int, closing: int) -> None:
    name, first, last = inner[index + 2].text, inner[index], inner[closing]
    wanted = AUTH_BUILTINS.get(name)
    if wanted is None:
        near = get_close_matches(name, AUTH_BUILTINS, n=1, cutoff=0.6)
        fix = f"write auth.{near[0]}" if near else f"use one of {', '.join(f'auth.{known}' for known in AUTH_BUILTINS)}"
        raise SqlComplaint(f"auth.{name} does not exist", start=first.start, end=inner[index + 2].end, fix=fix)
    given = _arguments(inner[index + 4 : closing])
    if given != wanted:
        takes = "no argument" if wanted == 0 else "one argument"
        fix = f"write auth.{name}()" if wanted == 0 else f"write auth.{name}(…) with one argument"
        reason = f"auth.{name} takes {takes}, not {given}"
        raise SqlComplaint(reason, start=first.start, end=last.end, fix=fix)


def _arguments(inside: Sequence[Token]) -> int:
    if not inside:
        return 0
    depth, count = 0, 1
    for token in inside:
        if token.kind is Kind.SYMBOL:
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
            count += token.text == "," and depth == 0
    return count


def _is_wrapped(inner: Sequence[Token], index: int, closing: int) -> bool:
    """Tell whether the call already stands alone in `(select …)`."""
    if index < 2 or closing + 1 >= len(inner):
        return False
    select, opening = inner[index - 1], inner[index - 2]
    return (
        select.kind is Kind.WORD
        and select.text == "select"
        and _is_symbol(opening, "(")
        and _is_symbol(inner[closing + 1], ")")
    )
