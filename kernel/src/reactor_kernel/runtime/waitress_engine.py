"""Serve with waitress: one loop thread for the sockets, a pool of threads for the application."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

from reactor_kernel.contributions import ServeRequest
from reactor_kernel.runtime import refusal
from reactor_kernel.runtime.waitress_requests import (
    DrainingTask,
    EnvelopeErrorTask,
    LimitedParser,
    ParserLimits,
    QuietDispatcher,
    RefusalError,
)

LOG = logging.getLogger("reactor_kernel.engine")

_LINGER_SECS = 5.0
_LINGER_BYTES = 16 * 1024 * 1024
_FIRST_REQUEST_SECS = 1.0


class Channel(HTTPChannel):  # type: ignore[misc]
    """One connection."""

    task_class = DrainingTask
    error_task_class = EnvelopeErrorTask
    lingers = False
    close_when_flushed: bool
    will_close: bool

    def __init__(self, server: Server, sock: socket.socket, addr: Any, adj: Any, map: Any = None) -> None:
        self.parser_class = server.new_parser
        self.served = 0
        self.lingering_since: float | None = None
        self.discarded = 0
        self._cork: list[bytes] | None = None
        super().__init__(server, sock, addr, adj, map=map)

    def service(self) -> None:
        """Answer one request on a pool thread."""
        self.served += 1
        self.lingers = isinstance(self.requests[0].error, RefusalError)
        super().service()

    @contextmanager
    def corked(self) -> Iterator[None]:
        """Collect what is written inside the block and send it as one."""
        collected: list[bytes] = []
        self._cork = collected
        try:
            yield
        finally:
            self._cork = None
        self.write_soon(b"".join(collected))

    def write_soon(self, data: Any) -> int:
        """Queue bytes for the client. Raises ClientDisconnected when it is gone."""
        if self._cork is not None:
            self._cork.append(data)
            return len(data)
        return int(super().write_soon(data))

    def handle_write(self) -> None:
        """Flush; a refused upload is then read and thrown away for a moment instead of being reset.

        Closing a socket with unread input makes the kernel send RST, and the client loses the very answer that
        tells it why.
        """
        if self.close_when_flushed and not self.will_close and self.lingers:
            if self.total_outbufs_len:
                self._flush_exception(self._flush_some)
            if not self.total_outbufs_len and self.connected and not self.will_close:
                self.close_when_flushed = False
                self.lingering_since = time.monotonic()
                try:
                    self.socket.shutdown(socket.SHUT_WR)
                except OSError as error:
                    if error.errno != errno.ENOTCONN:
                        raise
                    self.will_close = True
                return
        super().handle_write()

    def readable(self) -> bool:
        """Tell the loop whether to read."""
        return self.lingering_since is not None or bool(super().readable())

    def handle_read(self) -> None:
        """Read for the parser, or into nothing after a refusal."""
        if self.lingering_since is None:
            super().handle_read()
            return
        try:
            data = self.recv(65536)
        except OSError:
            self.handle_close()
            return
        self.discarded += len(data)
        if not data or self.discarded > _LINGER_BYTES:
            self.will_close = True

    def is_idle(self) -> bool:
        """Tell whether nothing was received, runs or waits to be sent."""
        return self.request is None and not self.requests and not self.total_outbufs_len

    def has_input(self) -> bool:
        """Tell whether bytes of a next request already wait in the socket."""
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Accepts on a listener it was handed, and can drain."""

    channel_class = Channel
    draining = False

    def __init__(self, limits: ParserLimits, request: ServeRequest, dispatcher: QuietDispatcher, adj: Any) -> None:
        self.limits = limits
        self.drain_ends = 0.0
        self.drain_began = 0.0
        listener = request.listener
        super().__init__(
            request.app,
            {},
            True,
            listener,
            dispatcher=dispatcher,
            adj=adj,
            bind_socket=False,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
        )
        self.server_name = self.effective_host

    def new_parser(self, adj: Any) -> LimitedParser:
        """Make the parser of one request."""
        return LimitedParser(self.limits)

    def maintenance(self, now: float) -> None:
        """Close what is idle or too slow: keep-alive, heads and bodies that dribble, answers nobody reads."""
        monotonic = time.monotonic()
        cutoff = now - self.adj.channel_timeout
        for channel in list(self.active_channels.values()):
            if channel.lingering_since is not None:
                if monotonic - channel.lingering_since > _LINGER_SECS:
                    channel.will_close = True
            elif self._refuse_if_overdue(channel, monotonic):
                continue
            elif channel.last_activity < cutoff and (not channel.requests or channel.total_outbufs_len):
                channel.will_close = True

    def _refuse_if_overdue(self, channel: Channel, monotonic: float) -> bool:
        with channel.requests_lock:
            request = channel.request
            if request is None or channel.requests or not request.is_overdue(monotonic):
                return False
            request.refuse(refusal.too_slow())
            channel.request = None
            channel.requests.append(request)
            self.add_task(channel)
            return True

    # -- drain, on the loop's thread ------------------------------------------------------------------------------

    def begin_drain(self, timeout: float) -> None:
        """Stop accepting; idle connections go, others may finish their request."""
        if self.draining:
            return
        self.draining = True
        self.drain_began = time.monotonic()
        self.drain_ends = self.drain_began + timeout
        # Connections the kernel has completed but nobody accepted yet would be reset by closing the listener.
        while True:
            before = len(self.active_channels)
            self.handle_accept()
            if len(self.active_channels) == before:
                break
        self.del_channel()
        self.accepting = False
        self.socket.close()
        self.close_idle()

    def close_idle(self) -> None:
        """Close connections that wait for a next request; a new one has a moment to send its first."""
        patient = time.monotonic() - self.drain_began < _FIRST_REQUEST_SECS
        for channel in list(self.active_channels.values()):
            if channel.is_idle() and not channel.has_input() and (channel.served or not patient):
                channel.will_close = True

    def finish(self) -> None:
        """Close what is left when the drain ends."""
        cut = [channel for channel in self.active_channels.values() if not channel.is_idle()]
        if cut:
            LOG.warning(
                "%d request(s) had not finished when the drain timeout ended; their connections are closed", len(cut)
            )
        for channel in list(self.active_channels.values()):
            channel.handle_close()


