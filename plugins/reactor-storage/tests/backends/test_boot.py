"""Which backend a boot chooses, and what it refuses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from reactor_kernel.api import BootError, ExitCode

from ..conftest import SECRET, Member, TrustingAuth
from .memory_backend import MemoryBackendPlugin


def fault(boot: Callable[..., Any], **config: Any) -> Any:
    with pytest.raises(BootError) as caught:
        boot(**config)
    [found] = caught.value.faults
    assert found.exit_code == ExitCode.CONFIG
    return found


@pytest.mark.parametrize(
    ("key", "config", "message"),
    [
        ("s3_bucket", {}, 'must be set with backend = "s3": the name of a bucket that exists'),
        (
            "s3_endpoint",
            {"s3_bucket": "files", "s3_endpoint": "https://key:secret@s3.example.com"},
            "must be http:// or https:// and a host, without a password: credentials come from the environment",
        ),
        (
            "s3_endpoint",
            {"s3_bucket": "files", "s3_endpoint": "s3.example.com"},
            "must be http:// or https:// and a host, without a password: credentials come from the environment",
        ),
        (
            "s3_prefix",
            {"s3_bucket": "files", "s3_prefix": "/a//b"},
            "must be folders of letters, digits and . _ - between single slashes, e.g. reactor/prod",
        ),
    ],
)
def test_what_s3_needs_is_asked_for(boot, key, config, message):
    found = fault(boot, backend="s3", **config)
    assert (found.subject, found.message) == (f"storage.{key}", message)
    assert "Reactor.toml:" in found.where


def test_without_boto3_the_package_is_named(boot, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] in ("boto3", "botocore")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("reactor_storage.backends.s3")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "botocore", None)
    found = fault(boot, backend="s3", s3_bucket="files")
    assert (found.message, found.fix) == ("the backend s3 needs boto3", "pip install 'reactor-storage[s3]'")


def test_a_profile_that_is_not_there_is_refused(boot, s3_settings, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    found = fault(boot, **s3_settings)
    assert found.message == "S3 cannot be used: The config profile (nobody) could not be found"
    assert found.fix == "correct the AWS profile, or [storage] s3_region and s3_endpoint"


def test_a_backend_that_nobody_brings_is_refused_with_the_known_ones(boot):
    found = fault(boot, backend="tape")
    assert found.message == "no plugin brings the storage backend 'tape'"
    assert found.fix == "choose one of: fs, s3"


def test_contents_lie_under_the_project_or_the_prefix(boot, s3_server, s3_settings):
    for config, folder in (({}, "019213f5-0000-7000-8000-000000000001/blobs/"), ({"s3_prefix": "a/b"}, "a/b/blobs/")):
        kernel = boot(**s3_settings, **config)
        with httpx.Client(transport=httpx.WSGITransport(app=kernel.app), base_url="http://reactor.test") as client:
            ann = Member(client)
            ann.bucket()
            ann.put("docs/a", b"content")
        found = s3_server.client.list_objects_v2(Bucket=s3_settings["s3_bucket"], Prefix=folder)["Contents"]
        assert len(found) == 1


def test_a_backend_of_another_plugin_serves_objects(kernel_factory):
    from reactor_storage.plugin import StoragePlugin

    section = {"signing_secret": SECRET, "backend": "memory"}
    kernel = kernel_factory(TrustingAuth, StoragePlugin, MemoryBackendPlugin, config={"storage": section})
    with httpx.Client(transport=httpx.WSGITransport(app=kernel.app), base_url="http://reactor.test") as client:
        ann = Member(client)
        ann.bucket()
        ann.put("docs/a", b"content")
        assert ann.get("docs/a", Range="bytes=2-3").content == b"nt"
        assert ann.call("DELETE", "object/docs/a").status_code == 204
        assert ann.get("docs/a").status_code == 404
