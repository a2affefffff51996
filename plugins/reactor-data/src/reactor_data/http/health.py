"""`/data/v1/health` and `/data/v1/health/ready`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from reactor_data import __version__
from reactor_kernel.api import Unavailable

if TYPE_CHECKING:
    import falcon

_ALIVE = msgspec.json.encode({"status": "ok", "version": __version__})


class HealthResource:
    """Whether the capability answers at all, and whether it can serve rows."""

    def __init__(self, unready: Callable[[], str | None]) -> None:
        self._unready = unready

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer without touching the database."""
        resp.content_type = "application/json; charset=utf-8"
        resp.data = _ALIVE

    def on_get_ready(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer 200 when the database answers and its schema is readable, else 503."""
        reason = self._unready()
        if reason is not None:
            raise Unavailable(reason, code="database_unavailable")
        self.on_get(req, resp)
