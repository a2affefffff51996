"""The transform options of Supabase's Python client, unchanged, against a live server."""

from __future__ import annotations

import io

import httpx
import pytest
from PIL import Image
from storage3 import SyncStorageClient
from storage3.exceptions import StorageApiError

from ..conftest import Member

RED = (255, 0, 0)


def opened(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.fixture
def files(live_server):
    storage = SyncStorageClient(f"{live_server.url}/storage/v1/", Member(None).headers)
    storage.create_bucket("avatars", options={"public": True})
    files = storage.from_("avatars")
    photo = io.BytesIO()
    Image.new("RGB", (80, 40), RED).save(photo, "JPEG")
    files.upload("people/ann b.jpg", photo.getvalue(), {"content-type": "image/jpeg"})
    files.upload("notes.txt", b"hello", {"content-type": "text/plain"})
    return files


def test_download(files):
    image = opened(files.download("people/ann b.jpg", {"transform": {"width": 20, "height": 20, "resize": "contain"}}))
    assert (image.size, image.format) == ((20, 10), "JPEG")
    assert all(abs(a - b) < 8 for a, b in zip(image.getpixel((5, 5)), RED, strict=True))
    small = files.download("people/ann b.jpg", {"transform": {"width": 20, "quality": 20, "format": "avif"}})
    assert (opened(small).format, opened(small).size) == ("AVIF", (20, 10))
    assert opened(files.download("people/ann b.jpg")).size == (80, 40)


def test_public_url(files):
    url = files.get_public_url("people/ann b.jpg", {"transform": {"width": 20}, "download": "x.jpg"})
    answer = httpx.get(url)
    assert opened(answer.content).size == (20, 10)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="x.jpg"'


def test_signed_url(files):
    options = {"transform": {"width": 20, "height": 20, "resize": "fill", "format": "origin", "quality": 50}}
    url = files.create_signed_url("people/ann b.jpg", 60, options)["signedURL"]
    assert opened(httpx.get(url).content).size == (20, 20)
    assert opened(httpx.get(f"{url}&width=40").content).size == (20, 20)
    saved = files.create_signed_url("people/ann b.jpg", 60, options | {"download": True})["signedURL"]
    assert httpx.get(saved).headers["Content-Disposition"] == 'attachment; filename="ann b.jpg"'


def test_errors_are_the_clients_own(files):
    for path, transform, status, message in (
        ("people/ann b.jpg", {"width": 9999}, "400", "width must be a whole number from 1 to 2500, not 9999"),
        ("notes.txt", {"width": 20}, "415", "the object is no JPEG, PNG, GIF, WebP or AVIF picture"),
        ("none.jpg", {"width": 20}, "404", "there is no object 'none.jpg' in the bucket 'avatars'"),
    ):
        with pytest.raises(StorageApiError) as caught:
            files.download(path, {"transform": transform})
        assert (str(caught.value.status), caught.value.message) == (status, message)
