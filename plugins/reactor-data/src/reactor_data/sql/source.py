"""SQL text with a name, and complaints that point into it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SqlSource:
    """The text of one migration file. `name` is how a person finds it, e.g. `migrations/002_todos.sql`."""

    name: str
    text: str

    def position(self, offset: int) -> tuple[int, int]:
        """Return the line and column, both from 1, of a character offset."""
        before = self.text[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

    def line_at(self, offset: int) -> str:
        """Return the whole line an offset lies in."""
        start = self.text.rfind("\n", 0, offset) + 1
        end = self.text.find("\n", offset)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")


class SqlComplaint(Exception):
    """Something in SQL text cannot be used; knows where, what it says there and how to mend it."""

    def __init__(self, reason: str, *, start: int, end: int | None = None, fix: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.start = start
        self.end = start + 1 if end is None else max(end, start + 1)
        self.fix = fix

    def describe(self, source: SqlSource) -> str:
        """Return `file:line:column: reason`, the offending line with a marker below it, and the fix."""
        line, column = source.position(self.start)
        text = source.line_at(self.start)
        width = max(1, min(self.end - self.start, len(text) - column + 1))
        margin = "".join("\t" if char == "\t" else " " for char in text[: column - 1])
        shown = f"{source.name}:{line}:{column}: {self.reason}\n  | {text}\n  | {margin}{'^' * width}"
        return f"{shown}\n  fix: {self.fix}" if self.fix else shown

    def offending(self, source: SqlSource) -> str:
        """Return the text complained about."""
        return source.text[self.start : self.end]
