"""OpenTelemetry traces: one server span per request, joined to the caller's trace (W3C Trace Context).

Off unless the extra `reactor-kernel[telemetry]` is installed and `OTEL_EXPORTER_OTLP_ENDPOINT` is set; the usual `OTEL_*` variables
of the SDK apply. Nothing of OpenTelemetry is imported otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from reactor_kernel.errors import BootError, ExitCode, Fault

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class RequestTracer:
    """Makes the span of each request; exporting starts in the process that serves, after a fork."""

    def __init__(self, service: str, version: str) -> None:
        self._service = service
        self._version = version
        self._lock = threading.Lock()
        self._tracer: Any = None
        self._provider: Any = None

    def start(self, environ: Mapping[str, Any]) -> Any:
        """Start the span of a request."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {name: environ[key] for name, key in _CARRIED if key in environ}
        parent = TraceContextTextMapPropagator().extract(carrier)
        method = environ["REQUEST_METHOD"]
        return self._get().start_span(
            method, context=parent, kind=SpanKind.SERVER, attributes={"http.request.method": method}
        )

    def end(self, span: Any, *, method: str, route: str | None, status: int, request_id: str) -> None:
        """Name and end a span. The route is its template; ids and queries are never exported."""
        from opentelemetry.trace import Status, StatusCode

        if route is not None:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("reactor.request_id", request_id)
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def _get(self) -> Any:
        if self._tracer is None:
            with self._lock:
                if self._tracer is None:
                    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
                    from opentelemetry.sdk.resources import Resource
                    from opentelemetry.sdk.trace import TracerProvider
                    from opentelemetry.sdk.trace.export import BatchSpanProcessor

                    self._provider = TracerProvider(
                        resource=Resource.create({"service.name": self._service, "service.version": self._version})
                    )
                    self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
                    self._tracer = self._provider.get_tracer("reactor_kernel", self._version)
        return self._tracer

    def close(self) -> None:
        """Export what is waiting."""
        if self._provider is not None:
            self._provider.shutdown()


_CARRIED = (("traceparent", "HTTP_TRACEPARENT"), ("tracestate", "HTTP_TRACESTATE"))


def open_tracer(environ: Mapping[str, str], *, service: str, version: str) -> RequestTracer | None:
    """Return the tracer when an endpoint is configured, else None.

    Raises:
        BootError: an endpoint is configured and the extra is not installed.
    """
    if not environ.get(ENDPOINT):
        return None
    from importlib.util import find_spec

    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        raise BootError(
            [
                Fault(
                    "config",
                    f"{ENDPOINT} is set, but OpenTelemetry is not installed",
                    subject="tracing",
                    fix="pip install 'reactor-kernel[telemetry]', or unset the variable",
                    exit_code=ExitCode.CONFIG,
                )
            ]
        )
    return RequestTracer(service, version)
