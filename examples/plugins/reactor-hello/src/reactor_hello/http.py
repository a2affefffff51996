"""The routes."""

from __future__ import annotations

import falcon
import msgspec

from reactor_hello.service import ConfiguredGreeter, Greetings, StoredGreeting
from reactor_kernel.api import RequestContext, ValidationError

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


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
