"""Pictures that want to harm: each is refused, and the server goes on."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from prometheus_client import CollectorRegistry, Histogram

from reactor_kernel.testing import live
from reactor_storage.images.pool import Renderers
from reactor_storage.images.wire import Order, receive, send

from .conftest import RED, encoded, opened, quarters

pytestmark = pytest.mark.thorough

KINDS = ["JPEG", "PNG", "GIF", "WEBP", "AVIF"]
SMALL = {kind: encoded(quarters((40, 30)), kind) for kind in KINDS}
NO_PICTURE = "the object is no JPEG, PNG, GIF, WebP or AVIF picture"
TOO_MANY = "the object has more than 50000000 pixels"


def refusal(answer):
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def processes() -> set[int]:
    """Return the rendering processes that this one began."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == os.getpid() and b"reactor_storage.images.worker" in command:
            found.add(int(path.name))
    return found


@pytest.fixture
def renderers():
    """List the rendering processes that a test began; those of others end when they are idle."""
    before = processes()
    return lambda: sorted(processes() - before)


INFLATING = zlib.compress(b"x" * 500_000_000, 9)
ROWS = chunk(b"IDAT", zlib.compress(b"\x00\x00" * 8))
BLANK = zlib.compress(b"\x00" * 3751 * 30000, 9)
MANY_FRAMES = encoded(
    Image.new("P", (8, 8), 0),
    "GIF",
    save_all=True,
    append_images=[Image.new("P", (8, 8), n % 256) for n in range(5000)],
)
BOMBS = {
    "a PNG of 900 million pixels in 14 KiB": png(30000, 30000, chunk(b"IDAT", BLANK)),
    "a PNG that says it is as large as can be": png(2**31 - 1, 2**31 - 1, chunk(b"IDAT", b"")),
    "a GIF whose screen is large": SMALL["GIF"][:6] + b"\xff\xff\xff\xff" + SMALL["GIF"][10:],
    "a JPEG that says it is large": SMALL["JPEG"].replace(
        struct.pack(">BHH", 8, 30, 40), struct.pack(">BHH", 8, 65500, 65500)
    ),
    "an AVIF that says it is large": SMALL["AVIF"].replace(
        struct.pack(">II", 40, 30), struct.pack(">II", 60000, 60000)
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs(render, renders, bomb):
    assert len(BOMBS[bomb]) < 200_000
    assert BOMBS[bomb] not in SMALL.values()
    answer = render(BOMBS[bomb], width=10)
    assert answer.status_code in (413, 415), answer.text
    if "AVIF" not in bomb:
        assert refusal(answer) == (413, "image_too_large", TOO_MANY)
    assert renders() == 0
    assert render(SMALL["PNG"], width=10).status_code == 200


def test_of_thousands_of_frames_one_is_shown(render):
    image = opened(render(MANY_FRAMES, width=4))
    assert (image.size, image.n_frames) == ((4, 4), 1)


@pytest.mark.parametrize(
    "bomb",
    [
        png(8, 8, chunk(b"zTXt", b"Comment\x00\x00" + INFLATING), ROWS),
        png(8, 8, chunk(b"iCCP", b"icc\x00\x00" + INFLATING), ROWS),
    ],
    ids=["text", "profile"],
)
def test_metadata_that_inflates(render, renderers, bomb):
    answer = render(bomb, width=4, format="png")
    assert answer.status_code in (200, 413, 415)
    assert len(answer.content) < 10_000
    for pid in renderers():
        peak = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]
        assert int(peak) < 300_000


def test_what_is_no_picture(render):
    bitmap = quarters((40, 30))
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    refused = {
        "svg": svg,
        "svg in disguise": b'<?xml version="1.0"?>' + svg,
        "html": b"<!doctype html><p>hello",
        "empty": b"",
        "text": b"hello",
        "zeros": bytes(1000),
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "pdf": encoded(bitmap, "PDF"),
        **{kind: encoded(bitmap, kind) for kind in ("BMP", "TIFF", "ICO", "PPM", "TGA", "PCX", "JPEG2000", "DDS")},
        **{f"the beginning of a {kind}": file[:3] for kind, file in SMALL.items()},
    }
    for name, file in refused.items():
        assert refusal(render(file, width=10)) == (415, "image_not_supported", NO_PICTURE), name


def test_the_declared_type_does_not_count(ann):
    ann.bucket("pics")
    ann.put("pics/a.svg", SMALL["PNG"], Content_Type="image/svg+xml")
    answer = ann.call("GET", "render/image/authenticated/pics/a.svg?width=10")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    ann.put("pics/a.png", b"<svg/>", Content_Type="image/png")
    assert ann.call("GET", "render/image/authenticated/pics/a.png?width=10").status_code == 415


@pytest.mark.parametrize("kind", KINDS)
def test_truncated(render, kind):
    whole = encoded(Image.effect_noise((200, 200), 60).convert("RGB"), kind)
    for part in (0.1, 0.5, 0.9):
        answer = render(whole[: int(len(whole) * part)], width=10)
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "image_not_supported"), part


