"""Walking over the tokens of one statement."""

from __future__ import annotations

from reactor_data.sql.lexer import Kind, Token
from reactor_data.sql.source import SqlComplaint
from reactor_data.sql.statements import SqlStatement


class TokenReader:
    """Reads a statement's tokens from left to right and complains with the place and what was expected."""

    def __init__(self, statement: SqlStatement) -> None:
        self.tokens = statement.tokens
        self.end = statement.end
        self.at = 0

    @property
    def done(self) -> bool:
        """Tell whether all tokens are read."""
        return self.at >= len(self.tokens)

    def peek(self, ahead: int = 0) -> Token | None:
        """Return a coming token without reading it."""
        index = self.at + ahead
        return self.tokens[index] if index < len(self.tokens) else None

    def take_word(self, word: str) -> bool:
        """Read the given unquoted word if it comes next."""
        token = self.peek()
        if token is not None and token.kind is Kind.WORD and token.text == word:
            self.at += 1
            return True
        return False

    def take_symbol(self, symbol: str) -> bool:
        """Read the given symbol if it comes next."""
        token = self.peek()
        if token is not None and token.kind is Kind.SYMBOL and token.text == symbol:
            self.at += 1
            return True
        return False

    def expect_word(self, word: str, *, fix: str) -> None:
        """Read the given word or complain."""
        if not self.take_word(word):
            raise self.complaint(f"expected {word.upper()}", fix=fix)

    def identifier(self, what: str, *, fix: str) -> Token:
        """Read an identifier, quoted or not."""
        token = self.peek()
        if token is None or token.kind not in (Kind.WORD, Kind.QUOTED) or not token.text:
            raise self.complaint(f"expected {what}", fix=fix)
        self.at += 1
        return token

    def parenthesised(self, what: str, *, fix: str) -> tuple[Token, ...]:
        """Read `( … )` and return the tokens inside; the splitter has already balanced them."""
        opening = self.peek()
        if opening is None or not self.take_symbol("("):
            raise self.complaint(f'expected "(" and {what}', fix=fix)
        first, depth = self.at, 1
        while depth:
            token = self.tokens[self.at]
            self.at += 1
            if token.kind is Kind.SYMBOL:
                depth += {"(": 1, ")": -1}.get(token.text, 0)
        inner = self.tokens[first : self.at - 1]
        if not inner:
            raise SqlComplaint(f"{what} is empty", start=opening.start, end=opening.end + 1, fix=fix)
        return inner

    def complaint(self, expected: str, *, fix: str) -> SqlComplaint:
        """Return a complaint about the token that comes next."""
        token = self.peek()
        if token is None:
            return SqlComplaint(f"{expected}, but the statement ends here", start=self.end, fix=fix)
        return SqlComplaint(f"{expected}, not {_shown(token)}", start=token.start, end=token.end, fix=fix)


def _shown(token: Token) -> str:
    return f'"{token.text}"' if len(token.text) <= 40 else f'"{token.text[:40]}…"'
