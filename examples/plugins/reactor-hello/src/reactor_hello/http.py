"""The routes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import falcon
import msgspec

from reactor_hello.service import ConfiguredGreeter, Greetings, StoredGreeting, Tallies
from reactor_kernel.api import EventStream, RequestContext, SseEvent, ValidationError

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
POLL_SECONDS = 0.5


class NewGreeting(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /hello/v1/greetings`."""

    name: str


class GreetingResource:
    """`/hello/v1/greeting/{name}`."""

    def __init__(self, greeter: ConfiguredGreeter) -> None:
        self._greeter = greeter

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Greet; nothing is stored."""
        greeting = self._greeter.greet(name)
        resp.media = {"text": greeting.text} | ({} if greeting.seal is None else {"seal": greeting.seal})


class GreetingsResource:
    """`/hello/v1/greetings`."""

    def __init__(self, greetings: Greetings) -> None:
        self._greetings = greetings

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the organisation's greetings."""
        context: RequestContext = req.context
        found = self._greetings.newest(context.identity.org_id, _limit(req.params.get("limit")))
        resp.media = [_shown(greeting) for greeting in found]

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Store a greeting in the organisation."""
        context: RequestContext = req.context
        try:
            body = msgspec.json.decode(req.bounded_stream.read(), type=NewGreeting)
        except msgspec.DecodeError as exc:  # msgspec's own ValidationError is one, too
            raise ValidationError(f"the body is not a greeting: {exc}", hint='send {"name": "Ann"}') from exc
        resp.media = _shown(self._greetings.send(context.identity.org_id, body.name))
        resp.status = falcon.HTTP_201


class TallyResource:
    """`/hello/v1/tally/{name}`; public, because a tally tells nobody's greetings."""

    def __init__(self, tallies: Tallies, draining: Callable[[], bool], monotonic: Callable[[], float]) -> None:
        self._tallies = tallies
        self._draining = draining
        self._monotonic = monotonic

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Follow how often a name was greeted: now, and whenever it changes."""
        resp.content_type = "text/event-stream"
        resp.set_header("Cache-Control", "no-store")
        resp.stream = EventStream(self._changes(name), self._draining, self._monotonic)

    def _changes(self, name: str) -> Iterator[SseEvent | None]:
        shown: int | None = None
        while True:
            # Each look has a transaction of its own: one that lasts as long as a reader would hold up the database's cleaning.
            times = self._tallies.of(name)
            yield SseEvent("tally", {"name": name, "times": times}) if times != shown else None
            shown = times
            time.sleep(POLL_SECONDS)


def _limit(text: object) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_LIMIT):
        reason = f"must be a number from 1 to {MAX_LIMIT}"
        raise ValidationError(f"limit {reason}", fields={"limit": [reason]})
    return int(text)


def _shown(greeting: StoredGreeting) -> dict[str, str]:
    return {
        "id": greeting.id,
        "name": greeting.name,
        "text": greeting.text,
        "created_at": greeting.created_at.isoformat().replace("+00:00", "Z"),
    }
