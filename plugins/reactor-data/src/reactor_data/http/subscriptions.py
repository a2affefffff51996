"""`GET /data/v1/{relation}?subscribe=1`: changes as server-sent events (contract data.md §10.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from reactor_data.errors import DataError
from reactor_data.query.conditions import is_operation
from reactor_data.query.text import pairs
from reactor_data.realtime.feed import DataChanges
from reactor_kernel.api import (
    CHANGE_EVENTS,
    AuthClient,
    Change,
    ChangeStream,
    EventStream,
    Identity,
    OrgRef,
    SseEvent,
)

if TYPE_CHECKING:
    import falcon

_TOOK = ("text/event-stream", "text/*", "*/*")
_WANTED = re.compile(r"(?:^|&)subscribe=(?!(?:0|false)?(?:&|$))")
# Own parameters; `event` and `select` are told from filters on columns of that name by what they say.
_OWN = frozenset(("subscribe", "access_token", "last_event_id", "select"))
# Every route of the platform asks who calls; only this one takes a token from the address.
_ROUTE = re.compile(r"/data/v1/[^/]+\Z")
_TICK_SECS = 1.0
_encode = msgspec.json.Encoder().encode


def wanted(query_string: str) -> bool:
    """Tell whether a query string asks for a subscription."""
    return "subscribe=" in query_string and _WANTED.search(query_string) is not None


class Subscriptions:
    """Answers subscriptions.

    Args:
        auth: resolves a credential anew while its stream is open; None where no plugin offers that, and the identity of the
            request then holds until its claim `exp`.
    """

    def __init__(
        self,
        changes: DataChanges,
        auth: Callable[[], AuthClient | None],
        draining: Callable[[], bool],
        monotonic: Callable[[], float],
    ) -> None:
        self._changes = changes
        self._auth = auth
        self._draining = draining
        self._monotonic = monotonic

    def answer(self, req: falcon.Request, resp: falcon.Response, schema: str, relation: str) -> None:
        """Open a stream, or raise why there is none."""
        _demand_acceptable(req.get_header("Accept"))
        events, filters, select, after = _understand(req)
        identity: Identity = req.context.identity
        stream = self._changes.subscribe(
            identity,
            relation,
            schema=schema,
            events=events,
            filters=filters,
            select=select,
            after_seq=after,
            recheck=self._recheck(req),
        )
        try:
            req.context.claim_stream()
        except BaseException:
            stream.close()
            raise
        resp.content_type = "text/event-stream; charset=utf-8"
        resp.set_header("Cache-Control", "no-store")
        # Proxies that collect answers would hold events back.
        resp.set_header("X-Accel-Buffering", "no")
        resp.append_header("Vary", "Accept")
        frames = Frames(stream, req.context.abandoned)
        resp.stream = EventStream(frames, self._draining, self._monotonic, heartbeat=frames.heartbeat)

    def _recheck(self, req: falcon.Request) -> Callable[[], Identity] | None:
        auth, credential = self._auth(), credential_of(req)
        if auth is None or credential is None:
            return None
        org = req.get_header("X-Reactor-Org")
        return lambda: auth.resolve(credential, OrgRef(org) if org else None)


class Frames:
    """The frames of one stream; closing it ends the subscription.

    `abandoned` tells that the client went away, sooner than the next heartbeat would show it; None where nobody can tell.
    """

    def __init__(self, stream: ChangeStream, abandoned: Callable[[], bool] | None) -> None:
        self._stream = stream
        self._abandoned = abandoned
        self._told: int | None = None
        self._frames = self._run()

    def __iter__(self) -> Iterator[SseEvent | bytes | None]:
        return self

    def __next__(self) -> SseEvent | bytes | None:
        return next(self._frames)

    def close(self) -> None:
        """End the subscription."""
        self._stream.close()

    def heartbeat(self) -> bytes:
        """Return a comment, and where the outbox has moved on without anything for this subscriber, how far it is."""
        return b": ping\n" + self._position() + b"\n"

    def _position(self) -> bytes:
        cursor = self._stream.cursor
        if cursor is None or cursor == self._told:
            return b""
        self._told = cursor
        return b"id: %d\n" % cursor

    def _run(self) -> Iterator[SseEvent | bytes | None]:
        # Who reconnects before its first event must not miss what comes in between.
        if opening := self._position():
            yield opening + b"\n"
        while not self._stream.ended:
            one = self._stream.next(_TICK_SECS)
            if one is None:
                if self._abandoned is not None and self._abandoned():
                    return
                yield None
                continue
            self._told = self._stream.cursor
            where = b"" if self._told is None else b"id: %d\n" % self._told
            if isinstance(one, Change):
                yield b"%bevent: %b\ndata: %b\n\n" % (where, one.event.encode(), one.payload)
            else:
                yield b"%bevent: %b\ndata: %b\n\n" % (where, one.name.encode(), _encode(one.facts))


def credential_of(req: falcon.Request) -> str | None:
    """Return the token or API key that a subscription came with."""
    scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return req.get_header("X-Reactor-Api-Key") or token_in(req)


def token_in(req: falcon.Request) -> str | None:
    """Return the `access_token` of a subscription's query string: a browser's EventSource cannot set headers."""
    query = req.query_string
    if req.method != "GET" or "access_token=" not in query or not wanted(query) or not _ROUTE.match(req.path):
        return None
    return next((value for key, value in pairs(query) if key == "access_token" and value), None)


def _demand_acceptable(accept: str | None) -> None:
    entries = [entry.partition(";")[0].strip().lower() for entry in (accept or "*/*").split(",")]
    if not any(entry in _TOOK for entry in entries):
        raise DataError(
            406,
            "not_acceptable",
            f"None of these media types are available: {', '.join(entries)}",
            pgrst="PGRST107",
            hint="A subscription is answered as text/event-stream.",
        )


def _understand(req: falcon.Request) -> tuple[tuple[str, ...], str, str, int | None]:
    """Return the events, the filters as they were sent, the select, and where to go on."""
    events: tuple[str, ...] = CHANGE_EVENTS
    select, after = "*", req.get_header("Last-Event-ID")
    filters: list[str] = []
    for part in req.query_string.split("&"):
        for key, value in pairs(part):
            if key == "event" and not is_operation(value):
                events = tuple(value.split(","))
            elif key in _OWN and is_operation(value) and key != "select":
                filters.append(part)
            elif key == "select":
                select = value
            elif key == "last_event_id":
                after = after or value
            elif key not in _OWN:
                filters.append(part)
    return events, "&".join(filters), select, _number(after)


def _number(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise DataError(
            400,
            "invalid_query",
            "the last event id is not a number",
            hint="Send the id of the last event received as Last-Event-ID or last_event_id=.",
        )
    return int(text)
