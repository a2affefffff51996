"""Find the line of every key in a TOML document, which `tomllib` does not tell.

The text has been accepted by `tomllib` before, so the scanner only follows the grammar and checks nothing.
"""

from __future__ import annotations

import bisect
import re
import tomllib

from reactor_kernel.config.nodes import Path

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*"""{1,3}'
    r"|'''(?:[^']|'(?!''))*'''{1,3}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)
_PLAIN = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> dict[Path, int]:
    """Map the path of every table, key and array element to its line, from 1.

    `text` is a valid TOML document with its line ends normalised to a line feed.
    """
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[Path, int] = {}
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lengths: dict[Path, int] = {}  # arrays of tables and how many elements they have so far

    def scan(self) -> dict[Path, int]:
        prefix: Path = ()
        self._skip(_BLANK)
        while self.position < len(self.text):
            if self._peek() == "[":
                prefix = self._header()
            else:
                self._pair(prefix)
            self._skip(_BLANK)
        return self.lines

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            raise ValueError(f"not a TOML document at character {self.position}")
        self.position = match.end()
        return match.group()

    def _mark(self, path: Path) -> None:
        self.lines.setdefault(path, bisect.bisect_right(self._starts, self.position))

    def _header(self) -> Path:
        brackets = 2 if self.text.startswith("[[", self.position) else 1
        line_at = self.position
        self.position += brackets
        keys = self._key()
        end, self.position = self.position + brackets, line_at
        path: Path = ()
        for index, key in enumerate(keys):
            path = (*path, key)
            last = index == len(keys) - 1
            self._mark(path)
            if last and brackets == 2:
                self._lengths[path] = self._lengths.get(path, 0) + 1
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
                self._mark(path)
            elif last:
                # A header after the tables below it is where the table itself stands: [a.b] then [a].
                self.lines[path] = bisect.bisect_right(self._starts, self.position)
        self.position = end
        return path

    def _key(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            if self._peek() in ('"', "'"):
                keys.append(tomllib.loads(f"key = {self._skip(_STRING)}")["key"])
            else:
                keys.append(self._skip(_BARE_KEY))
            self._skip(_SPACE)
            if self._peek() != ".":
                return keys
            self.position += 1

    def _pair(self, prefix: Path) -> None:
        at = self.position
        keys = self._key()
        after, self.position = self.position + 1, at
        path = prefix
        for key in keys:
            path = (*path, key)
            self._mark(path)
        self.position = after
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self._peek()
        if opening in ('"', "'"):
            self._skip(_STRING)
        elif opening == "[":
            self._sequence(path, "]")
        elif opening == "{":
            self._sequence(path, "}")
        else:
            self._skip(_PLAIN)

    def _sequence(self, path: Path, closing: str) -> None:
        self.position += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self._peek() == closing:
                self.position += 1
                return
            if closing == "]":
                self._mark((*path, index))
                self._value((*path, index))
            else:
                self._pair(path)
            index += 1
            self._skip(_BLANK)
            if self._peek() == ",":
                self.position += 1
