"""`/data/v1/metrics`: this capability's metrics, where they are switched on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_kernel.api import MetricsRegistry, NotFound

if TYPE_CHECKING:
    import falcon


class MetricsResource:
    """Prometheus text, without a token."""

    def __init__(self, metrics: MetricsRegistry, *, enabled: bool) -> None:
        self._metrics = metrics
        self._enabled = enabled

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer the metrics; 404 unless `[data] metrics` is true."""
        if not self._enabled:
            raise NotFound("there is nothing at this address", hint="Set [data] metrics = true.")
        resp.data, resp.content_type = self._metrics.render()
