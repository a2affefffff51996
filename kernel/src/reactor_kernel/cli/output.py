"""Where results and failures go: tables for people, exactly one JSON document for programs (contract cli.md §1.2)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import click

from reactor_kernel.cli.errors import CliError

Human = str | Callable[[], str]
HUMAN, JSON = "human", "json"


class Output:
    """Writes what a command found in the mode that was asked for."""

    def __init__(
        self,
        mode: str,
        *,
        color: bool,
        verbose: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.mode = mode
        self.verbose = verbose
        self._stdout = stdout if stdout is not None else sys.stdout
        self._stderr = stderr if stderr is not None else sys.stderr
        self._color = color

    @property
    def is_human(self) -> bool:
        """Whether a person reads stdout."""
        return self.mode == HUMAN

    def emit(self, data: Any, human: Human) -> None:
        """Write the result: `data` inside the success envelope, or the text for people."""
        if not self.is_human:
            self._json({"ok": True, "data": data})
            return
        text = human if isinstance(human, str) else human()
        self._write(self._stdout, text)

    def line(self, document: Any, human: str) -> None:
        """Write one item of a stream: a line of JSON, or a line of text."""
        if self.is_human:
            self._write(self._stdout, human)
        else:
            self._write(self._stdout, json.dumps(document, ensure_ascii=False, default=_plain))

    def end_stream(self, data: Any) -> None:
        """Close a stream of JSON lines with the normal envelope; people need none."""
        if not self.is_human:
            self.line({"ok": True, "data": data}, "")

    def fail(self, error: CliError, *, streaming: bool = False) -> None:
        """Write a failure: the error document on stdout, or `error:` and `hint:` on stderr."""
        if not self.is_human:
            if streaming:
                self.line(error.document(), "")
            else:
                self._json(error.document())
        elif error.faults:
            for fault in error.faults:
                self._write(self._stderr, fault)
        else:
            self._write(self._stderr, f"{self.style('error:', 'red', self._stderr)} {error.message}")
            if error.hint:
                self._write(self._stderr, f"hint: {error.hint}")

    def success(self, text: str) -> str:
        """Return a line that says that something was done."""
        return f"{self.style('✓', 'green', self._stdout)} {text}"

    def progress(self, text: str) -> None:
        """Tell a person what is being done; programs are told nothing."""
        if self.is_human:
            self._write(self._stderr, f"→ {text}")

    def note(self, text: str) -> None:
        """Write a line on stderr in every mode: what a server says when it cannot start."""
        self._write(self._stderr, text)

    def warn(self, text: str) -> None:
        """Warn on stderr; in JSON mode only with `--verbose`."""
        if self.is_human or self.verbose:
            self._write(self._stderr, f"{self.style('warning:', 'yellow', self._stderr)} {text}")

    def debug(self, text: str) -> None:
        """Write a diagnostic line on stderr with `--verbose`."""
        if self.verbose:
            self._write(self._stderr, f"debug: {text}")

    def style(self, text: str, color: str, stream: TextIO | None = None) -> str:
        """Colour `text` where the stream is a terminal and NO_COLOR is not set."""
        target = stream if stream is not None else self._stdout
        return click.style(text, fg=color) if self._color and target.isatty() else text

    def _json(self, document: Mapping[str, Any]) -> None:
        self._write(self._stdout, json.dumps(document, indent=2, ensure_ascii=False, default=_plain))

    @staticmethod
    def _write(stream: TextIO, text: str) -> None:
        stream.write(text + "\n")
        stream.flush()


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> str:
    """Lay rows out under upper-case headers, a dashed rule and two-space gutters; `empty` stands for no rows."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return empty
    titles = [header.upper() for header in headers]
    widths = [max(len(line[index]) for line in (titles, *cells)) for index in range(len(titles))]
    lines = [titles, ["-" * width for width in widths], *cells]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    return printable(str(value))


def printable(text: str) -> str:
    """Make one line of it: what a server or a plugin says may hold line breaks or control the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)
