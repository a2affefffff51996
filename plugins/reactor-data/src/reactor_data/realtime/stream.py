"""One subscriber's stream: what it catches up on, then a bounded queue that the reader fills."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from reactor_data.realtime.outbox import Snapshot
from reactor_data.realtime.watching import Watch
from reactor_kernel.api import (
    Change,
    ChangeSignal,
    Clock,
    DatabaseUnavailable,
    Identity,
    InvalidCredential,
    PoolTimeout,
    ReactorError,
)

QUEUE = 1024
_log = logging.getLogger("reactor_data")

Delivery = Change | ChangeSignal


class Stream:
    """Implements `ChangeStream`. One thread reads it, the reader's thread fills it."""

    def __init__(
        self,
        watch: Watch,
        identity: Identity,
        *,
        recheck: Callable[[], Identity] | None,
        wake: Callable[[], None] | None,
        clock: Clock,
        on_close: Callable[[Stream], None],
    ) -> None:
        self.watch = watch
        self._identity = identity
        self._recheck = recheck
        self._wake = wake
        self._clock = clock
        self._on_close = on_close
        self._changed = threading.Condition()
        self._queue: deque[tuple[int, Delivery]] = deque()  # with the transaction each is of
        self._start: Snapshot | None = None
        self._backlog: Iterator[Delivery | None] | None = None
        self._mark: int | None = None
        self._cursor: int | None = None
        self._last: ChangeSignal | None = None
        self._ended = False
        self._expires = _expiry(identity)

    # -- for its reader ---------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Tell whether nothing will come any more."""
        return self._ended

    @property
    def cursor(self) -> int | None:
        """The number to go on behind, after what `next` returned last.

        It never falls: a change that committed late has a lower number than others that were received, and going on behind
        that one would bring all of them again.
        """
        return self._cursor

    def next(self, timeout: float) -> Delivery | None:
        """Return what comes next, waiting at most `timeout` seconds."""
        if self._ended:
            return None
        if self._expires is not None and self._clock.now().timestamp() >= self._expires:
            return self._finish(
                ChangeSignal("token_expired", {"code": "token_expired", "message": "the token expired"})
            )
        if self._backlog is not None:
            return self._counted(self._catch_up(self._backlog))
        with self._changed:
            if not self._queue and self._last is None:
                self._changed.wait(timeout)
            if self._queue:
                return self._counted(self._queue.popleft()[1])
            last = self._last
            if last is None and self._mark is not None:
                # The outbox has moved on, and there was nothing in it for this subscriber.
                self._cursor = max(self._mark, self._cursor or 0)
        return None if last is None else self._finish(last)

    def identify(self, identity: Identity, recheck: Callable[[], Identity] | None = None) -> None:
        """Go on as this identity."""
        with self._changed:
            self._identity, self._recheck, self._expires = identity, recheck, _expiry(identity)

    def close(self) -> None:
        """End it."""
        with self._changed:
            self._ended = True
            self._queue.clear()
            self._changed.notify_all()
        self._on_close(self)

    def _catch_up(self, backlog: Iterator[Delivery | None]) -> Delivery | None:
        try:
            return next(backlog)
        except StopIteration:
            self._backlog = None
            return None
        except ReactorError as error:
            return self._finish(error_signal(error))

    def _counted(self, one: Delivery | None) -> Delivery | None:
        if one is not None and one.seq is not None:
            self._cursor = max(one.seq, self._cursor or 0)
        return one

    def _finish(self, last: ChangeSignal) -> ChangeSignal:
        self.close()
        return last

    # -- for what fills it ------------------------------------------------------------------------------------------

    @property
    def identity(self) -> Identity:
        """Whose eyes see, as last checked."""
        return self._identity

    @property
    def start(self) -> Snapshot:
        """Where live changes begin; asked for after `begin`."""
        assert self._start is not None
        return self._start

    def begin(
        self, start: Snapshot, backlog: Iterator[Delivery | None] | None, *, cursor: int | None, mark: int | None
    ) -> None:
        """Let live changes count from a snapshot on, after a backlog that leads from `cursor` up to `mark` and to it."""
        with self._changed:
            self._start, self._backlog, self._mark = start, backlog, mark
            self._cursor = mark if backlog is None else cursor
            self._queue = deque(pair for pair in self._queue if not start.sees(pair[0]))

    def refresh(self) -> bool:
        """Ask for the identity anew; False where it no longer holds, and the stream then ends.

        Raises:
            DatabaseUnavailable, PoolTimeout: nobody can tell at the moment.
        """
        recheck = self._recheck
        if self._ended or self._last is not None:
            return False
        if recheck is None:
            return True
        try:
            identity = recheck()
        except (DatabaseUnavailable, PoolTimeout):
            raise
        except InvalidCredential as error:
            self.end(ChangeSignal("token_expired", _facts(error)))
            return False
        except ReactorError as error:
            self.end(error_signal(error))
            return False
        except Exception:  # noqa: BLE001 - another plugin's code must not end everybody's delivery
            _log.exception("an identity could not be checked; its stream ends")
            self.end(ChangeSignal("error", {"code": "internal_error", "message": "the identity could not be checked"}))
            return False
        with self._changed:
            if self._recheck is recheck:
                self._identity = identity
        return True

    def push(self, deliveries: Sequence[tuple[int, Delivery]], mark: int | None) -> None:
        """Queue what the subscriber receives, by transaction; without room the stream ends with `overflow` behind what fits."""
        with self._changed:
            if self._last is not None or self._ended:
                return
            start = self._start
            if start is not None and deliveries:
                deliveries = [pair for pair in deliveries if not start.sees(pair[0])]
            room = QUEUE - len(self._queue)
            self._queue.extend(deliveries[:room])
            if len(deliveries) > room:
                self._last = ChangeSignal("overflow", {"code": "overflow", "message": "the subscriber is too slow"})
                self._mark = None
            elif mark is not None:
                self._mark = mark
            if not deliveries:
                return
            self._changed.notify()
        self._call()

    def end(self, signal: ChangeSignal) -> None:
        """Drop what is queued and end with a signal."""
        with self._changed:
            self._queue.clear()
            self._backlog = None
            if self._last is None:
                self._last = signal
            self._changed.notify()
        self._call()

    def _call(self) -> None:
        if self._wake is None:
            return
        try:
            self._wake()
        except Exception:  # noqa: BLE001 - another plugin's code must not end everybody's delivery
            _log.exception("a subscriber could not be woken")


def error_signal(error: ReactorError) -> ChangeSignal:
    """Return the last signal of a stream that an error ends."""
    return ChangeSignal("error", _facts(error))


def _facts(error: ReactorError) -> dict[str, object]:
    facts: dict[str, object] = {"code": error.error_code, "message": error.message}
    if error.error_hint is not None:
        facts["hint"] = error.error_hint
    return facts


def _expiry(identity: Identity) -> float | None:
    expires = identity.claims.get("exp")
    return float(expires) if isinstance(expires, (int, float)) else None