def test_of_two_things_in_one_file_the_picture(render):
    script = b"<script>alert(document.domain)</script>"
    archive = b"PK\x03\x04" + bytes(26) + b"payload"
    for kind in KINDS:
        for tail in (script, archive):
            answer = render(SMALL[kind] + tail, width=20, format="origin")
            assert opened(answer).size == (20, 15)
            assert tail not in answer.content
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Type"].startswith("image/")


def test_no_side_is_nothing(render):
    for file in (png(0, 8), png(8, 0), SMALL["GIF"][:6] + bytes(4) + SMALL["GIF"][10:]):
        assert render(file, width=10).status_code in (200, 415)
    assert opened(render(encoded(Image.new("RGB", (1, 1), RED), "PNG"), width=10, height=10)).size == (1, 1)
    assert opened(render(encoded(Image.new("RGB", (1, 9000), RED), "PNG"), width=10, height=10)).size == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_or_shown(ann, kind):
    ann.bucket("pics")
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "text"
    options = {} if kind == "GIF" else {"exif": exif.tobytes()}
    whole = encoded(quarters((40, 30)), kind, **options)
    number = iter(range(10**6))

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def damage(data):
        file = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 8))):
            at = data.draw(st.integers(0, len(file) - 1))
            kind_of = data.draw(st.sampled_from(["set", "cut", "insert", "flip"]))
            if kind_of == "set":
                file[at] = data.draw(st.sampled_from([0, 1, 127, 128, 255]))
            elif kind_of == "flip":
                file[at] ^= 1 << data.draw(st.integers(0, 7))
            elif kind_of == "cut":
                del file[at : at + data.draw(st.integers(1, 20))]
            else:
                file[at:at] = data.draw(st.binary(min_size=1, max_size=20))
            if not file:
                return
        key = f"pics/{next(number)}"
        ann.put(key, bytes(file))
        answer = ann.call("GET", f"render/image/authenticated/{key}?width=20&format=png")
        assert answer.status_code in (200, 413, 415), answer.text
        if answer.status_code == 200:
            assert max(opened(answer).size) <= 2500

    damage()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"image_max_bytes": 500}, "the object has {size} bytes; up to 500 are rendered"),
        ({"image_max_pixels": 1199}, "the object has more than 1199 pixels"),
    ],
)
def test_limits_are_configured(wire, config, message):
    from ..conftest import Member

    ann = Member(wire(**config))
    ann.bucket("pics")
    file = encoded(quarters((40, 30)), "JPEG")
    ann.put("pics/a", file)
    answer = ann.call("GET", "render/image/authenticated/pics/a?width=1")
    assert refusal(answer) == (413, "image_too_large", message.format(size=len(file)))
    fits = encoded(Image.new("L", (11, 109)), "PNG")
    ann.put("pics/b", fits)
    assert ann.call("GET", "render/image/authenticated/pics/b?width=1").status_code == 200


SLOW = encoded(Image.effect_noise((6900, 6900), 60).convert("RGB"), "JPEG", quality=30)


