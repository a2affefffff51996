"""`/storage/v1/health` (contract storage.md §3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_storage import __version__

if TYPE_CHECKING:
    import falcon


class HealthResource:
    """Says that the capability is mounted; whether it works is the platform's `/health`."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer without touching anything."""
        resp.media = {"status": "ok", "version": __version__}
