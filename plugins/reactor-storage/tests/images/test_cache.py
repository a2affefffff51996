"""What was rendered is kept, shared, bounded, and goes with its source."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from reactor_kernel.testing import live

from ..conftest import Member
from .conftest import encoded, opened, quarters

PHOTO = encoded(quarters((80, 40)), "JPEG")


def picture(member, key="a", width=20):
    return member.call("GET", f"render/image/authenticated/docs/{key}?width={width}&format=webp")


def until(condition, seconds=20):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"did not become true within {seconds} s"
        time.sleep(0.1)


@pytest.fixture
def kernel(boot, request):
    return boot(image_requests=200, **getattr(request, "param", {}))


def test_it_is_rendered_once(ann, files, renders):
    ann.bucket()
    ann.put("docs/a", PHOTO)
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: picture(ann), range(100)))
    assert {(one.status_code, one.content) for one in answers} == {(200, answers[0].content)}
    assert (renders(), len(files())) == (1, 2)
    picture(ann, width=21)
    assert (renders(), len(files())) == (2, 3)


def test_keys_of_one_content_share_it(ann, bob, renders):
    for member in (ann, bob):
        member.bucket()
        member.put("docs/a", PHOTO)
        member.put("docs/b", PHOTO)
        assert picture(member, "a").content == picture(member, "b").content
    assert renders() == 1


def test_what_renders_alike_is_one(ann, renders):
    ann.bucket()
    ann.put("docs/a", PHOTO)
    asked = ["width=20", "width=20&resize=fill", "width=20&quality=80", "quality=80&resize=contain&width=020"]
    found = {ann.call("GET", f"render/image/authenticated/docs/a?{query}").content for query in asked}
    assert (len(found), renders()) == (1, 1)


def test_it_goes_with_its_source(ann, files, sql):
    ann.bucket()
    ann.put("docs/a", PHOTO)
    ann.put("docs/b", PHOTO)
    for width in (20, 21):
        assert picture(ann, width=width).status_code == 200
    assert len(files()) == 3
    ann.call("DELETE", "object/docs/a")
    assert picture(ann).status_code == 404
    # Another key still has the content.
    assert (picture(ann, "b").status_code, len(files())) == (200, 3)
    ann.call("DELETE", "object/docs/b")
    assert picture(ann, "b").status_code == 404
    assert files() == []
    assert sql("select count(*) from _reactor_storage.renditions") == [("0",)]
    assert sql("select count(*) from _reactor_storage.blobs") == [("0",)]


def test_what_is_rendered_and_stored_stays(ann, files, renders):
    ann.bucket()
    ann.put("docs/a", PHOTO)
    small = picture(ann).content
    ann.put("docs/small", small)
    assert len(files()) == 2
    ann.call("DELETE", "object/docs/a")
    assert (ann.get("docs/small").content, len(files())) == (small, 1)
    ann.put("docs/a", PHOTO)
    assert (picture(ann).content, renders(), len(files())) == (small, 2, 2)
    ann.call("DELETE", "object/docs/small")
    assert (picture(ann).content, renders(), len(files())) == (small, 2, 2)


def test_a_picture_that_is_its_own_rendition_goes(ann, files, sql):
    # Rendered again and again, a PNG comes out as it went in.
    ann.bucket()
    ann.put("docs/a", encoded(quarters((80, 40)), "PNG"))
    again = ann.call("GET", "render/image/authenticated/docs/a?format=png").content
    ann.put("docs/b", again)
    assert ann.call("GET", "render/image/authenticated/docs/b?format=png").content == again
    assert sql("select count(*) from _reactor_storage.renditions where source = locator") == [("1",)]
    ann.call("DELETE", "object/docs/a")
    ann.call("DELETE", "object/docs/b")
    assert files() == []


def test_a_content_that_the_backend_lost_is_rendered_anew(ann, files, root, sql, renders):
    ann.bucket()
    ann.put("docs/a", PHOTO)
    first = picture(ann)
    [(locator,)] = sql("select locator from _reactor_storage.renditions")
    [path] = [name for name in files() if locator in name]
    (root / "files" / path).unlink()
    assert (picture(ann).content, renders()) == (first.content, 2)


@pytest.mark.parametrize("kernel", [{"image_cache_bytes": 2000}], indirect=True)
def test_it_has_bounds_while_it_is_used(ann, files, sql):
    ann.bucket()
    ann.put("docs/a", PHOTO)
    for width in range(1, 65):
        assert picture(ann, width=width).status_code == 200
    [(kept, most)] = sql("select sum(size), max(size) from _reactor_storage.renditions")
    # Room is made at every sixteenth.
    assert int(kept) <= 2000 + 16 * int(most)
    [(count,)] = sql("select count(*) from _reactor_storage.renditions")
    assert len(files()) == int(count) + 1
    assert int(count) < 64
    # What was asked for last is what is kept.
    assert sql("select count(*) from _reactor_storage.renditions where transform like 'width=64&%'") == [("1",)]


@pytest.mark.parametrize("kernel", [{"image_cache_days": 2, "sweep_every_secs": 1}], indirect=True)
def test_what_nobody_asks_for_goes(kernel, ann, files, sql):
    ann.bucket()
    ann.put("docs/a", PHOTO)
    for width in (20, 21, 22):
        picture(ann, width=width)
    sql(
        "update _reactor_storage.renditions set used_at = now() - interval '3 days' where transform not like 'width=22&%'"
    )
    # A use is noted, so that what is used stays.
    assert picture(ann, width=20).status_code == 200
    assert sql("select count(*) from _reactor_storage.renditions where used_at > now() - interval '1 hour'") == [("2",)]
    with live(kernel):
        until(lambda: len(files()) == 3)
    left = sql("select transform from _reactor_storage.renditions order by 1")
    assert [transform.partition("&")[0] for (transform,) in left] == ["width=20", "width=22"]


def test_two_servers_share_it(kernel_factory, root):
    from reactor_storage.plugin import StoragePlugin

    from ..conftest import SECRET, TrustingAuth

    url = kernel_factory.database_url(TrustingAuth, StoragePlugin)
    section = {"signing_secret": SECRET, "fs_base_path": "files"}
    kernels = [
        kernel_factory(TrustingAuth, StoragePlugin, config={"storage": section}, root=root, database_url=url)
        for _ in range(2)
    ]
    import httpx

    clients = [
        httpx.Client(transport=httpx.WSGITransport(app=kernel.app, remote_addr="127.0.0.1"), base_url="http://r.test")
        for kernel in kernels
    ]
    one = Member(clients[0])
    one.bucket()
    one.put("docs/a", PHOTO)
    with ThreadPoolExecutor(8) as threads:

        def ask(number):
            there = Member(clients[number % 2], one.org_id)
            return picture(there)

        answers = list(threads.map(ask, range(8)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert opened(answers[0]).size == (20, 10)
    assert len([path for path in (root / "files").rglob("*") if path.is_file()]) == 2
    for client in clients:
        client.close()