def serve(request: ServeRequest) -> None:
    """Serve until `request.stop` is set and what was in flight has ended."""
    option: Callable[[str, Any], Any] = request.options.get
    limits = ParserLimits(
        max_request_header_size=option("max_header_bytes", 65536),
        max_request_body_size=request.body_limit,
        inbuf_overflow=524288,
        url_scheme="http",
        limit_for=request.body_limit_for,
        cross_origin_headers=request.cross_origin_headers,
        header_timeout=option("header_timeout_secs", 30.0),
        body_grace=option("body_grace_secs", 30.0),
        body_bytes_per_second=option("body_bytes_per_second", 1024),
    )
    adj = Adjustments(
        sockets=[request.listener],
        threads=request.threads,
        ident="",
        # The kernel resolves forwarded addresses itself, from proxies it trusts.
        clear_untrusted_proxy_headers=False,
        channel_timeout=option("idle_timeout_secs", 75),
        cleanup_interval=option("cleanup_interval_secs", 5),
        connection_limit=option("connection_limit", 1000),
        # One request is read ahead, so that a client that goes away is noticed while its answer is streamed.
        channel_request_lookahead=1,
        asyncore_use_poll=True,
        expose_tracebacks=False,
        log_socket_errors=False,
    )
    dispatcher = QuietDispatcher()
    dispatcher.set_thread_count(request.threads)
    server = Server(limits, request, dispatcher, adj)

    def watch() -> None:
        request.stop.wait()
        server.trigger.pull_trigger(lambda: server.begin_drain(request.drain_timeout))

    watcher = threading.Thread(target=watch, name="reactor-waitress-stop", daemon=True)
    watcher.start()
    _loop(server)
    # The drain may have begun before the watcher was done with the trigger, whose descriptor is closed below.
    watcher.join()
    server.finish()
    dispatcher.shutdown(cancel_pending=True, timeout=0.5)
    if not dispatcher.threads:
        # A thread that overran still pulls the trigger at its end; the descriptor must not be somebody else's by then.
        server.trigger.close()


def _loop(server: Server) -> None:
    """Run the socket loop until the drain is over."""
    while not server.draining:
        wasyncore.poll2(1.0, server._map)
    while server.active_channels and (remaining := server.drain_ends - time.monotonic()) > 0:
        wasyncore.poll2(min(remaining, 0.1), server._map)
        server.maintenance(time.time())
        server.close_idle()
