"""Connections that drop, hang, or come twice."""

from __future__ import annotations

import threading
import time

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor_kernel.api import KERNEL_API, PluginInfo, hookimpl
from reactor_kernel.testing.server import live
from reactor_storage.backends.fs import FileSystemBackend
from reactor_storage.hookspecs import StorageBackend

from ..conftest import SECRET, Member, TrustingAuth
from .conftest import KIB, Tus, bytes_of, code, digest, engine_of, eventually, named
from .wire import Cut

# What may be lost of what arrived: a piece that did not arrive as a whole.
PIECE = 32 * KIB


@pytest.fixture
def engine():
    return "granian"


@pytest.fixture
def served(kernel, engine):
    with live(kernel, engine=engine_of(engine), services=False) as server:
        yield server


@pytest.fixture
def tus(served):
    with httpx.Client(base_url=served.url, timeout=60) as wire:
        ann = Member(wire)
        ann.bucket()
        yield Tus(ann)


class TestOnBothEngines:
    @pytest.fixture(params=["waitress", "granian"])
    def engine(self, request):
        return request.param

    @pytest.mark.parametrize("end", ["close", "reset"])
    def test_a_connection_that_drops(self, tus, served, engine, end, root):
        content = bytes_of(400 * KIB)[: 400 * KIB]
        path = tus.begin(len(content))
        cut = Cut(served.address, tus.member, path, 0, len(content)).send(content[: 300 * KIB])
        least = 300 * KIB - PIECE
        if engine == "granian" and end == "reset":
            # What the server has not read by then is thrown away.
            least = 200 * KIB
            eventually(lambda: sum(one.stat().st_size for one in (root / "files/staging").glob("*")) >= least)
        getattr(cut, end)()
        if engine == "waitress":
            assert tus.offset(path) == 0
        else:
            assert least <= eventually(lambda: tus.offset(path)) <= 300 * KIB
        offset = tus.offset(path)
        assert tus.patch(path, offset, content[offset:]).status_code == 204
        assert tus.member.get("docs/a/b.bin").content == content

    def test_the_state_is_shared_by_all_nodes(self, tus, served, boot, kernel, kernel_factory, root):
        from reactor_storage.plugin import StoragePlugin

        config = {"storage": {"signing_secret": SECRET, "fs_base_path": str(root / "files")}}
        other = kernel_factory(TrustingAuth, StoragePlugin, config=config, database_url=kernel.config.database.url)
        with httpx.Client(transport=httpx.WSGITransport(app=other.app), base_url="http://reactor.test") as wire:
            twin = Member(wire)
            twin.user_id, twin.org_id = tus.member.user_id, tus.member.org_id
            there = Tus(twin)
            path = tus.begin(4)
            for one, offset in ((tus, 0), (there, 1), (tus, 2), (there, 3)):
                assert one.offset(path) == offset
                assert one.patch(path, offset, b"%d" % offset).status_code == 204
        assert tus.member.get("docs/a/b.bin").content == b"0123"


def test_what_came_with_a_checksum_counts_as_a_whole(tus, served, files):
    content = bytes_of(200 * KIB)[: 200 * KIB]
    path = tus.begin(len(content))
    told = {"Upload-Checksum": digest("sha256", content)}
    cut = Cut(served.address, tus.member, path, 0, len(content), headers=told).send(content[: 100 * KIB])
    eventually(lambda: any(name.startswith("staging/") for name in files()))
    cut.close()
    eventually(lambda: files() == [])
    assert tus.offset(path) == 0


def test_a_creation_that_was_cut_leaves_nothing(tus, served, files, sql):
    head = {"Upload-Length": "200000", "Upload-Metadata": named()}
    place = "/storage/v1/upload/resumable"
    cut = Cut(served.address, tus.member, place, 0, 200000, "POST", head).send(b"x" * 100000)
    uploads = "select count(*) from _reactor_storage.multipart_uploads"
    eventually(lambda: sql(uploads) == [("1",)])
    cut.close()
    eventually(lambda: sql(uploads) == [("0",)])
    eventually(lambda: files() == [])


def test_one_request_writes_at_a_time(tus, served, sql):
    size, block = 16 * KIB * KIB, 2 * PIECE
    path = tus.begin(size)
    first = Cut(served.address, tus.member, path, 0, size).send(bytes(block))
    silent = threading.Event()

    def dribble():
        while not silent.wait(0.2):
            first.send(bytes(block))

    thread = threading.Thread(target=dribble)
    thread.start()
    try:
        begun = "select count(*) from _reactor_storage.multipart_uploads where facts ? 'writer'"
        eventually(lambda: sql(begun) == [("1",)])

        def refused():
            answer = tus.patch(path, tus.offset(path), b"x")
            # From time to time what came so far is acknowledged, which may be meanwhile.
            assert answer.status_code in (409, 423)
            return answer.status_code == 423 and answer

        second = eventually(refused, 60)
        assert (code(second), second.headers["Tus-Resumable"]) == ((423, "upload_locked"), "1.0.0")
        assert code(tus.call("DELETE", path)) == (423, "upload_locked")
        assert tus.call("HEAD", path).status_code == 200
    finally:
        silent.set()
        thread.join()
    # The connection of the first hangs: nothing comes, and nobody says so. Its lease lapses.
    eventually(lambda: tus.patch(path, tus.offset(path), b"taken over").status_code == 204, 60)
    offset = tus.offset(path)
    # It wakes up, and can do no harm any more.
    first.send(bytes(block))
    assert first.status() == 423
    assert tus.offset(path) == offset
    assert tus.call("DELETE", path).status_code == 204


