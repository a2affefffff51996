"""An S3 without space says so in words of its own; the answer is the one of a full disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from ..conftest import Member


class Full(BaseHTTPRequestHandler):
    """Takes no content."""

    refusal = (507, "XMinioStorageFull")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, code = self.refusal
        body = f"<Error><Code>{code}</Code><Message>no space</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def full_s3(monkeypatch: Any, s3_settings: dict[str, Any]) -> Iterator[Callable[..., str]]:
    """Serve an S3 that refuses with a status and a code; returns its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Full)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(status: int, code: str) -> str:
        monkeypatch.setattr(Full, "refusal", (status, code))
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (507, "XMinioStorageFull"),
        (400, "XMinioAdminBucketQuotaExceeded"),
        (403, "QuotaExceeded"),
        (507, "InternalError"),
    ],
    ids=["MinIO", "a quota of MinIO", "a quota of Ceph", "a server like this one"],
)
@pytest.mark.parametrize("size", [3, 9 * 1024 * 1024], ids=["at once", "in parts"])
def test_a_full_s3_is_said_to_be_full(
    boot: Any, full_s3: Any, s3_settings: Any, caplog: Any, status: int, code: str, size: int
) -> None:
    url = full_s3(status, code)
    kernel = boot(**{**s3_settings, "s3_endpoint": url})
    with httpx.Client(transport=httpx.WSGITransport(app=kernel.app), base_url="http://reactor.test") as client:
        ann = Member(client)
        ann.bucket()
        answer = ann.call("PUT", "object/docs/a", body=bytes(size))
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["message"], error["hint"]) == (
            507,
            "storage_full",
            "the storage has no space left for this; nothing was changed",
            "Remove what is not needed, or ask the operator for more space.",
        )
        assert "Retry-After" not in answer.headers
        assert ann.call("GET", "buckets/docs/objects").json()["objects"] == []
        doing = "write a content" if size == 3 else "write a part of a content"
        said = f"S3 at {url.removeprefix('http://')} refuses to {doing} in the bucket '{s3_settings['s3_bucket']}'"
        assert f"{said}: {code} ({status})" in caplog.text
