"""Reading the outbox: which rows are new, and how a reader knows what it has.

Sequence numbers are given when a row is written, and become visible when its transaction commits: a reader that remembers
the highest number misses whatever commits later with a lower one. So a reader remembers a snapshot. What is new is what was
in progress or not begun then and is visible now: `xid >= xmax or xid = any(xip)`. A long transaction holds nobody up, and
nothing is read twice.

A client remembers one number only. Its row carries the snapshot of the statement that wrote it, and that is enough: rows are
read in batches in the order of their numbers, so everything visible to that statement was delivered before. What the row's
statement could not see is delivered again or for the first time – at least once, and never missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from reactor_data.realtime.recording import CHUNK
from reactor_kernel.api import Database, RawResult, Statement

PAGE = 64
_UTC = {"timezone": "UTC"}

_NOW = Statement("select pg_current_snapshot()::text")
_ROWS = "select seq, xid, event, to_json(created_at) from _reactor_data.realtime_outbox"
# A row of another cluster (restored from a dump) may bear the number of a transaction that is still to come here.
_NEW = "(xid >= $1::bigint or xid = any($2::bigint[])) and xid < $3::bigint and not xid = any($4::bigint[])"
_AFTER = Statement(f"{_ROWS} where {_NEW} and seq > $5::bigint order by seq limit {PAGE}")
# Its own transaction counts as visible in a row's snapshot, so that what it wrote after the row is told by the number.
_RESUME = Statement(
    f"{_ROWS} where (({_NEW} and xid <> $6::bigint) or (xid = $6::bigint and seq >= $7::bigint)) and seq > $5::bigint"
    f" order by seq limit {PAGE}"
)
_FIND = Statement(
    "select xid, snapshot, pg_current_snapshot()::text from _reactor_data.realtime_outbox where seq = $1::bigint"
)
_FIRST = Statement("select seq from _reactor_data.realtime_outbox order by seq limit 1")
_REACHES = Statement("select exists (select from _reactor_data.realtime_outbox where seq <= $1::bigint)")
_NEWEST = Statement(
    "select seq from _reactor_data.realtime_outbox where xid < $1::bigint and not xid = any($2::bigint[])"
    " order by seq desc limit 1"
)
_SWEEP = """
delete from _reactor_data.realtime_outbox where seq < (
  select max(seq) from (
    select seq from _reactor_data.realtime_outbox
    where seq <= coalesce((select seq from _reactor_data.realtime_outbox
                           where created_at >= clock_timestamp() - make_interval(secs => $1::float8)
                           order by seq limit 1),
                          (select max(seq) from _reactor_data.realtime_outbox))
    order by seq limit $2::int) as old)
"""


class Snapshot(NamedTuple):
    """Which transactions had committed: all below `xmax` but those in `running` and at or above `xmax`."""

    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Read Postgres' `xmin:xmax:xip,…`."""
        _, xmax, running = text.split(":")
        return cls(int(xmax), frozenset(map(int, running.split(","))) if running else frozenset())

    def sees(self, xid: int) -> bool:
        """Tell whether a transaction had committed."""
        return xid < self.xmax and xid not in self.running


class Event(msgspec.Struct, frozen=True):
    """What a trigger recorded. `keys` are JSON values, arrays where the key has several columns."""

    op: str
    schema: str = ""
    table: str = ""
    key: tuple[str, ...] = ()
    keys: list[msgspec.Raw] = []
    old: list[msgspec.Raw] | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the outbox. `timestamp` is ISO 8601."""

    seq: int
    xid: int
    event: Event
    timestamp: str


@dataclass(frozen=True, slots=True)
class Position:
    """Where a client is: behind change `seq` of transaction `xid`, which was written under `snapshot`."""

    seq: int
    xid: int
    snapshot: Snapshot


_decode_event = msgspec.json.Decoder(Event).decode
_decode_text = msgspec.json.Decoder(str).decode


class Outbox:
    """The outbox of one database, read as its owner."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def now(self) -> Snapshot:
        """Return which transactions have committed."""
        (result,) = self._db.run(None, [_NOW], readonly=True)
        return Snapshot.parse(_text(result.rows[0][0]))

    def newest(self, seen: Snapshot) -> int | None:
        """Return the highest number of the rows a snapshot sees."""
        (result,) = self._db.run(None, [Statement(_NEWEST.sql, (str(seen.xmax), _array(seen.running)))], readonly=True)
        return int(result.rows[0][0] or 0) if result.rows else None

    def position(self, seq: int) -> Position | None:
        """Find where a client is that received change `seq` last; None where the outbox no longer goes back so far.

        0 is the place before the first change there ever was.
        """
        if seq == 0:
            (first,) = self._db.run(None, [_FIRST], readonly=True)
            if not first.rows or int(first.rows[0][0] or 0) != CHUNK:
                return None
            seq = CHUNK
        (found,) = self._db.run(None, [Statement(_FIND.sql, (str(seq - seq % CHUNK),))], readonly=True)
        if not found.rows:
            return None
        xid, written, now = found.rows[0]
        snapshot = Snapshot.parse(_text(written))
        if snapshot.xmax > Snapshot.parse(_text(now)).xmax:
            return None  # written by another cluster, of which this one is a restored copy
        return Position(seq, int(xid or 0), snapshot)

    def reaches(self, seq: int) -> bool:
        """Tell whether nothing behind row `seq` was swept: rows are swept in the order of their numbers."""
        (result,) = self._db.run(None, [Statement(_REACHES.sql, (str(seq),))], readonly=True)
        return result.rows[0][0] == b"t"

    def between(self, seen: Snapshot, target: Snapshot, *, after: int = 0) -> Iterator[list[Entry]]:
        """Yield pages of what `target` sees and `seen` does not, in the order of numbers, beginning behind row `after`."""
        fixed = (str(seen.xmax), _array(seen.running), str(target.xmax), _array(target.running))
        return self._pages(_AFTER.sql, fixed, (), after)

    def behind(self, position: Position, target: Snapshot) -> Iterator[list[Entry]]:
        """Yield pages of what `target` sees and a client at `position` may not have received; the last may be empty."""
        seen = position.snapshot
        fixed = (str(seen.xmax), _array(seen.running), str(target.xmax), _array(target.running))
        return self._pages(_RESUME.sql, fixed, (str(position.xid), str(position.seq - position.seq % CHUNK)), 0)

    def sweep(self, keep_secs: float, most: int = 5000) -> int:
        """Delete rows older than `keep_secs`, at most about `most`, but never the newest; return how many."""
        (result,) = self._db.run(None, [Statement(_SWEEP, (str(keep_secs), str(most)))])
        return result.affected

    def _pages(self, sql: str, fixed: tuple[str, ...], more: tuple[str, ...], after: int) -> Iterator[list[Entry]]:
        while True:
            statement = Statement(sql, (*fixed, str(after), *more))
            (result,) = self._db.run(None, [statement], readonly=True, settings=_UTC)
            entries = _entries(result)
            yield entries
            if len(entries) < PAGE:
                return
            after = entries[-1].seq


def _entries(result: RawResult) -> list[Entry]:
    return [
        Entry(int(seq or 0), int(xid or 0), _decode_event(event or b""), _decode_text(at or b""))
        for seq, xid, event, at in result.rows
    ]


def _array(numbers: frozenset[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
