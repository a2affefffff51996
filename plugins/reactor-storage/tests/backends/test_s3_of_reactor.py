"""The backend s3 over this plugin's own S3 endpoint: another server than moto's, and one that checks what it is sent."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from reactor_storage.backends.contract import Backend, BackendUnavailable
from reactor_storage.conformance import BackendConformance

from .fault_proxy import FaultProxy

pytestmark = pytest.mark.thorough

LOG = logging.getLogger("reactor_storage")
MIB = 1024 * 1024


@pytest.fixture
def make_backend(ann: Any, live_server: Any, monkeypatch: Any) -> Callable[..., Backend]:
    from reactor_storage.backends.s3 import S3Backend

    ann.bucket("contents")
    key = ann.s3_key()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["secret_access_key"])
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)

    def make(address: str = live_server.url) -> Backend:
        return S3Backend(
            bucket="contents", region=None, endpoint=f"{address}/storage/v1/s3", prefix="", timeout=20, log=LOG
        )  # fmt: skip

    return make


@pytest.mark.slow
class TestS3OfReactor(BackendConformance):
    # Two servers share this process' memory.
    test_memory_does_not_grow_with_the_content = None


def test_bytes_that_arrive_other_than_they_were_sent_are_noticed(
    make_backend: Callable[..., Backend], live_server: Any, ann: Any
) -> None:
    proxy = FaultProxy(urlsplit(live_server.url).port)
    backend = make_backend(proxy.url)
    for content, after in ((b"x" * 1000, 1000), (b"x" * 20 * MIB, 3 * MIB)):
        proxy.spoil(after)
        with pytest.raises(
            BackendUnavailable, match=r"refuses to write a .*content in the bucket 'contents': \w+ \(400\)"
        ):
            backend.stage([content], limit=len(content))
        assert ann.call("GET", "buckets/contents/objects").json()["objects"] == []
        staged = backend.stage([content], limit=len(content))
        backend.keep(staged)
        assert b"".join(backend.read(staged.locator)) == content
        backend.remove(staged.locator)
    proxy.stop()