class SlowBackend(FileSystemBackend):
    """Puts parts together when it is told to."""

    composing = threading.Event()
    told = threading.Event()

    def compose(self, locators, *, limit):
        self.composing.set()
        assert self.told.wait(60)
        return super().compose(locators, limit=limit)


class SlowPlugin:
    info = PluginInfo(name="slow", version="1.0.0", api=KERNEL_API, summary="a slow backend", requires=("storage",))

    @hookimpl
    def reactor_storage_backends(self, ctx):
        yield StorageBackend("slow", lambda: SlowBackend(ctx.project.root / "slow", ctx.log))


class TestASlowBackend:
    @pytest.fixture
    def kernel(self, kernel_factory):
        from reactor_storage.plugin import StoragePlugin

        config = {"storage": {"signing_secret": SECRET, "backend": "slow"}}
        return kernel_factory(TrustingAuth, StoragePlugin, SlowPlugin, config=config)

    def test_a_client_that_gave_up_waiting_does_not_make_it_begin_anew(self, tus, served):
        path = tus.begin(4)
        assert tus.patch(path, 0, b"12").status_code == 204
        SlowBackend.composing.clear()
        SlowBackend.told.clear()
        first = Cut(served.address, tus.member, path, 2, 2).send(b"34")
        assert SlowBackend.composing.wait(20)
        # Longer than a lease that nobody prolongs.
        for _ in range(3):
            assert code(tus.patch(path, 2, b"34")) == (423, "upload_locked")
            assert tus.offset(path) == 2
        SlowBackend.told.set()
        assert first.status() == 204
        assert tus.offset(path) == 4
        assert tus.member.get("docs/a/b.bin").content == b"1234"


steps = st.lists(
    st.one_of(
        st.tuples(st.just("patch"), st.integers(0, 100 * KIB)),
        st.tuples(st.just("cut"), st.integers(0, 100 * KIB)),
        st.tuples(st.just("checked"), st.integers(1, 100 * KIB)),
        st.tuples(st.just("mismatch"), st.integers(1, 100 * KIB)),
        st.tuples(st.just("elsewhere"), st.integers(-50, 50)),
    ),
    max_size=8,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=steps, size=st.integers(1, 300 * KIB), salt=st.integers(0, 255))
def test_whatever_happens_the_bytes_are_those_that_were_sent(tus, served, steps, size, salt):
    content = bytes_of(size, salt)[:size]
    key = f"k{time.monotonic_ns()}"
    path = tus.begin(size, key)
    at = 0
    for step, amount in steps:
        piece = content[at : at + amount]
        if step == "cut":
            Cut(served.address, tus.member, path, at, size - at).send(piece[: max(0, size - at - 1)]).close()
            kept = tus.offset(path)
            assert at <= kept <= at + amount
            at = kept
        elif step == "elsewhere":
            wrong = max(0, at + amount)
            if wrong != at:
                assert tus.patch(path, wrong, b"").status_code == 409
        else:
            sent = {"patch": None, "checked": piece, "mismatch": b"other"}[step]
            answer = tus.patch(path, at, piece, Upload_Checksum=None if sent is None else digest("sha1", sent))
            if answer.status_code in (409, 423):
                # What was cut before is noticed only now.
                kept = tus.offset(path)
                assert kept >= at
                at = kept
            elif step == "mismatch":
                assert answer.status_code == 460
            else:
                assert answer.status_code == 204
                at += len(piece)
        assert tus.member.get(f"docs/{key}").status_code == (200 if at == size else 404)
    while at < size:
        at = size if tus.patch(path, at, content[at:]).status_code == 204 else tus.offset(path)
    assert tus.offset(path) == size
    assert tus.member.get(f"docs/{key}").content == content


@pytest.mark.parametrize("spoilt", [b"1", b"12345"], ids=["shorter", "longer"])
def test_a_part_that_the_disk_spoilt_makes_no_object(kernel, ann, files, root, spoilt, caplog):
    ann.bucket()
    tus = Tus(ann)
    path = tus.begin(4)
    assert tus.patch(path, 0, b"12").status_code == 204
    [part] = files()
    (root / "files" / part).write_bytes(spoilt)
    answer = tus.patch(path, 2, b"34")
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        500,
        "the content could not be kept or read; nothing was changed",
    )
    assert "the parts of an upload have" in caplog.text
    assert ann.get("docs/a/b.bin").status_code == 404
    assert tus.offset(path) == 2
    (root / "files" / part).write_bytes(b"12")
    assert tus.patch(path, 2, b"34").status_code == 204
    assert ann.get("docs/a/b.bin").content == b"1234"
