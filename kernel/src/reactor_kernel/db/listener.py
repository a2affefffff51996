"""Hears NOTIFY on one connection of its own and calls the handlers."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

_log = logging.getLogger("reactor_kernel")
Handler = Callable[[str | None], None]
_LONGEST_PAUSE = 10.0


class Listener:
    """Calls handlers for each notification, and with None whenever some may have been missed."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._lock = threading.Lock()
        self._handlers: dict[str, list[Handler]] = {}
        self._new: list[Handler] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._wake: tuple[int, int] | None = None

    def add(self, channel: str, handler: Handler) -> None:
        """Register a handler; while the listener runs it is heard from its next turn on."""
        with self._lock:
            self._handlers.setdefault(channel, []).append(handler)
            self._new.append(handler)
            self._nudge()

    def start(self) -> None:
        """Start listening in a thread; the connection is made there."""
        with self._lock:
            if self._thread is not None:
                return
            self._stop = threading.Event()
            self._wake = os.pipe()
            self._thread = threading.Thread(
                target=self._run, args=(self._stop, *self._wake), name="reactor-listener", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Stop listening and wait for the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
            self._nudge()
        if thread is not None and thread is not threading.current_thread():
            thread.join(10)

    def _nudge(self) -> None:
        if self._wake is not None:
            os.write(self._wake[1], b".")

    def _run(self, stop: threading.Event, wake: int, wake_end: int) -> None:
        pause = 0.1
        try:
            while not stop.is_set():
                try:
                    with psycopg.Connection.connect(self._conninfo, autocommit=True) as connection:
                        # Also what comes while LISTEN is answered, which psycopg reads itself.
                        connection.add_notify_handler(lambda note: self._hear(note.channel, note.payload))
                        heard: set[str] = set()
                        self._subscribe(connection, heard)
                        pause = 0.1
                        self._listen(connection, heard, stop, wake)
                except psycopg.Error as problem:
                    if stop.is_set():
                        return
                    _log.warning("notifications are interrupted, next try in %.1f s: %s", pause, str(problem).strip())
                    stop.wait(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            with self._lock:
                if self._wake == (wake, wake_end):
                    self._wake = None
            os.close(wake)
            os.close(wake_end)

    def _listen(self, connection: psycopg.Connection[Any], heard: set[str], stop: threading.Event, wake: int) -> None:
        for handlers in list(self._handlers.values()):
            for handler in list(handlers):
                self._call(handler, None)
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        poll.register(wake, select.POLLIN)
        pgconn = connection.pgconn
        while not stop.is_set():
            ready = {descriptor for descriptor, _ in poll.poll()}
            if wake in ready:
                os.read(wake, 4096)
                for handler in self._subscribe(connection, heard):
                    self._call(handler, None)
            if connection.fileno() in ready:
                pgconn.consume_input()
            while (note := pgconn.notifies()) is not None:
                self._hear(note.relname.decode(), note.extra.decode("utf-8", "replace"))

    def _hear(self, channel: str, payload: str) -> None:
        for handler in list(self._handlers.get(channel, ())):
            self._call(handler, payload)

    def _subscribe(self, connection: psycopg.Connection[Any], heard: set[str]) -> list[Handler]:
        with self._lock:
            new, self._new = self._new, []
            channels = [channel for channel in self._handlers if channel not in heard]
        for channel in channels:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            heard.add(channel)
        return new

    def _call(self, handler: Handler, payload: str | None) -> None:
        try:
            handler(payload)
        except Exception:  # noqa: BLE001 - a handler of one capability must not deafen the others
            _log.exception("a notification handler failed")
