"""`GET /_admin/logs`: a snapshot of the ring, or a stream that follows it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import falcon
import msgspec

from reactor_kernel.contracts.runtime import Clock
from reactor_kernel.errors import ValidationError
from reactor_kernel.http.sse import EventStream, SseEvent
from reactor_kernel.observe.ring import LogRing

_DURATION = re.compile(r"([0-9]{1,9})([smhd])\Z")
_NUMBER = re.compile(r"[0-9]{1,19}\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LEVELS = ("debug", "info", "warn", "error")
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines are wanted."""

    capabilities: frozenset[str]
    since: datetime | None
    level: str
    limit: int

    def wants(self, line: dict[str, Any]) -> bool:
        """Tell whether a line matches."""
        if self.capabilities and line.get("capability") not in self.capabilities:
            return False
        if _LEVELS.index(line["level"]) < _LEVELS.index(self.level):
            return False
        return self.since is None or datetime.fromisoformat(line["timestamp"]) >= self.since


def parse_query(req: falcon.Request, clock: Clock) -> LogQuery:
    """Read `capability`, `since`, `level` and `limit`; raise ValidationError naming the parameter."""
    names = req.get_param_as_list("capability") or []
    level = (req.get_param("level") or "debug").lower().replace("warning", "warn")
    if level not in _LEVELS:
        raise ValidationError(
            f"level must be one of {', '.join(_LEVELS)}, not {level!r}", fields={"level": ["unknown"]}
        )
    limit_text = req.get_param("limit") or "100"
    if not _NUMBER.match(limit_text) or not 1 <= int(limit_text) <= 1000:
        raise ValidationError("limit must be a number from 1 to 1000", fields={"limit": [limit_text]})
    return LogQuery(
        frozenset(part for name in names for part in name.split(",") if part),
        _since(req.get_param("since"), clock),
        level,
        int(limit_text),
    )


def _since(text: str | None, clock: Clock) -> datetime | None:
    if not text:
        return None
    try:
        if found := _DURATION.match(text):
            return clock.now() - timedelta(**{_UNITS[found[2]]: int(found[1])})
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        raise ValidationError(
            f"since must be a duration such as 30m or an RFC 3339 time, not {text!r}", fields={"since": [text]}
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Logs:
    """The log of all workers."""

    def __init__(self, ring: LogRing, clock: Clock, draining: Callable[[], bool]) -> None:
        self._ring = ring
        self._clock = clock
        self._draining = draining

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """A JSON array of the newest lines that match."""
        query = parse_query(req, self._clock)
        _, lines, _ = self._ring.read(self._ring.start(), limit=1 << 30)
        found: list[dict[str, Any]] = []
        for _, raw in reversed(lines):
            line = msgspec.json.decode(raw)
            if query.wants(line):
                found.append(line)
                if len(found) == query.limit:
                    break
        resp.data = msgspec.json.encode(found[::-1])
        resp.content_type = "application/json; charset=utf-8"


class LogStream(Logs):
    """The same log as server-sent events."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Follow the log, from `Last-Event-ID` where it is given."""
        query = parse_query(req, self._clock)
        last = req.get_header("Last-Event-ID") or req.get_param("last_event_id")
        if last is not None and not _NUMBER.match(last):
            raise ValidationError("Last-Event-ID must be a number that this stream sent")
        req.context.claim_stream()
        resp.content_type = "text/event-stream"
        resp.set_header("Cache-Control", "no-store")
        resp.set_header("X-Accel-Buffering", "no")
        resp.stream = EventStream(self._follow(query, last), self._draining, self._clock.monotonic)

    def _follow(self, query: LogQuery, last: str | None) -> Iterator[SseEvent | None]:
        cursor = self._ring.after_id(int(last)) if last is not None else self._ring.end()
        if last is not None and not self._ring.gave(int(last)):
            # What the server wrote before it was started again is gone, and nobody knows how much of it was read.
            lost, lines, cursor = self._ring.read(cursor, limit=0)
            yield SseEvent("lagged", {"dropped": lost, "restarted": True})
        while True:
            lost, lines, cursor = self._ring.read(cursor)
            if lost:
                yield SseEvent("lagged", {"dropped": lost})
            for line_id, raw in lines:
                line = msgspec.json.decode(raw)
                if query.wants(line):
                    yield SseEvent("log", line, str(line_id))
            yield None
            if not lines:
                time.sleep(_POLL_SECONDS)
