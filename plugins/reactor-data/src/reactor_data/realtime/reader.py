"""The one reader of a process: woken by NOTIFY, it reads the outbox and hands its changes to the streams."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence

from reactor_data.realtime.audience import Audience
from reactor_data.realtime.outbox import Entry, Outbox, Snapshot
from reactor_data.realtime.recording import CHUNK
from reactor_data.realtime.stream import Stream
from reactor_kernel.api import Clock, ReactorError

# A commit that found another one waking the readers has not woken them itself.
LOOK_EVERY_SECS = 0.25
RECHECK_EVERY_SECS = 5.0
_LONGEST_PAUSE = 5.0
# As many changes are authorised by one statement, so that streams are read while more is being found out.
SLICE = 256

Piece = tuple[Entry, int, int]


class ChangeReader:
    """Reads while there are streams, on a thread that lives as long as they do."""

    def __init__(self, outbox: Outbox, audience: Audience, clock: Clock, log: logging.Logger) -> None:
        self._outbox = outbox
        self._audience = audience
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._streams: dict[Stream, None] = {}
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()
        self._closed = False
        # Everything `_seen` sees was handed out, and of what `_target` sees beyond it the rows up to number `_after`.
        self._seen = Snapshot(0, frozenset())
        self._target: Snapshot | None = None
        self._after = 0
        self._rechecked = 0.0

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: Stream) -> None:
        """Hand a stream everything that commits from now on."""
        with self._lock:
            if self._thread is None:
                self._seen, self._target = self._outbox.now(), None
                self._thread = threading.Thread(target=self._run, name="reactor-data-changes", daemon=True)
                self._streams[stream] = None
                self._thread.start()
            self._streams[stream] = None

    def remove(self, stream: Stream) -> None:
        """Forget a stream."""
        with self._lock:
            self._streams.pop(stream, None)

    def heard(self, payload: str | None) -> None:
        """Look at the outbox soon: something was written, or a notice may have been missed."""
        self._woken.set()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._woken.set()

    def _run(self) -> None:
        pause = 0.0
        while True:
            self._woken.wait(pause or LOOK_EVERY_SECS)
            self._woken.clear()
            with self._lock:
                if self._closed or not self._streams:
                    self._thread = None
                    return
            try:
                self._turn()
                pause = 0.0
            except ReactorError as error:
                if not pause:
                    self._log.warning("changes cannot be read at the moment: %s", error)
                pause = min(max(pause * 2, LOOK_EVERY_SECS), _LONGEST_PAUSE)
            except Exception:  # noqa: BLE001 - a reader that is gone would be missed by nobody but the subscribers
                self._log.exception("changes could not be handed out; they are tried again")
                pause = _LONGEST_PAUSE

    def _turn(self) -> None:
        """Hand out what was committed since the last turn; after a failure the next turn goes on where it failed."""
        if self._clock.monotonic() - self._rechecked >= RECHECK_EVERY_SECS:
            self._fresh(self._listening())
            self._rechecked = self._clock.monotonic()
        if self._target is None:
            target = self._outbox.now()
            if target == self._seen:
                return
            self._target, self._after = target, 0
        for page in self._outbox.between(self._seen, self._target, after=self._after):
            for pieces in slices(page):
                # Taken after the page was read: whoever came before it is here, whoever came later began behind it.
                streams = self._fresh(self._listening())
                received = self._audience.deliveries(pieces, streams)
                entry, _, last = pieces[-1]
                whole = last >= len(entry.event.keys)
                for stream, deliveries in received.items():
                    stream.push(deliveries, entry.seq + CHUNK - 1 if whole else None)
                self._after = entry.seq if whole else self._after
        self._seen, self._target = self._target, None

    def _listening(self) -> list[Stream]:
        with self._lock:
            return list(self._streams)

    @staticmethod
    def _fresh(streams: Sequence[Stream]) -> list[Stream]:
        return [stream for stream in streams if stream.refresh()]


def slices(entries: Sequence[Entry]) -> Iterator[list[Piece]]:
    """Cut a page into portions of about SLICE changes, each a list of entries with the places to look at."""
    portion: list[Piece] = []
    room = SLICE
    for entry in entries:
        count, first = len(entry.event.keys), 0
        while True:
            last = min(first + room, count)
            portion.append((entry, first, last))
            room -= max(1, last - first)
            if room <= 0:
                yield portion
                portion, room = [], SLICE
            first = last
            if first >= count:
                break
    if portion:
        yield portion
