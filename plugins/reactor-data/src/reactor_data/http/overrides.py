"""`response.status` and `response.headers`: what SQL wants an answer to say (contract data.md §5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import falcon
import msgspec

from reactor_data.errors import bad_override
from reactor_data.raised import are_headers

if TYPE_CHECKING:
    from falcon import Response

_HEADERS = msgspec.json.Decoder(list[dict[str, str]])


def apply_overrides(resp: Response, said: bytes | None) -> None:
    """Let SQL's status and headers take the place of those set so far; `said` is what the statement's last column holds.

    Raises:
        DataError: 500 PGRST112 for a status, PGRST111 for headers that are none.
    """
    if said is None:
        return
    status, _, headers = said.partition(b" ")
    if status:
        if not status.isdigit() or len(status) != 3 or not 200 <= int(status) <= 599:
            raise bad_override("status")
        resp.status = falcon.code_to_http_status(int(status))
    if headers:
        cookies: list[str] = []
        for name, value in _read(headers):
            if name.lower() == "set-cookie":
                cookies.append(value)
            else:
                resp.set_header(name, value)
        for cookie in cookies:
            resp.append_header("Set-Cookie", cookie)


def _read(text: bytes) -> list[tuple[str, str]]:
    try:
        found = _HEADERS.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_override("headers") from error
    pairs: list[tuple[str, str]] = []
    for one in found:
        if len(one) != 1 or not are_headers(one):
            raise bad_override("headers")
        pairs += one.items()
    return pairs
