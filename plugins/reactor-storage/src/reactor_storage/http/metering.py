"""`/storage/v1/metrics` and `/storage/v1/openapi.json`, and what is counted (contract storage.md §3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_kernel.api import MetricsRegistry, NotFound
from reactor_storage import __version__
from reactor_storage.http.openapi import document
from reactor_storage.http.shapes import say

if TYPE_CHECKING:
    import falcon

_PREFIX = "/storage/v1/"


class BytesMeter:
    """Falcon middleware that counts bytes of contents, by method.

    Not by bucket: names of buckets are as many as tenants want, and each would be a series for ever.
    """

    def __init__(self, metrics: MetricsRegistry) -> None:
        self._received = metrics.counter("reactor_storage_bytes_in_total", "Bytes of request bodies taken", ("method",))
        self._sent = metrics.counter("reactor_storage_bytes_out_total", "Bytes of answers given", ("method",))

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool) -> None:
        """Count what was announced, of requests that succeeded."""
        if not succeeded or req.method == "HEAD" or not req.path.startswith(_PREFIX):
            return
        if req.content_length:
            self._received.labels(req.method).inc(req.content_length)
        sent = len(resp.data) if resp.data is not None else int(resp.get_header("Content-Length") or 0)
        if sent:
            self._sent.labels(req.method).inc(sent)


class MetricsResource:
    """Prometheus text, without a token."""

    def __init__(self, metrics: MetricsRegistry, *, enabled: bool) -> None:
        self._metrics = metrics
        self._enabled = enabled

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer the metrics; 404 unless `[storage] metrics` is true."""
        if not self._enabled:
            raise NotFound("there is nothing at this address", hint="Set [storage] metrics = true.")
        resp.data, resp.content_type = self._metrics.render()


class OpenApiResource:
    """This capability's own part of the platform's document."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer it as a document of its own."""
        say(
            resp,
            {
                "openapi": "3.1.0",
                "info": {"title": "Reactor Storage API", "version": __version__},
                "security": [{"bearer": []}],
                **document(),
                "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
            },
        )
