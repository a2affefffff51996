"""Reading one query-string value from left to right. All token shapes of the grammar (contract data.md §4.1) are here."""

from __future__ import annotations

import re
from typing import NoReturn

from reactor_data.errors import invalid_filter

# The token table.
BARE_NAME = re.compile(r"[\w$ ]+(?:-(?!>)[\w$ ]+)*")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
JSON_KEY = re.compile(r'(?:[^().:,>"-]|-(?!>))+')
INTEGER = re.compile(r"-?\d+")
WORD = re.compile(r"[A-Za-z_]+")
CAST = re.compile(r"[\w$ ]+")
RAW_VALUE = re.compile(r"[^,)]*")
ARRAY_VALUE = re.compile(r"\{[^{}]*\}")
ARROW = re.compile(r"->>|->")
GROUP = re.compile(r"(not\.)?(and|or) *(?=\()")
_ITEM_END = re.compile(r" *(?=[,)]|\Z)")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def unescaped(body: str) -> str:
    """Return what a quoted text says: an escaped character stands for itself."""
    return _ESCAPED.sub(r"\1", body) if "\\" in body else body


class Cursor:
    """A place in the text of one parameter. `what` names the parameter in complaints."""

    __slots__ = ("at", "text", "what")

    def __init__(self, text: str, what: str) -> None:
        self.text = text
        self.what = what
        self.at = 0

    @property
    def done(self) -> bool:
        """Tell whether the text is read."""
        return self.at >= len(self.text)

    def take(self, literal: str) -> bool:
        """Read `literal` if it comes next."""
        if self.text.startswith(literal, self.at):
            self.at += len(literal)
            return True
        return False

    def looking_at(self, literal: str) -> bool:
        """Tell whether `literal` comes next."""
        return self.text.startswith(literal, self.at)

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """Read what `pattern` matches here, if anything."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found.group()

    def quoted(self) -> str | None:
        """Read a quoted text if one comes next; an escaped character stands for itself."""
        found = QUOTED.match(self.text, self.at)
        if found is None:
            if self.looking_at('"'):
                self.fail('a closing "')
            return None
        self.at = found.end()
        return unescaped(found.group(1))

    def item(self) -> str:
        """Read an element of a list: quoted, or as it stands up to the next `,` or `)`.

        A quote that does not embrace the whole element is part of it, as in `5" disk`.
        """
        found = QUOTED.match(self.text, self.at)
        if found is not None:
            end = _ITEM_END.match(self.text, found.end())
            if end is not None:
                self.at = end.end()
                return unescaped(found.group(1))
        return self.match(RAW_VALUE) or ""

    def blanks(self) -> None:
        """Skip blanks."""
        while self.at < len(self.text) and self.text[self.at] == " ":
            self.at += 1

    def name(self) -> str:
        """Read a name, quoted or bare and trimmed."""
        self.blanks()
        quoted = self.quoted()
        if quoted is not None:
            self.blanks()
            return quoted if quoted else self.fail("a name")
        bare = (self.match(BARE_NAME) or "").strip(" ")
        return bare if bare else self.fail("a name")

    def expect(self, literal: str) -> None:
        """Read `literal` or fail."""
        if not self.take(literal):
            self.fail(f'"{literal}"')

    def end(self) -> None:
        """Fail unless the text is read."""
        if not self.done:
            self.fail("the end")

    def fail(self, expected: str) -> NoReturn:
        """Complain about what comes next."""
        unexpected = "end of input" if self.done else f"'{self.text[self.at]}'"
        shown = self.text if len(self.text) <= 200 else self.text[:200] + "…"
        raise invalid_filter(
            f'"failed to parse {self.what} ({shown})" (line 1, column {self.at + 1})',
            detail=f"unexpected {unexpected} expecting {expected}",
            hint=f'The text up to there was understood: "{self.text[: self.at][-60:]}"' if self.at else None,
        )
