"""Spans reach a collector over OTLP, and nothing is imported without an endpoint."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from reactor_kernel.observe.traces import open_tracer


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Any:
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield bodies
    server.shutdown()
    server.server_close()


def test_a_span_joins_the_callers_trace_and_reaches_the_collector(collector: list[bytes]) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    import os

    trace = "0af7651916cd43dd8448eb211c80319c"
    tracer = open_tracer(os.environ, service="todo", version="1.0")
    assert tracer is not None
    span = tracer.start({"REQUEST_METHOD": "GET", "HTTP_TRACEPARENT": f"00-{trace}-b7ad6b7169203331-01"})
    tracer.end(span, method="GET", route="/hello/v1/greeting/{name}", status=200, request_id="r1")
    tracer.close()
    sent = b"".join(collector)
    assert bytes.fromhex(trace) in sent
    assert b"GET /hello/v1/greeting/{name}" in sent
    assert b"todo" in sent


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys; from reactor_kernel.observe.traces import open_tracer;"
        "assert open_tracer({}, service='x', version='1') is None;"
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
