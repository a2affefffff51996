"""The platform as a caller: the admin token, the buckets of its own, and what other plugins keep (contract §1 and §3.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from reactor_kernel.api import KERNEL_API, BlobStore, NotFound, PluginInfo, ServiceProvider, hookimpl
from reactor_kernel.testing.project import ADMIN_TOKEN
from reactor_storage.backends.fs import FileSystemBackend
from reactor_storage.errors import InvalidBucketName
from reactor_storage.hookspecs import StorageBackend

from ..conftest import SECRET, Member, TrustingAuth


@pytest.fixture
def platform(client: Any) -> Callable[..., Any]:
    def call(method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", **options.pop("headers", {})}
        return client.request(method, f"/storage/v1/{path}", headers=headers, **options)

    return call


def test_the_platform_keeps_assets_in_buckets_of_its_own(platform: Any, client: Any, ann: Member) -> None:
    asked = {"name": "_reactor_sites", "public": False}
    assert [platform("POST", "buckets", json=asked).status_code for _ in range(2)] == [201, 409]
    stored = platform("PUT", "object/_reactor_sites/d1/static/index.html", content=b"<p>")
    assert (stored.status_code, stored.json()["size"]) == (200, 3)
    kept = platform("GET", "object/_reactor_sites/d1/static/index.html")
    assert (kept.content, kept.headers["Content-Type"]) == (b"<p>", "application/octet-stream")
    listed = platform("GET", "buckets/_reactor_sites/objects").json()["objects"]
    assert [(one["key"], one["created_by"]) for one in listed] == [("d1/static/index.html", None)]
    assert [one["name"] for one in platform("GET", "buckets").json()["buckets"]] == ["_reactor_sites"]
    signed = platform("POST", "sign/_reactor_sites/d1/static/index.html?expires=60").json()
    assert client.get(signed["signed_url"]).content == b"<p>"
    assert platform("DELETE", "object/_reactor_sites/d1/static/index.html").status_code == 204

    assert platform("POST", "buckets", json={"name": "docs"}).json()["error"]["code"] == "invalid_bucket_name"
    opened = platform("PATCH", "buckets/_reactor_sites", json={"public": True})
    assert (opened.status_code, opened.json()["error"]["message"]) == (
        400,
        "the bucket '_reactor_sites' is the platform's own and cannot be public",
    )
    refused = ann.call("POST", "buckets", body=asked)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_bucket_name")


def test_tenants_do_not_reach_them(platform: Any, client: Any, ann: Member) -> None:
    platform("POST", "buckets", json={"name": "_reactor_sites"})
    platform("PUT", "object/_reactor_sites/a", content=b"a")
    nil = "00000000-0000-0000-0000-000000000000"
    for method, path in (
        ("GET", "object/_reactor_sites/a"),
        ("PUT", "object/_reactor_sites/b"),
        ("DELETE", "object/_reactor_sites/a"),
        ("GET", "buckets/_reactor_sites"),
        ("GET", "buckets/_reactor_sites/objects"),
        ("POST", "sign/_reactor_sites/a"),
        ("GET", "object/public/_reactor_sites/a"),
        ("GET", "bucket/_reactor_sites"),
        ("GET", f"object/_reactor_sites/a?org={nil}"),
    ):
        answer = ann.call(method, path)
        assert answer.status_code in ((404,) if "public" not in path else (401, 404)), path
        anonymous = client.request(method, f"/storage/v1/{path}")
        assert anonymous.status_code == 401, path
    assert platform("GET", "object/_reactor_sites/a").content == b"a"


def test_the_platform_acts_in_an_organisation_that_it_names(platform: Any, ann: Member) -> None:
    ann.bucket("docs")
    ann.put("docs/a", b"a")
    named = {"X-Reactor-Org": ann.org_id}
    assert platform("GET", "object/docs/a", headers=named).content == b"a"
    assert platform("POST", "buckets", headers=named, json={"name": "made"}).json()["org_id"] == ann.org_id
    assert [one["name"] for one in ann.call("GET", "buckets").json()["buckets"]] == ["docs", "made"]
    refused = platform("GET", "object/docs/a", headers={"X-Reactor-Org": "acme"})
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        400,
        "the admin token is no member of 'acme'",
    )
    assert platform("GET", "object/docs/a").status_code == 404


def test_the_admin_token_acts_from_this_machine_only(wire: Callable[..., Any]) -> None:
    client = wire()
    client._transport.remote_addr = "203.0.113.5"
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    answer = client.get("/storage/v1/buckets", headers=headers)
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        403,
        "the admin token acts from the server itself only",
    )
    assert client.get("/storage/v1/buckets", headers={"Authorization": "Bearer nearly"}).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "buckets", None),
        ("POST", "buckets", b"{"),
        ("GET", "buckets/docs", None),
        ("PATCH", "buckets/docs", b"{"),
        ("DELETE", "buckets/docs", None),
        ("GET", "buckets/docs/objects", None),
        ("POST", "sign/docs/a", b"{"),
        ("POST", "upload/docs/a", b"{"),
        ("PUT", "upload/docs/a/part", b"x"),
        ("POST", "upload/docs/a/complete?upload_id=1", b"{"),
        ("DELETE", "upload/docs/a/abort", None),
        ("GET", "_admin/buckets", None),
        ("POST", "_admin/buckets", b"{"),
        ("GET", "_admin/buckets/docs", None),
        ("DELETE", "_admin/buckets/docs", None),
        ("GET", "_admin/buckets/docs/policies", None),
        ("POST", "_admin/buckets/docs/policies", None),
        ("DELETE", "_admin/buckets/docs/policies/x", None),
        ("POST", "_admin/gc", None),
        ("DELETE", "object/docs", b"{"),
        ("POST", "object/copy", b"{"),
        ("POST", "object/move", b"{"),
        ("GET", "usage", None),
        ("PUT", "orgs/acme/buckets/docs/objects/a", b"x"),
        ("GET", "orgs/acme/buckets/docs/objects/a", None),
    ],
)
def test_without_a_credential_the_answer_is_401_even_where_the_bucket_is_public(
    client: Any, ann: Member, method: str, path: str, body: bytes | None
) -> None:
    ann.bucket("docs", public=True)
    answer = client.request(method, f"/storage/v1/{path}", content=body)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_an_object_is_named_with_its_organisation(client: Any, ann: Member, bob: Member) -> None:
    ann.bucket("lake")
    path = f"orgs/{ann.org_id}/buckets/lake/objects/in/2026.jsonl"
    stored = ann.call("PUT", path, body=b'{"a": 1}\n', Content_Type="application/x-jsonlines")
    assert (stored.status_code, stored.headers["ETag"]) == (200, stored.json()["etag"])
    kept = ann.call("GET", path)
    assert (kept.content, kept.headers["Content-Type"]) == (b'{"a": 1}\n', "application/x-jsonlines")
    assert ann.call("HEAD", path).headers["Content-Length"] == "9"
    assert ann.call("PUT", path, body=b"").status_code == 200
    assert ann.get("lake/in/2026.jsonl").content == b""
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert client.put(f"/storage/v1/{path}", content=b"by the platform", headers=headers).status_code == 200
    assert ann.get("lake/in/2026.jsonl").content == b"by the platform"


class Sites:
    """A plugin that keeps assets."""

    info = PluginInfo(name="sites", version="1", api=KERNEL_API, summary="keeps assets", requires=("storage",))

    @hookimpl
    def reactor_services(self, ctx: Any) -> Any:
        yield ServiceProvider(Sites, lambda: ctx.services.require(BlobStore))


@pytest.fixture
def blobs(kernel_factory: Any, root: Any) -> BlobStore:
    from reactor_storage.plugin import StoragePlugin

    section = {"signing_secret": SECRET, "fs_base_path": "files", "max_object_size": 1000}
    kernel = kernel_factory(TrustingAuth, StoragePlugin, Sites, config={"storage": section}, root=root)
    return kernel.hooks.context("sites").services.require(BlobStore)


def test_other_plugins_keep_contents_without_http(blobs: BlobStore) -> None:
    with pytest.raises(NotFound):
        blobs.open("_reactor_sites", "a")
    for key in ("d/a", "d/b", "e"):
        kept = blobs.put("_reactor_sites", key, [b"12", b"34"], content_type="text/css")
    assert (kept.key, kept.size, kept.content_type, len(kept.etag)) == ("e", 4, "text/css", 66)
    facts, pieces = blobs.open("_reactor_sites", "d/a", 1, 2)
    assert (facts.size, b"".join(pieces)) == (4, b"23")
    page, cursor = blobs.listed("_reactor_sites", "d/", limit=1)
    assert ([one.key for one in page], cursor) == (["d/a"], "d/a")
    assert [one.key for one in blobs.listed("_reactor_sites", "d/", cursor=cursor)[0]] == ["d/b"]
    assert blobs.delete("_reactor_sites", ["d/a", "none"]) == 1
    with pytest.raises(NotFound):
        blobs.open("_reactor_sites", "d/a")
    with pytest.raises(InvalidBucketName):
        blobs.put("sites", "a", [b""])


class MeddlingBackend(FileSystemBackend):
    """Lets somebody in before a content is opened."""

    meddlers: ClassVar[list[Callable[[], Any]]] = []

    def read(self, locator: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        if self.meddlers:
            self.meddlers.pop()()
        return super().read(locator, start, length)


class MeddlingPlugin:
    info = PluginInfo(name="meddling", version="1", api=KERNEL_API, summary="a busy backend", requires=("storage",))

    @hookimpl
    def reactor_storage_backends(self, ctx: Any) -> Any:
        yield StorageBackend("meddling", lambda: MeddlingBackend(ctx.project.root / "files", ctx.log))


def test_what_other_plugins_read_may_be_replaced_or_removed_at_that_moment(kernel_factory: Any, root: Any) -> None:
    from reactor_storage.plugin import StoragePlugin

    section = {"signing_secret": SECRET, "backend": "meddling"}
    plugins = (TrustingAuth, StoragePlugin, Sites, MeddlingPlugin)
    kernel = kernel_factory(*plugins, config={"storage": section}, root=root)
    blobs: BlobStore = kernel.hooks.context("sites").services.require(BlobStore)
    blobs.put("_reactor_sites", "a", [b"old"])
    MeddlingBackend.meddlers[:] = [lambda: blobs.put("_reactor_sites", "a", [b"new content"])]
    facts, pieces = blobs.open("_reactor_sites", "a")
    assert (facts.size, b"".join(pieces)) == (11, b"new content")
    MeddlingBackend.meddlers[:] = [lambda: blobs.delete("_reactor_sites", ["a"])]
    with pytest.raises(NotFound, match="there is no object 'a' in the bucket '_reactor_sites'"):
        blobs.open("_reactor_sites", "a")
    # A row whose bytes the disk lost.
    blobs.put("_reactor_sites", "a", [b"lost"])
    for path in (root / "files" / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(NotFound, match="there is no object 'a' in the bucket '_reactor_sites'"):
        blobs.open("_reactor_sites", "a")
