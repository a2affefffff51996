"""Reading the tables: plain text that says what is sent and what must come back.

```
# Comments and, before the first case, settings of [data] as TOML.
max_limit = 3

### the name of a case
PATCH films?id=eq.1
Prefer: return=representation

{"year": 1963}
200
Content-Range: 0-0/*
[{"id": 1, "year": 1963}]
```

A case is one or more exchanges. An exchange is a request line (path below `/data/v1/`), request headers, a body, then the status
alone on a line, response headers and the body. `As: bob` is no header: it says who asks (`ann` where it is absent).

What is written must hold, headers that are not written may be anything, and:

* `Name: -` means that the header is absent, `Name: <any>` that it is there;
* no body means an empty body, `...` any body;
* JSON is compared as JSON, and the keys of objects with their order; `"<any>"` in it stands for any value;
* of an error (300 and above) only the keys written are compared.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_REQUEST = re.compile(r"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (\S.*)\Z")
_HEADER = re.compile(r"([A-Za-z][A-Za-z-]*): ?(.*)\Z")
_STATUS = re.compile(r"[1-5]\d\d\Z")
_READS = ("GET", "HEAD", "OPTIONS")


@dataclass
class Exchange:
    """A request and the answer to it."""

    method: str
    path: str
    line: int
    headers: dict[str, str] = field(default_factory=dict)
    content: str = ""
    status: int = 0
    expected_headers: dict[str, str] = field(default_factory=dict)
    expected: str = ""

    @property
    def caller(self) -> str:
        """Who asks."""
        return self.headers.get("As", "ann")


@dataclass
class Case:
    """Exchanges that are made one after the other."""

    topic: str
    name: str
    settings: dict[str, Any]
    exchanges: list[Exchange]

    @property
    def id(self) -> str:
        """The name of the test."""
        return f"{self.topic}: {self.name}"

    @property
    def writes(self) -> bool:
        """Tell whether the rows may have changed afterwards."""
        return any(one.method not in _READS for one in self.exchanges)


def read_tables(directory: Path) -> list[Case]:
    """Read all tables of a directory. A name that occurs twice, or a text that is no case, is an error with its place."""
    cases: dict[str, Case] = {}
    for file in sorted(directory.glob("*.http")):
        for case in _cases(file):
            if case.id in cases:
                raise ValueError(f"{file.name} has two cases named {case.name!r}")
            cases[case.id] = case
    return list(cases.values())


def _cases(file: Path) -> Iterator[Case]:
    lines = file.read_text(encoding="utf-8").split("\n")
    starts = [number for number, line in enumerate(lines) if line.startswith("### ")]
    settings = tomllib.loads("\n".join(lines[: starts[0]]))
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        name = lines[start].removeprefix("### ").strip()
        exchanges = list(_exchanges(lines[start + 1 : end], f"{file.name}:{start + 1}", start + 2))
        if not exchanges:
            raise ValueError(f"{file.name}:{start + 1}: the case has no request")
        yield Case(file.stem, name, settings, exchanges)


def _exchanges(lines: list[str], place: str, first: int) -> Iterator[Exchange]:
    current: Exchange | None = None
    headers: dict[str, str] | None = None
    body: list[str] = []

    def close() -> Exchange | None:
        if current is not None:
            if not current.status:
                raise ValueError(f"{place}: {current.method} {current.path} has no status")
            current.expected = "\n".join(body).strip("\n")
        return current

    for number, line in enumerate(lines, first):
        request = _REQUEST.match(line)
        if request is not None and (current is None or current.status):
            if (done := close()) is not None:
                yield done
            current, body = Exchange(request.group(1), request.group(2), number), []
            headers = current.headers
        elif current is None:
            if line.strip() and not line.startswith("#"):
                raise ValueError(f"{place}: {line!r} stands before any request")
        elif headers is not None and not body and (header := _HEADER.match(line)):
            # As a server joins a header that is sent twice.
            name, value = header.groups()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        elif not current.status and _STATUS.match(line):
            current.content, body = "\n".join(body).strip("\n"), []
            current.status, headers = int(line), current.expected_headers
        elif line or body:
            body.append(line)
    if (last := close()) is not None:
        yield last


def differences(exchange: Exchange, status: int, headers: Any, text: str) -> list[str]:
    """Say in which way an answer is not the expected one."""
    found = [] if status == exchange.status else [f"status {status}, expected {exchange.status}"]
    for name, value in exchange.expected_headers.items():
        actual = headers.get(name, "-")
        if value == "<any>" and actual == "-":
            found.append(f"{name} is absent")
        elif value not in ("<any>", actual):
            found.append(f"{name}: {actual}, expected {value}")
    if exchange.expected != "..." and not _same_body(exchange, text):
        found.append(f"body {text or 'empty'}, expected {exchange.expected or 'empty'}")
    return found


def _same_body(exchange: Exchange, text: str) -> bool:
    if exchange.expected[:1] not in ("{", "[", '"', "n", "t", "f") and not re.match(r"-?\d", exchange.expected):
        return text.rstrip("\n") == exchange.expected
    try:
        wanted = json.loads(exchange.expected)
    except ValueError:
        return text.rstrip("\n") == exchange.expected
    try:
        found = json.loads(text)
    except ValueError:
        return False
    if exchange.status >= 300 and isinstance(wanted, dict) and isinstance(found, dict):
        return all(key in found and _same(value, found[key], ordered=False) for key, value in wanted.items())
    return _same(wanted, found, ordered=True)


def _same(wanted: Any, found: Any, *, ordered: bool) -> bool:
    if wanted == "<any>":
        return True
    if isinstance(wanted, dict) and isinstance(found, dict):
        keys = list(wanted) == list(found) if ordered else set(wanted) <= set(found)
        return keys and all(_same(value, found[key], ordered=ordered) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(
            _same(one, other, ordered=ordered) for one, other in zip(wanted, found, strict=True)
        )
    return type(wanted) is type(found) and bool(wanted == found)