class TestSlowly:
    """A picture that takes seconds to render."""

    @pytest.fixture
    def kernel(self, boot, request):
        return boot(image_requests=2, image_workers=1, image_timeout_secs=getattr(request, "param", 1))

    @pytest.fixture
    def slow(self, ann):
        ann.bucket("pics")
        ann.put("pics/slow", SLOW)
        ann.put("pics/quick", SMALL["PNG"])
        assert ann.call("GET", "render/image/authenticated/pics/quick?width=10").status_code == 200
        return ann

    @staticmethod
    def ask(member, width=2500):
        return member.call("GET", f"render/image/authenticated/pics/slow?width={width}&format=avif&quality=100")

    def test_time_is_bounded(self, renderers, slow):
        assert refusal(self.ask(slow)) == (413, "image_too_large", "the object takes longer to render than 1 seconds")
        assert slow.call("GET", "render/image/authenticated/pics/quick?width=11").status_code == 200
        assert len(renderers()) == 1

    def test_a_decoder_that_crashes_harms_nobody_else(self, renderers, slow):
        [before] = renderers()
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(self.ask, slow)
            time.sleep(0.4)
            os.kill(before, signal.SIGSEGV)
            answer = asked.result()
        assert refusal(answer) == (
            415,
            "image_not_supported",
            "the object cannot be decoded: it made the decoder fail",
        )
        assert slow.call("GET", "render/image/authenticated/pics/quick?width=11").status_code == 200
        [after] = renderers()
        assert after != before

    def test_one_that_hangs_is_ended(self, renderers, slow, caplog):
        [before] = renderers()
        os.kill(before, signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(1) as threads:
                asked = threads.submit(self.ask, slow)
                try:
                    answer = asked.result(30)
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(before, signal.SIGKILL)
            assert refusal(answer) == (413, "image_too_large", "the object takes longer to render than 1 seconds")
            assert "a rendering process hung and is ended with status -9" in caplog.text
            assert slow.call("GET", "render/image/authenticated/pics/quick?width=11").status_code == 200
            [after] = renderers()
            assert after != before
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(before, signal.SIGKILL)

    def test_one_that_was_killed_while_idle_is_replaced(self, renderers, slow):
        [before] = renderers()
        os.kill(before, signal.SIGKILL)
        os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
        assert slow.call("GET", "render/image/authenticated/pics/quick?width=11").status_code == 200

    @pytest.mark.parametrize("kernel", [60], indirect=True)
    def test_the_others_are_served_meanwhile(self, slow):
        with ThreadPoolExecutor(2) as threads:
            # One is rendered, one waits; together they are all that may.
            asked = [threads.submit(self.ask, slow, width) for width in (2499, 2500)]
            time.sleep(0.3)
            busy = slow.call("GET", "render/image/authenticated/pics/quick?width=12")
            assert refusal(busy)[:2] == (503, "images_busy")
            assert busy.headers["Retry-After"] == "1"
            assert slow.get("pics/quick").content == SMALL["PNG"]
            assert slow.call("GET", "render/image/authenticated/pics/quick?width=10").status_code == 200
            assert not any(one.done() for one in asked)
            assert [one.result().status_code for one in asked] == [200, 200]
        assert slow.call("GET", "render/image/authenticated/pics/quick?width=12").status_code == 200


def test_memory_is_bounded():
    command = [sys.executable, "-m", "reactor_storage.images.worker", str(150 * 1024 * 1024), "60"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        receive(process.stdout)
        large = encoded(Image.new("RGB", (6000, 6000), RED), "PNG")
        said = []
        for file in (large, SMALL["PNG"]):
            order = Order(10, 10, "cover", 80, "png", 10**8, 20.0)
            send(process.stdin, order, len(file), [file])
            said.append(receive(process.stdout))
        process.stdin.close()
        assert process.wait(10) == 0
    assert b'"too_large"' in said[0][0]
    assert b"needs more memory to be rendered than is allowed" in said[0][0]
    assert Image.open(io.BytesIO(said[1][1])).size == (10, 10)


def test_the_rendering_process_knows_no_secret_and_may_little(renderers, render, monkeypatch):
    monkeypatch.setenv("REACTOR_TEST_SECRET", "must stay here")
    assert render(SMALL["PNG"], width=10).status_code == 200
    [pid] = renderers()
    assert b"must stay here" not in Path(f"/proc/{pid}/environ").read_bytes()
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert [line.split()[-3] for line in limits.splitlines() if line.startswith("Max open files")] == ["0"]
    assert [line.split()[-3] for line in limits.splitlines() if line.startswith("Max file size")] == ["0"]
    assert [line.split()[-3] for line in limits.splitlines() if line.startswith("Max address space")] == [
        str(512 * 1024 * 1024 + 16 * 50_000_000)
    ]


LIAR = """#!/bin/sh
exec {python} -c '
import struct, sys
out = sys.stdout.buffer
def say(text, length):
    out.write(struct.pack(">IQ", len(text), length) + text)
    out.flush()
say(b"{{\\"outcome\\": \\"ready\\"}}", 0)
text, length = struct.unpack(">IQ", sys.stdin.buffer.read(12))
sys.stdin.buffer.read(text + length)
say(b"{{\\"outcome\\": \\"rendered\\", \\"content_type\\": \\"image/png\\"}}", {length})
try:
    while True:
        out.write(bytes(1 << 20))
except BrokenPipeError:
    sys.exit(3)
'
"""


@pytest.mark.parametrize("length", [64 * 1024 * 1024 + 1, 2**40, 2**64 - 1])
def test_one_that_a_picture_took_over_cannot_fill_the_servers_memory(render, tmp_path, monkeypatch, length):
    script = tmp_path / "python"
    script.write_text(LIAR.format(python=sys.executable, length=length))
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    assert refusal(render(SMALL["PNG"], width=10)) == (
        415,
        "image_not_supported",
        "the object cannot be decoded: it made the decoder fail",
    )


def test_the_processes_end_with_the_server(renderers, kernel, ann):
    with live(kernel):
        ann.bucket("pics")
        ann.put("pics/a", SMALL["PNG"])
        assert ann.call("GET", "render/image/authenticated/pics/a?width=10").status_code == 200
        assert len(renderers()) == 1
    kernel.drain(5)
    assert renderers() == []
    # What comes while it drains is still answered.
    assert ann.call("GET", "render/image/authenticated/pics/a?width=11").status_code == 200
    assert renderers() == []


def test_the_processes_end_when_they_are_idle(renderers):
    durations = Histogram("seconds", "of a test", ["outcome"], registry=CollectorRegistry())
    pool = Renderers(
        most=1, max_pixels=10**6, seconds=10, durations=durations, log=logging.getLogger("test"), idle=0.05
    )
    order = Order(10, 10, "cover", 80, "png", 10**6, 10.0)
    # Around the moment at which they end.
    for pause in (0, 0.03, 0.045, 0.05, 0.052, 0.055, 0.06, 0.2):
        time.sleep(pause)
        assert pool.render(order, len(SMALL["PNG"]), lambda: [SMALL["PNG"]])[1] == "image/png"
    # On a busy machine it may have ended before it is looked for.
    for pid in renderers():
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert pool.render(order, len(SMALL["PNG"]), lambda: [SMALL["PNG"]])[1] == "image/png"
    pool.close()
    assert renderers() == []


def pictures(kernel):
    """Return what doctor says of rendering."""
    return kernel.doctor().capabilities(["storage"])["storage"]["details"]["storage: pictures"]


def test_doctor_renders_in_every_format(kernel, renders):
    assert pictures(kernel) == {"status": "ok", "message": "a picture was rendered in every format"}
    assert renders() == 5


def test_doctor_says_that_nothing_can_be_rendered(kernel, ann, monkeypatch, caplog):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert pictures(kernel) == {
        "status": "warn",
        "message": "pictures cannot be rendered: the rendering process does not start",
    }
    assert "it ended with status 1; this shows why: env PYTHONPATH=" in caplog.text
    ann.bucket("pics")
    ann.put("pics/a", SMALL["PNG"])
    answer = ann.call("GET", "render/image/authenticated/pics/a?width=10")
    assert refusal(answer) == (500, "internal_error", "the rendering process does not start")
    assert "/bin/false" not in answer.text
