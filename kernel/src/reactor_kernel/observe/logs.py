"""One JSON object per line (contract kernel.md §6.8), or coloured text for a person; secrets never get here."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from reactor_kernel.observe.backlog import Backlog
from reactor_kernel.observe.redact import redact, redact_text
from reactor_kernel.observe.requests import TARGET, Noted, line_of_request, record_of_request
from reactor_kernel.observe.ring import LogRing

if TYPE_CHECKING:
    from reactor_kernel.config.model import TracingConfig

__all__ = ["LogRing", "configure_logging", "current_request_id", "line_of", "note_request", "settle"]

current_request_id: ContextVar[str | None] = ContextVar("reactor_request_id", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLOURS = {"error": "\x1b[31m", "warn": "\x1b[33m", "info": "\x1b[32m", "debug": "\x1b[2m"}


def level_name(number: int) -> str:
    """The contract's name of a logging level."""
    return "error" if number >= 40 else "warn" if number >= 30 else "info" if number >= 20 else "debug"


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    """Turn a record into the object that is logged: redacted, with the request's id."""
    fields = {name: redact(name, value) for name, value in vars(record).items() if name not in _STANDARD}
    capability = fields.pop("capability", None) or record.name.partition(".")[0].removeprefix("reactor_")
    request_id = fields.pop("request_id", None) or current_request_id.get()
    line: dict[str, Any] = {
        "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": level_name(record.levelno),
        "target": record.name,
        "message": redact_text(record.getMessage()),
        "capability": capability,
    }
    if request_id:
        line["request_id"] = request_id
    if record.exc_info and record.exc_info[0] is not None:
        fields["exception"] = redact_text("".join(traceback.format_exception(*record.exc_info)).rstrip())
    line["fields"] = fields
    return line


def _unwritable(record: logging.LogRecord, error: Exception) -> tuple[dict[str, Any], bytes]:
    """Say that a record could not be logged as it is, with what is safe to show of it: its unformatted text."""
    text = f"a log line could not be written ({type(error).__name__}): {record.msg!s:.500}"
    plain = logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, "%s", (_valid(text),), None)
    line = line_of(plain)
    return line, msgspec.json.encode(line, enc_hook=str)


def _valid(value: Any) -> Any:
    """Replace what is no Unicode text, everywhere in a line."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_valid(key): _valid(item) for key, item in value.items()}
    return [_valid(item) for item in value] if isinstance(value, list) else value


class _Output(logging.Handler):
    """Writes each record to the stream and into the ring."""

    def __init__(self, stream: TextIO, ring: LogRing, *, pretty: bool) -> None:
        super().__init__()
        self._stream = stream
        self._ring = ring
        self._pretty = pretty
        self._colour = pretty and stream.isatty()
        assert self.lock is not None
        self.requests = Backlog(self._write_requests, self.lock)
        self.wants_requests = True
        ring.before_read = self.requests.settle

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record, after the requests that ended before it."""
        self.requests.settle()
        try:
            line, encoded = self._encoded(record)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a record must not end the request that logged it
            line, encoded = _unwritable(record, error)
        self._ring.append(encoded)
        self._print(self._render(line) if self._pretty else encoded.decode() + "\n")

    def flush(self) -> None:
        """Write the requests that were noted."""
        self.requests.settle()

    def _write_requests(self, batch: Sequence[Noted]) -> None:
        lines = [line_of_request(noted) for noted in batch]
        encoded = [msgspec.json.encode(line) for line in lines]
        self._ring.extend(encoded)
        if self._pretty:
            self._print("".join(self._render(msgspec.to_builtins(line)) for line in lines))
        else:
            self._print(b"\n".join([*encoded, b""]).decode())
        # Who added a handler of its own (an error tracker, a test) hears of requests as well.
        others = [handler for handler in logging.getLogger().handlers if not isinstance(handler, _Output)]
        if others:
            for noted in batch:
                record = record_of_request(noted)
                for handler in others:
                    if record.levelno >= handler.level:
                        handler.handle(record)

    def _print(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            pass  # the terminal or pipe is closed; the ring still has the line

    def _encoded(self, record: logging.LogRecord) -> tuple[dict[str, Any], bytes]:
        line = line_of(record)
        try:
            encoded = msgspec.json.encode(line, enc_hook=str)
        except UnicodeEncodeError:
            # A lone surrogate, as names of files have them.
            line = _valid(line)
            encoded = msgspec.json.encode(line, enc_hook=str)
        if len(encoded) > self._ring.longest:
            line["fields"] = {"cut": f"the line had {len(encoded)} bytes"}
            line["message"] = line["message"][: self._ring.longest // 8]
            encoded = msgspec.json.encode(line, enc_hook=str)
        return line, encoded

    def _render(self, line: Mapping[str, Any]) -> str:
        level = str(line["level"])
        mark = f"{_COLOURS[level]}{level:<5}\x1b[0m" if self._colour else f"{level:<5}"
        fields = "".join(f" {name}={value}" for name, value in line["fields"].items() if name != "exception")
        trace = str(line["fields"].get("exception", ""))
        shown = "".join("\n" + _harmless(part) for part in trace.split("\n")) if trace else ""
        said = _harmless(f"{line['target']}: {line['message']}{fields}")
        clock = str(line["timestamp"])[11:19]
        return f"{clock} {mark} {said}{shown}\n"


def _harmless(text: str) -> str:
    """Escape what would begin a line of its own or control the terminal; values come from outside."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _output() -> _Output | None:
    """Return the handler that the last configured kernel installed, while it is there."""
    for handler in logging.root.handlers:
        if type(handler) is _Output:
            return handler
    return None


def note_request(noted: Noted) -> bool:
    """Log a request soon, from a thread of its own; False where logging is not configured, so nothing was noted."""
    output = _output()
    if output is None:
        return False
    if output.wants_requests:
        output.requests.note(noted)
    return True


def settle() -> None:
    """Write the request lines that wait; for those about to end the process."""
    output = _output()
    if output is not None:
        output.requests.settle()


def configure_logging(
    config: TracingConfig, *, ring: LogRing, stream: TextIO | None = None, pretty: bool | None = None
) -> None:
    """Send every `reactor_*` logger to the stream and the ring, filtered by `[tracing] filter`.

    Logging is the process' own; the last kernel configured decides where the lines go.
    """
    handler = _Output(stream or sys.stderr, ring, pretty=config.fmt == "pretty" if pretty is None else pretty)
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Output)]:
        old.flush()
        root.removeHandler(old)
    root.addHandler(handler)
    # Loggers of plugins may be made later: they inherit the root's level. Libraries are kept to warnings by the handler.
    root.setLevel(config.filter.threshold(""))
    targets = set(config.filter.targets)

    def wanted(record: logging.LogRecord) -> bool:
        least = config.filter.threshold(record.name)
        own = record.name.startswith("reactor") or any(f"{record.name}.".startswith(f"{target}.") for target in targets)
        return record.levelno >= (least if own else max(least, logging.WARNING))

    handler.addFilter(wanted)
    handler.wants_requests = config.filter.threshold(TARGET) <= logging.INFO
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("reactor")]:
        logging.getLogger(name).setLevel(logging.NOTSET)
    for name in targets:
        logging.getLogger(name).setLevel(config.filter.threshold(name))
