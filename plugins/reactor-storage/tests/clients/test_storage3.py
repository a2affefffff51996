"""Supabase's Python client, unchanged, against a live server."""

from __future__ import annotations

import httpx
import pytest
from storage3 import SyncStorageClient
from storage3.exceptions import StorageApiError

from ..conftest import Member


@pytest.fixture
def storage(live_server, tmp_path):
    member = Member(None)
    # The clients name no organisation: the token's own is meant.
    return SyncStorageClient(f"{live_server.url}/storage/v1", member.headers)


def test_a_day_of_an_application(storage, tmp_path):
    storage.create_bucket(
        "avatars", options={"public": False, "file_size_limit": 1000, "allowed_mime_types": ["image/*", "text/*"]}
    )
    assert [one.name for one in storage.list_buckets()] == ["avatars"]
    bucket = storage.get_bucket("avatars")
    assert (bucket.name, bucket.public, bucket.file_size_limit) == ("avatars", False, 1000)
    files = storage.from_("avatars")

    stored = files.upload(
        "people/ann.txt", b"ann", {"content-type": "text/plain", "metadata": {"a": 1}, "cache-control": "60"}
    )
    assert (stored.path, stored.full_path) == ("people/ann.txt", "avatars/people/ann.txt")
    with pytest.raises(StorageApiError) as caught:
        files.upload("people/ann.txt", b"again")
    assert str(caught.value.status) == "409"
    assert caught.value.message == "there is an object under 'people/ann.txt'"
    files.upload("people/ann.txt", b"ann 2", {"upsert": "true", "content-type": "text/plain"})
    files.update("people/ann.txt", b"ann 3", {"content-type": "text/plain", "metadata": {"b": 2}})
    assert files.download("people/ann.txt") == b"ann 3"
    path = tmp_path / "bob.png"
    path.write_bytes(b"bob")
    files.upload("people/bob.png", path, {"content-type": "image/png"})
    files.upload("top.txt", b"top")

    info = files.info("people/ann.txt")
    assert (info["size"], info["content_type"], info["metadata"]) == (5, "text/plain", {"b": 2})
    assert files.exists("people/ann.txt") is True
    assert files.exists("people/nobody") is False

    listed = files.list()
    assert [(one["name"], one["id"] is None) for one in listed] == [("people", True), ("top.txt", False)]
    inside = files.list("people", {"limit": 10, "sortBy": {"column": "name", "order": "desc"}})
    assert [one["name"] for one in inside] == ["bob.png", "ann.txt"]
    assert inside[0]["metadata"]["mimetype"] == "image/png"
    assert [one["name"] for one in files.list("people", {"search": "AN"})] == ["ann.txt"]
    page = files.list_v2({"prefix": "people/", "limit": 1})
    assert (page.hasNext, [one.name for one in page.objects]) == (True, ["people/ann.txt"])
    rest = files.list_v2({"prefix": "people/", "cursor": page.nextCursor})
    assert (rest.hasNext, [one.name for one in rest.objects]) == (False, ["people/bob.png"])

    assert files.copy("people/ann.txt", "copy.txt")["Key"] == "avatars/copy.txt"
    assert files.move("copy.txt", "moved.txt")["message"] == "Successfully moved"
    assert files.download("moved.txt") == b"ann 3"
    with pytest.raises(StorageApiError) as caught:
        files.download("copy.txt")
    assert str(caught.value.status) == "404"

    signed = files.create_signed_url("moved.txt", 60, {"download": "x.txt"})
    answer = httpx.get(signed["signedURL"])
    assert (answer.status_code, answer.content) == (200, b"ann 3")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="x.txt"'
    several = files.create_signed_urls(["moved.txt", "none.txt"], 60)
    assert [one["error"] for one in several] == [None, "there is no object 'none.txt' in the bucket 'avatars'"]
    assert httpx.get(several[0]["signedURL"]).content == b"ann 3"
    upload = files.create_signed_upload_url("by-link.txt")
    anonymous = SyncStorageClient(str(storage._base_url), {}).from_("avatars")
    assert anonymous.upload_to_signed_url(upload["path"], upload["token"], b"linked").full_path == "avatars/by-link.txt"
    with pytest.raises(StorageApiError) as caught:
        anonymous.upload_to_signed_url(upload["path"], upload["token"], b"again")
    assert caught.value.message == "there is an object under 'by-link.txt'"

    storage.update_bucket("avatars", {"public": True})
    assert httpx.get(files.get_public_url("by-link.txt")).content == b"linked"
    assert [one["name"] for one in files.remove(["by-link.txt", "none.txt"])] == ["by-link.txt"]
    with pytest.raises(StorageApiError) as caught:
        storage.delete_bucket("avatars")
    assert caught.value.message == "the bucket 'avatars' still holds objects"
    storage.empty_bucket("avatars")
    assert files.list() == []
    storage.delete_bucket("avatars")
    assert storage.list_buckets() == []


def test_errors_are_the_clients_own(storage):
    with pytest.raises(StorageApiError) as caught:
        storage.get_bucket("none")
    assert (str(caught.value.status), caught.value.message) == ("404", "there is no bucket 'none'")
    with pytest.raises(StorageApiError) as caught:
        SyncStorageClient(str(storage._base_url), {}).list_buckets()
    assert (str(caught.value.status), caught.value.message) == ("401", "A credential is required.")
