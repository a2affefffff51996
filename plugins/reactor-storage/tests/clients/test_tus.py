"""tus-js-client, which Uppy and Supabase's users upload with, unchanged under node, against live servers of both engines."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from reactor_kernel.testing.server import live

from ..conftest import Member
from .proxy import CuttingProxy

pytestmark = pytest.mark.thorough

SCRIPT = Path(__file__).with_name("uploads.mjs")
CLIENT = "tus-js-client@4.3.1"
MIB = 1024 * 1024


@pytest.fixture
def node_modules(npm):
    return npm(CLIENT)


@pytest.fixture(params=["waitress", "granian"])
def served(request, kernel):
    engine = None
    if request.param == "granian":
        pytest.importorskip("granian", reason="pip install 'reactor-kernel[granian]'")
        from reactor_kernel.runtime.engines import GRANIAN as engine
    with live(kernel, engine=engine, services=False) as server:
        yield server


@pytest.fixture
def ann(served):
    with httpx.Client(base_url=served.url, timeout=60) as wire:
        ann = Member(wire)
        ann.bucket()
        yield ann


@pytest.fixture
def big(tmp_path):
    """Two hundred megabytes, no two blocks of them alike."""
    path = tmp_path / "big.bin"
    with path.open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(MIB))
    return path


@pytest.fixture
def upload(node_modules, tmp_path, served, ann):
    (tmp_path / "node_modules").symlink_to(node_modules)
    shutil.copy(SCRIPT, tmp_path)

    def run(step: str, file: Path, *, url: str = served.url, place: str = "", **options: Any) -> dict[str, Any]:
        asked = {
            "endpoint": f"{url}/storage/v1/upload/resumable{place}",
            "file": str(file),
            "headers": ann.headers,
            "metadata": {
                "bucketName": "docs",
                "objectName": "a/big.bin",
                "contentType": "video/mp4",
                "cacheControl": "3600",
            },
            "chunkSize": 6 * MIB,
            **options,
        }
        done = subprocess.run(
            ["node", SCRIPT.name, step, json.dumps(asked)], cwd=tmp_path, capture_output=True, text=True, timeout=150
        )
        assert (done.returncode, done.stderr) == (0, "")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run


def etag(path: Path) -> str:
    with path.open("rb") as file:
        return f'"{hashlib.file_digest(file, "sha256").hexdigest()}"'


def stored(ann: Member) -> tuple[int, str]:
    answer = ann.call("HEAD", "object/docs/a/big.bin")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "video/mp4")
    assert answer.headers["Cache-Control"] == "max-age=3600"
    return int(answer.headers["Content-Length"]), answer.headers["ETag"]


def test_two_hundred_megabytes_through_three_disconnects(upload, served, ann, big):
    proxy = CuttingProxy(served.address, [40 * MIB, 70 * MIB, 30 * MIB])
    try:
        done = upload("upload", big, url=proxy.url, chunkSize=64 * MIB)
    finally:
        proxy.close()
    assert proxy.done == 3
    assert "error" not in done, done
    assert done["retried"] >= 3
    assert stored(ann) == (200 * MIB, etag(big))


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.bin"
    path.write_bytes(os.urandom(20 * MIB))
    return path


def test_parallel_uploads_are_concatenated(upload, ann, small, files):
    done = upload("upload", small, parallelUploads=3)
    assert "error" not in done, done
    assert stored(ann) == (20 * MIB, etag(small))
    assert len(files()) == 1


def test_an_upload_goes_on_in_another_process(upload, ann, small, tmp_path):
    storage = str(tmp_path / "urls.json")
    paused = upload("pause", small, storage=storage)
    assert paused["chunks"] == 2
    done = upload("resume", small, storage=storage)
    assert (done["found"], done["url"], done["chunks"]) == (1, paused["url"], 2)
    assert stored(ann) == (20 * MIB, etag(small))
    # It is complete, as the client finds out again later.
    again = upload("resume", small, storage=storage)
    assert (again["url"], again["chunks"]) == (paused["url"], 0)


def test_parallel_uploads_go_on_in_another_process(upload, ann, small, tmp_path, served):
    storage = str(tmp_path / "urls.json")
    proxy = CuttingProxy(served.address, [9 * MIB])
    try:
        broken = upload("upload", small, storage=storage, url=proxy.url, parallelUploads=2, retryDelays=None)
    finally:
        proxy.close()
    assert broken["error"]
    urls = json.loads(Path(storage).read_text())
    Path(storage).write_text(json.dumps(urls).replace(proxy.url, served.url))
    done = upload("resume", small, storage=storage, parallelUploads=2)
    assert (done["found"], "error" in done) == (1, False), done
    assert stored(ann) == (20 * MIB, etag(small))


@pytest.mark.parametrize(
    "options",
    [
        {"uploadDataDuringCreation": True},
        {"stream": True, "uploadLengthDeferred": True},
        {"overridePatchMethod": True},
        {"stream": True, "uploadSize": 20 * MIB, "addRequestId": True},
    ],
    ids=["with the creation", "length later", "method overridden", "stream"],
)
def test_options_of_the_client(upload, ann, small, options):
    done = upload("upload", small, **options)
    assert "error" not in done, done
    assert stored(ann) == (20 * MIB, etag(small))


def test_an_empty_file(upload, ann, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    assert "error" not in upload("upload", empty)
    assert stored(ann) == (0, etag(empty))


def test_what_is_refused_is_not_tried_again(upload, ann, small):
    ann.put("docs/a/big.bin", b"there")
    refused = upload("upload", small, retryDelays=[0])
    assert (refused["error"], json.loads(refused["body"])["error"]["code"]) == (409, "object_exists")
    done = upload("upload", small, headers={**ann.headers, "x-upsert": "true"})
    assert "error" not in done, done
    assert stored(ann) == (20 * MIB, etag(small))


def test_a_chunk_larger_than_a_request_may_be(upload, ann, big):
    refused = upload("upload", big, chunkSize=101 * MIB)
    assert (refused["error"], json.loads(refused["body"])["error"]["code"]) == (413, "payload_too_large")


def test_cancelling_drops_what_was_sent(upload, ann, small, files):
    done = upload("terminate", small)
    assert "error" not in done, done
    assert files() == []
    assert ann.call("HEAD", "object/docs/a/big.bin").status_code == 404


def test_with_the_token_of_a_signed_url(upload, ann, small):
    token = ann.call("POST", "object/upload/sign/docs/a/big.bin", body={}).json()["token"]
    done = upload("upload", small, place="/sign", headers={"x-signature": token})
    assert "error" not in done, done
    assert "/upload/resumable/sign/" in done["url"]
    assert stored(ann) == (20 * MIB, etag(small))
