"""Cutting a script into its statements."""

from __future__ import annotations

from dataclasses import dataclass

from reactor_data.sql.lexer import Kind, Token, tokens
from reactor_data.sql.source import SqlComplaint


@dataclass(frozen=True, slots=True)
class SqlStatement:
    """One statement: its tokens without the closing `;`, and the text from the first to the last of them."""

    tokens: tuple[Token, ...]
    text: str

    @property
    def start(self) -> int:
        """The offset of its first character in the script."""
        return self.tokens[0].start

    @property
    def end(self) -> int:
        """The offset behind its last character in the script."""
        return self.tokens[-1].end

    def words(self, count: int) -> tuple[str, ...]:
        """Return the leading unquoted words, at most `count`; stops at the first token that is none."""
        found: list[str] = []
        for token in self.tokens[:count]:
            if token.kind is not Kind.WORD:
                break
            found.append(token.text)
        return tuple(found)


def statements(text: str) -> list[SqlStatement]:
    """Split a script at the semicolons that end statements.

    Not at those in strings, comments, parentheses or the body of a `BEGIN ATOMIC … END` routine.

    Raises:
        SqlComplaint: something is opened and never closed, or closed and never opened.
    """
    found: list[SqlStatement] = []
    current: list[Token] = []
    opened: list[Token] = []
    atomic: list[Token] = []
    for token in tokens(text):
        if token.kind is Kind.SYMBOL:
            if token.text == ";" and not opened and not atomic:
                _close(text, current, found)
                current = []
                continue
            _nest(token, opened)
        elif token.kind is Kind.WORD and not opened:
            _nest_atomic(token, current, atomic)
        current.append(token)
    if opened:
        raise SqlComplaint('this "(" is never closed', start=opened[-1].start, fix='add the missing ")"')
    if atomic:
        raise SqlComplaint(
            "this block is never ended", start=atomic[-1].start, end=atomic[-1].end, fix="add the missing END;"
        )
    _close(text, current, found)
    return found


def _close(text: str, current: list[Token], found: list[SqlStatement]) -> None:
    if current:
        found.append(SqlStatement(tuple(current), text[current[0].start : current[-1].end]))


def _nest(token: Token, opened: list[Token]) -> None:
    if token.text == "(":
        opened.append(token)
    elif token.text == ")":
        if not opened:
            raise SqlComplaint('this ")" closes nothing', start=token.start, fix='remove it or add the missing "("')
        opened.pop()


def _nest_atomic(token: Token, current: list[Token], atomic: list[Token]) -> None:
    if atomic:
        if token.text == "case":
            atomic.append(token)
        elif token.text == "end":
            atomic.pop()
    elif token.text == "atomic" and current and current[-1].text == "begin" and _makes_routine(current):
        atomic.append(token)


def _makes_routine(current: list[Token]) -> bool:
    head = [token.text for token in current[:4] if token.kind is Kind.WORD]
    return head[:1] == ["create"] and ("function" in head or "procedure" in head)
