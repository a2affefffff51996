"""Connections that drop, hang, or come twice; and the death of a server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor_kernel.testing.server import live

from ..conftest import SECRET, Member, TrustingAuth
from .conftest import Tus, code, digest, named
from .wire import Cut

KIB = 1024
# What may be lost of what arrived: a piece that did not arrive as a whole.
PIECE = 32 * KIB


def bytes_of(size: int, salt: int = 0) -> bytes:
    return bytes((index * 31 + (index >> 8) + salt) % 256 for index in range(4096)) * (size // 4096 + 1)


def eventually(condition, seconds=20):
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends, f"did not become true within {seconds} s"
        time.sleep(0.05)
    return found


def engine_of(name):
    from reactor_kernel.runtime.engines import GRANIAN

    if name == "waitress":
        return None
    pytest.importorskip("granian", reason="pip install 'reactor-kernel[granian]'")
    return GRANIAN


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
    def test_a_connection_that_drops(self, tus, served, engine, end):
        content = bytes_of(400 * KIB)[: 400 * KIB]
        path = tus.begin(len(content))
        cut = Cut(served.address, tus.member, path, 0, len(content)).send(content[: 300 * KIB])
        if engine == "granian":
            # A reset would throw away what the server has not read yet.
            time.sleep(0.5)
        getattr(cut, end)()
        if engine == "waitress":
            assert tus.offset(path) == 0
        else:
            kept = eventually(lambda: tus.offset(path))
            assert 300 * KIB - PIECE < kept <= 300 * KIB
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
        second = tus.patch(path, tus.offset(path), b"x")
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


class Node:
    """A server in a process of its own."""

    def __init__(self, root: Path, database_url: str) -> None:
        script = Path(__file__).with_name("node.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(root), database_url], stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        self.address = ("127.0.0.1", int(line))
        self.url = f"http://127.0.0.1:{int(line)}"

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


def test_the_server_is_killed_amid_a_request(kernel, root, sql):
    engine_of("granian")
    content = bytes_of(40 * KIB * KIB)[: 40 * KIB * KIB]
    url = kernel.config.database.url
    node = Node(root, url)
    try:
        with httpx.Client(base_url=node.url, timeout=60) as wire:
            ann = Member(wire)
            ann.bucket()
            tus = Tus(ann)
            path = tus.begin(len(content))
            Cut(node.address, ann, path, 0, len(content)).send(content[: 36 * KIB * KIB])
            eventually(lambda: tus.call("HEAD", path).headers["Upload-Offset"] != "0", 60)
            node.kill()
        node = Node(root, url)
        with httpx.Client(base_url=node.url, timeout=60) as wire:
            ann.client = wire
            offset = tus.offset(path)
            # What was acknowledged is there: whole segments.
            assert 16 * KIB * KIB <= offset <= 36 * KIB * KIB
            # The lease of the dead lapses within moments.
            eventually(lambda: tus.patch(path, offset, content[offset:]).status_code == 204, 60)
            assert ann.get("docs/a/b.bin").content == content
    finally:
        node.kill()
