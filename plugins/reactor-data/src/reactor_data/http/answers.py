"""What every answer about rows says beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_data.http.overrides import apply_overrides
from reactor_data.running import Caller

if TYPE_CHECKING:
    from collections.abc import Sequence

    import falcon

STATUS = {
    200: "200 OK",
    201: "201 Created",
    204: "204 No Content",
    206: "206 Partial Content",
    207: "207 Multi-Status",
}


def finish(
    resp: falcon.Response, caller: Caller, applied: str, warnings: Sequence[str], overrides: bytes | None
) -> None:
    """Say which preferences took effect and what to heed; then let SQL change the answer.

    Raises:
        DataError: 500, what SQL set is no status or no headers.
    """
    resp.append_header("Vary", "Accept, Prefer, Range")
    if applied:
        resp.set_header("Preference-Applied", applied)
    for warning in warnings:
        resp.append_header("Warning", f'299 - "{_quotable(warning)}"')
    if overrides is not None:
        apply_overrides(resp, overrides)
    if caller.timing is not None:
        caller.timing.mark("response")
        resp.set_header("Server-Timing", caller.timing.header())


def _quotable(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(mark if mark.isprintable() else " " for mark in escaped).encode("ascii", "backslashreplace").decode()
