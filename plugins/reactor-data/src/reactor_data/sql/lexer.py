"""Postgres' lexical structure (manual §4.1), as far as finding statements and words in them needs it.

White space and comments produce no token. Strings of every spelling are one token each, continuations included, so
that a `;` or the word `policy` inside of one is never seen. Operators come one character at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from reactor_data.sql.source import SqlComplaint


class Kind(Enum):
    """The sort of a token."""

    WORD = "word"
    QUOTED = "quoted identifier"
    STRING = "string"
    NUMBER = "number"
    PARAMETER = "parameter"
    SYMBOL = "symbol"


class Token(NamedTuple):
    """One token: `text` is a word folded to lower case, a quoted identifier unquoted, anything else as written."""

    kind: Kind
    text: str
    start: int
    end: int


_IDENT_START = r"A-Za-z_\x80-\U0010ffff"
_SPACE = re.compile(r"[ \t\n\r\f\v]+|--[^\n\r]*")
_WORD = re.compile(rf"[{_IDENT_START}][{_IDENT_START}0-9$]*")
_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_PARAMETER = re.compile(r"\$\d+")
_DOLLAR = re.compile(rf"\$(?:[{_IDENT_START}][{_IDENT_START}0-9]*)?\$")
_STRING_START = re.compile(r"([eE]|[bBxXnN]|[uU]&)?'")
_QUOTED_START = re.compile(r"([uU]&)?\"")
_PLAIN_BODY = re.compile(r"(?:[^']|'')*+'")
_ESCAPE_BODY = re.compile(r"(?:[^'\\]|''|\\.)*+'", re.DOTALL)
_QUOTED_BODY = re.compile(r"(?:[^\"]|\"\")*+\"")
_CONTINUATION = re.compile(r"(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\n\r\f\v]+|--[^\n\r]*[\n\r])*'")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_FOLD = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def fold(word: str) -> str:
    """Lower an unquoted identifier the way Postgres does in UTF-8: ASCII letters only."""
    return word.translate(_FOLD)


def tokens(text: str) -> Iterator[Token]:
    """Yield the significant tokens of SQL text.

    Raises:
        SqlComplaint: a string, quoted identifier, dollar quote or comment is never closed; or a NUL character.
    """
    at, size = 0, len(text)
    while at < size:
        if match := _SPACE.match(text, at):
            at = match.end()
        elif text.startswith("/*", at):
            at = _comment_end(text, at)
        else:
            token = _token(text, at)
            yield token
            at = token.end


def _token(text: str, at: int) -> Token:
    if match := _STRING_START.match(text, at):
        end = _string_end(text, match)
        return Token(Kind.STRING, text[at:end], at, end)
    if match := _QUOTED_START.match(text, at):
        body = _QUOTED_BODY.match(text, match.end())
        if body is None:
            raise SqlComplaint("this quoted identifier is never closed", start=at, fix='end it with a "')
        return Token(Kind.QUOTED, body.group()[:-1].replace('""', '"'), at, body.end())
    if match := _WORD.match(text, at):
        return Token(Kind.WORD, fold(match.group()), at, match.end())
    if match := _DOLLAR.match(text, at):
        close = text.find(match.group(), match.end())
        if close < 0:
            raise SqlComplaint(
                f"the text quoted with {match.group()} is never closed",
                start=at,
                end=match.end(),
                fix=f"end it with {match.group()}",
            )
        end = close + len(match.group())
        return Token(Kind.STRING, text[at:end], at, end)
    if match := _NUMBER.match(text, at):
        return Token(Kind.NUMBER, match.group(), at, match.end())
    if match := _PARAMETER.match(text, at):
        return Token(Kind.PARAMETER, match.group(), at, match.end())
    if text[at] == "\0":
        raise SqlComplaint("a NUL character cannot be part of SQL", start=at, fix="remove the character")
    return Token(Kind.SYMBOL, text[at], at, at + 1)


def _string_end(text: str, opening: re.Match[str]) -> int:
    body = _ESCAPE_BODY if opening.group(1) in ("e", "E") else _PLAIN_BODY
    end = opening.end()
    while True:
        match = body.match(text, end)
        if match is None:
            raise SqlComplaint("this string is never closed", start=opening.start(), fix="end it with a '")
        end = match.end()
        # A quote after white space with a line break goes on with the same string and the same escape rules.
        following = _CONTINUATION.match(text, end)
        if following is None:
            return end
        end = following.end()


def _comment_end(text: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise SqlComplaint("this comment is never closed", start=start, end=start + 2, fix="end it with */")
