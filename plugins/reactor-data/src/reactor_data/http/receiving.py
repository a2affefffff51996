"""Bodies that are known to be whole: what broke off on its way must not be written without its rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_data.bodies import media_type
from reactor_data.errors import end_unseen

if TYPE_CHECKING:
    import falcon

# Told by an engine that takes chunks which break off for a body that ended.
END_UNSEEN = "reactor.body_end_unseen"


def whole_body(req: falcon.Request) -> bytes:
    """Return a request's body.

    Raises:
        DataError: 411 where nobody can tell whether it is all of it. The platform refuses what is shorter than was announced.
    """
    body = bytes(req.bounded_stream.read())
    if req.env.get(END_UNSEEN) and not (media_type(req.content_type) == "application/json" and _shows_its_end(body)):
        raise end_unseen()
    return body


def _shows_its_end(document: bytes) -> bool:
    """Tell whether a JSON document that was cut off cannot be parsed: so of all but numbers, and of nothing at all."""
    return document.lstrip(b" \t\r\n")[:1] in (b"{", b"[", b'"', b"t", b"f", b"n")
