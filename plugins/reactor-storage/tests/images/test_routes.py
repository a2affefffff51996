"""The routes of rendered pictures: who may, what is asked, conditions, ranges, signatures."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from ..conftest import Member
from .conftest import BLUE, RED, alike, encoded, opened, quarters

PHOTO = encoded(quarters((80, 40)), "JPEG")


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def place(kind, path, query="width=20"):
    return f"/storage/v1/render/image/{kind}/{path}?{query}"


@pytest.fixture
def stored(ann):
    ann.bucket()
    ann.bucket("site", public=True)
    for bucket in ("docs", "site"):
        ann.put(f"{bucket}/a b/pic.jpg", PHOTO, Content_Type="image/jpeg", Cache_Control="max-age=60")
    return ann


def test_the_answer_is_an_objects(stored, client):
    url = place("public", "site/a%20b/pic.jpg", "width=20&format=webp")
    answer = client.get(url)
    assert (answer.status_code, opened(answer).size) == (200, (20, 10))
    assert answer.headers["ETag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    source = client.get("/storage/v1/object/site/a%20b/pic.jpg")
    for name in ("Cache-Control", "Last-Modified", "X-Content-Type-Options", "Accept-Ranges"):
        assert answer.headers[name] == source.headers[name], name
    assert answer.headers["Cache-Control"] == "max-age=60"
    head = client.head(url)
    assert head.content == b""
    apart = ("date", "x-request-id")
    assert {k: v for k, v in head.headers.items() if k not in apart} == {
        k: v for k, v in answer.headers.items() if k not in apart
    }
    known = client.get(url, headers={"If-None-Match": answer.headers["ETag"]})
    assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", answer.headers["ETag"])
    assert client.get(url, headers={"If-None-Match": source.headers["ETag"]}).status_code == 200
    assert client.get(url, headers={"If-Modified-Since": answer.headers["Last-Modified"]}).status_code == 304
    assert code(client.get(url, headers={"If-Match": '"other"'})) == (412, "precondition_failed")
    part = client.get(url, headers={"Range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, answer.content[4:10])
    assert part.headers["Content-Range"] == f"bytes 4-9/{len(answer.content)}"
    assert code(client.get(url, headers={"Range": "bytes=999999-"})) == (416, "range_not_satisfiable")
    assert code(client.post(url)) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("format=webp&download", "pic.webp"),
        ("format=webp&download=", "pic.webp"),
        ("format=origin&download", "pic.jpg"),
        ("format=jpeg&download", "pic.jpg"),
        ("format=png&download=x.bin", "x.bin"),
        ("format=png", None),
    ],
)
def test_saved_under_a_name(stored, client, query, name):
    answer = client.get(place("public", "site/a%20b/pic.jpg", query))
    assert answer.headers.get("Content-Disposition") == (name and f'attachment; filename="{name}"')


ACCEPTS = [
    (None, "image/jpeg"),
    ("*/*", "image/jpeg"),
    ("image/*", "image/jpeg"),
    ("text/html", "image/jpeg"),
    ("image/webp", "image/webp"),
    ("image/webp,*/*;q=0.8", "image/webp"),
    ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/avif"),
    ("image/webp, image/avif;q=0.5", "image/webp"),
    ("image/AVIF;q=0, Image/WebP ; q=0.1", "image/webp"),
    ("image/webp;q=0", "image/jpeg"),
    ("image/webp;q=nonsense", "image/webp"),
    (",;,image/", "image/jpeg"),
]


@pytest.mark.parametrize(("accept", "kind"), ACCEPTS)
def test_the_format_that_the_client_takes(stored, client, accept, kind):
    headers = {"Accept": accept or ""}
    answer = client.get(place("public", "site/a%20b/pic.jpg"), headers=headers)
    assert (answer.headers["Content-Type"], "Accept" in answer.headers["Vary"]) == (kind, True)
    known = client.get(
        place("public", "site/a%20b/pic.jpg"), headers=headers | {"If-None-Match": answer.headers["ETag"]}
    )
    assert (known.status_code, "Accept" in known.headers["Vary"]) == (304, True)
    fixed = client.get(place("public", "site/a%20b/pic.jpg", "width=20&format=origin"), headers=headers)
    assert (fixed.headers["Content-Type"], "Accept" in fixed.headers.get("Vary", "")) == ("image/jpeg", False)


INVALID = [
    ("width=0", "width must be a whole number from 1 to 2500, not 0"),
    ("width=2501", "width must be a whole number from 1 to 2500, not 2501"),
    ("height=0", "height must be a whole number from 1 to 2500, not 0"),
    ("height=-1", "height must be a whole number from 1 to 2500, not '-1'"),
    ("width=1.5", "width must be a whole number from 1 to 2500, not '1.5'"),
    ("width=", "width must be a whole number from 1 to 2500, not ''"),
    ("width=99999999999999999999", "width must be a whole number from 1 to 2500, not '99999999999999999999'"),
    ("width=%D9%A1", "width must be a whole number from 1 to 2500, not '١'"),
    ("width=1&width=2", "width is given more than once"),
    ("quality=19", "quality must be a whole number from 20 to 100, not 19"),
    ("quality=101", "quality must be a whole number from 20 to 100, not 101"),
    ("resize=crop", "resize must be one of cover, contain, fill, not 'crop'"),
    ("format=gif", "format must be one of origin, webp, avif, jpeg, png, not 'gif'"),
    ("format=auto", "format must be one of origin, webp, avif, jpeg, png, not 'auto'"),
]


@pytest.mark.parametrize(("query", "message"), INVALID)
def test_what_is_out_of_range(stored, client, query, message):
    answer = client.get(place("public", "site/a%20b/pic.jpg", query))
    assert code(answer) == (400, "invalid_transform")
    assert answer.json()["error"]["message"] == message


def test_who_may(stored, client, bob, sql):
    path = "docs/a%20b/pic.jpg"
    assert code(client.get(place("public", path))) == (401, "unauthorized")
    assert code(client.get(place("authenticated", path))) == (401, "unauthorized")
    # Rendered for one who may, it is shown to nobody else.
    assert stored.call("GET", f"render/image/authenticated/{path}?width=20").status_code == 200
    assert sql("select count(*) from _reactor_storage.renditions") == [("1",)]
    assert code(client.get(place("authenticated", path))) == (401, "unauthorized")
    assert code(bob.call("GET", f"render/image/authenticated/{path}?width=20")) == (404, "bucket_not_found")
    writer = stored.colleague("storage:docs:write")
    assert code(writer.call("GET", f"render/image/authenticated/{path}?width=20")) == (403, "permission_denied")
    reader = stored.colleague("storage:docs:read")
    assert reader.call("GET", f"render/image/authenticated/{path}?width=20").status_code == 200
    assert code(reader.call("GET", f"render/image/public/{path}?width=20")) == (401, "unauthorized")
    assert code(reader.call("GET", "render/image/authenticated/docs/none?width=20")) == (404, "object_not_found")
    assert client.get(place("authenticated", "site/a%20b/pic.jpg")).status_code == 200
    assert Member(client).call("GET", "render/image/public/site/a%20b/pic.jpg").status_code == 200
    assert sql("select count(*) from _reactor_storage.renditions where transform like '%width=20%'") == [("1",)]


def test_policies_hide_pictures(stored, client, kernel):
    path = "render/image/authenticated/docs/a%20b/pic.jpg?width=20"
    assert stored.call("GET", path).status_code == 200
    with kernel.database.begin() as tx:
        tx.connection.exec_driver_sql(
            "create policy mine on storage.objects for select to reactor_authenticated"
            " using (owner_id = (select auth.user_id()))"
        )
    assert stored.call("GET", path).status_code == 200
    assert code(stored.colleague("storage:docs:read").call("GET", path)) == (404, "object_not_found")
    signing = stored.colleague("*").call(
        "POST", "object/sign/docs/a%20b/pic.jpg", body={"expiresIn": 60, "transform": {"width": 20}}
    )
    assert code(signing) == (404, "object_not_found")


@pytest.fixture(params=["object/sign", "sign"])
def signed(stored, request):
    """Sign a transform on the path of either family; returns the whole path."""

    def make(transform, **options):
        answer = stored.call(
            "POST", f"{request.param}/docs/a%20b/pic.jpg", body={"expiresIn": 60, "transform": transform, **options}
        )
        assert answer.status_code == 200, answer.text
        url = answer.json()["signedURL"]
        return url if url.startswith("/storage/v1") else f"/storage/v1{url}"

    return make


def test_a_signed_transform_is_fixed(signed, client):
    url = signed({"width": 20, "height": 20, "resize": "contain", "quality": 50, "format": "png"})
    assert urlsplit(url).path == "/storage/v1/render/image/sign/docs/a%20b/pic.jpg"
    answer = client.get(url)
    assert (opened(answer).size, opened(answer).format) == ((20, 10), "PNG")
    assert client.head(url).headers["Content-Length"] == str(len(answer.content))
    for more in ("&width=40", "&resize=cover", "&format=webp", "&quality=20", "&width=nonsense"):
        assert client.get(url + more).content == answer.content, more
    saved = client.get(f"{url}&download=x.png")
    assert saved.headers["Content-Disposition"] == 'attachment; filename="x.png"'


def test_a_signed_url_shows_nothing_else(signed, stored, client):
    url = signed({"width": 20})
    token = parse_qs(urlsplit(url).query)["token"][0]
    assert code(client.get(url.replace("pic.jpg", "none.jpg"))) == (403, "invalid_signature")
    assert code(client.get(url.replace("/docs/", "/site/"))) == (403, "invalid_signature")
    assert code(client.get(f"/storage/v1/object/sign/docs/a%20b/pic.jpg?token={token}")) == (400, "invalid_request")
    assert code(client.get(place("sign", "docs/a%20b/pic.jpg", ""))) == (400, "invalid_request")
    assert code(client.get(place("sign", "docs/a%20b/pic.jpg", "token=x"))) == (403, "invalid_signature")
    plain = stored.call("POST", "object/sign/docs/a%20b/pic.jpg", body={"expiresIn": 60}).json()["signedURL"]
    moved = plain.replace("/object/sign/", "/storage/v1/render/image/sign/")
    assert code(client.get(f"{moved}&width=20")) == (400, "invalid_request")


def test_a_signed_transform_without_a_format_suits_the_client(signed, client):
    url = signed({"width": "20"})
    assert client.get(url, headers={"Accept": "image/webp"}).headers["Content-Type"] == "image/webp"
    assert client.get(url, headers={"Accept": "*/*"}).headers["Content-Type"] == "image/jpeg"


def test_what_cannot_be_signed(stored):
    for transform in ({"width": 0}, {"width": True}, {"width": 1.5}, {"format": "bmp"}, {"resize": None, "height": []}):
        for path in ("object/sign", "sign"):
            answer = stored.call("POST", f"{path}/docs/a%20b/pic.jpg", body={"expiresIn": 60, "transform": transform})
            assert code(answer) == (400, "invalid_transform"), transform
    upload = stored.call("POST", "sign/docs/x", body={"for_upload": True, "transform": {"width": 1}})
    assert code(upload) == (400, "invalid_transform")
    # What an older client sends where its caller asked for nothing.
    plain = stored.call("POST", "object/sign/docs/a%20b/pic.jpg", body={"expiresIn": 60, "transform": {}})
    assert plain.json()["signedURL"].startswith("/object/sign/")


def test_a_url_for_single_use(stored, client):
    stored.put("docs/text", b"no picture")
    for path, status in (("docs/a%20b/pic.jpg", 200), ("docs/text", 415)):
        answer = stored.call("POST", f"sign/{path}", body={"transform": {"width": 20}, "single_use": True})
        url = answer.json()["url"]
        assert client.head(url).status_code == status
        assert client.get(url).status_code == status
        # What could not be shown was not used up.
        assert client.get(url).status_code == (403 if status == 200 else status)


def test_another_content_is_another_picture(stored):
    path = "render/image/authenticated/docs/a%20b/pic.jpg?width=20&format=png"
    before = stored.call("GET", path)
    stored.put("docs/a b/pic.jpg", encoded(Image.new("RGB", (60, 60), BLUE), "PNG"), Content_Type="text/plain")
    after = stored.call("GET", path, If_None_Match=before.headers["ETag"])
    assert (opened(after).size, opened(after).getpixel((5, 5))) == ((20, 20), BLUE)
    assert opened(before).size == (20, 10)
    assert alike(opened(before).getpixel((2, 2)), RED)
