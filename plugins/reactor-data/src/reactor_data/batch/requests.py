"""What the body of a batch says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal
from urllib.parse import unquote

import msgspec

from reactor_data.errors import DataError, invalid_body

MOST_REQUESTS = 100
PREFIX = "/data/v1/"
_RESERVED = frozenset(("health", "openapi.json", "metrics", "rpc", "_admin", "_batch", "orgs", ""))


class SubRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request of a batch. `body` is JSON as it is, or the text of another type as a string."""

    id: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    headers: dict[str, str] = {}
    body: Any = None

    @property
    def query(self) -> str:
        """The query string."""
        return self.path.partition("?")[2]

    def target(self) -> tuple[str, str]:
        """Return ("relation" or "function", its name). Raises 400 `invalid_body` for any other path."""
        path = self.path.partition("?")[0]
        rest = path.removeprefix(PREFIX)
        kind, name = "relation", rest
        if rest.startswith("rpc/"):
            kind, name = "function", rest.removeprefix("rpc/")
        name = unquote(name)
        if not path.startswith(PREFIX) or "/" in name or not name or (kind == "relation" and name in _RESERVED):
            raise invalid_body(
                f"request {self.id!r} asks for {path[:100]!r}, which a batch does not do",
                hint="Ask for /data/v1/{relation} or /data/v1/rpc/{function}.",
            )
        if any(pair.partition("=")[0] == "subscribe" for pair in self.query.split("&")):
            raise invalid_body(f"request {self.id!r} subscribes, which a batch cannot wait for")
        if kind == "function" and self.method not in ("GET", "HEAD", "POST"):
            raise DataError(
                405,
                "method_not_allowed",
                f"request {self.id!r}: functions do not answer {self.method}",
                pgrst="PGRST101",
            )
        return kind, name


# Postgres reads the numbers: on their way they must not be rounded to floats.
decode_exactly = msgspec.json.Decoder(float_hook=Decimal).decode
encode_exactly = msgspec.json.Encoder(decimal_format="number").encode


class BatchBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The requests in their order."""

    requests: list[SubRequest]


_BODY = msgspec.json.Decoder(BatchBody, float_hook=Decimal)


def read_batch(body: bytes) -> list[SubRequest]:
    """Return the requests of a body. Raises 400 `invalid_body`."""
    try:
        requests = _BODY.decode(body).requests
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid_body(
            f"the batch cannot be read: {error}",
            hint='Send {"requests": [{"id", "method", "path", "headers"?, "body"?}]}.',
        ) from error
    if not 1 <= len(requests) <= MOST_REQUESTS:
        raise invalid_body(f"a batch holds from 1 to {MOST_REQUESTS} requests, not {len(requests)}")
    seen: set[str] = set()
    for one in requests:
        if not (one.id.isascii() and one.id.replace("-", "").replace("_", "").isalnum() and len(one.id) <= 64):
            raise invalid_body(f"{one.id[:80]!r} is no id of a request", hint="Use letters, digits, - and _.")
        if one.id in seen:
            raise invalid_body(f"two requests of the batch have the id {one.id!r}")
        seen.add(one.id)
        one.target()
    return requests
