"""A disk that is full, read-only or gone: the answer says so, no byte is left behind, and the old content stays."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SIZE = 12 * 1024 * 1024
MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount a small file system; options as mount takes them."""
    mounted: list[Path] = []

    def mount(options: str = f"size={SIZE}") -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no small file system can be mounted: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def member(wire: Callable[..., Any], request: pytest.FixtureRequest) -> Callable[[Path], Any]:
    """A user of a server whose contents lie in a directory; it has the bucket docs."""
    above = request.config.pluginmanager.get_plugin(str(Path(__file__).parents[1] / "conftest.py"))

    def make(place: Path) -> Any:
        member = above.Member(wire(fs_base_path=str(place)))
        member.bucket()
        return member

    return make


def left_on(place: Path) -> list[int]:
    """Return the sizes of all files."""
    return sorted(path.stat().st_size for path in place.rglob("*") if path.is_file())


def free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def refused(answer: Any, status: int = 507, code: str = "storage_full") -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def send_raw(member: Any, content: bytes) -> Any:
    return member.call("PUT", "object/docs/a", body=content)


def send_form(member: Any, content: bytes) -> Any:
    return member.client.post(
        "/storage/v1/object/docs/a", files={"file": content}, headers=member.headers | {"X-Upsert": "true"}
    )


@pytest.mark.parametrize("send", [send_raw, send_form])
def test_an_upload_that_does_not_fit(disk: Any, member: Any, send: Callable[[Any, bytes], Any]) -> None:
    place = disk()
    ann = member(place)
    before = ann.put("docs/a", b"old", Content_Type="text/plain")
    answer = send(ann, os.urandom(SIZE + MIB))
    refused(answer)
    error = answer.json()["error"]
    assert error["message"] == "the storage has no space left for this; nothing was changed"
    assert error["hint"] == "Remove what is not needed, or ask the operator for more space."
    assert left_on(place) == [3]
    read = ann.get("docs/a")
    assert (read.content, read.headers["ETag"], read.headers["Content-Type"]) == (b"old", before["etag"], "text/plain")
    [listed] = ann.call("GET", "buckets/docs/objects").json()["objects"]
    assert (listed["etag"], listed["size"], listed["version_id"]) == (before["etag"], 3, before["version_id"])
    fitting = os.urandom(SIZE // 2)
    assert send(ann, fitting).status_code == 200
    assert ann.get("docs/a").content == fitting
    assert left_on(place) == [SIZE // 2]


@pytest.mark.parametrize("beyond", [1, 4097, 100_000])
def test_the_last_piece_that_fits_only_in_part(disk: Any, member: Any, beyond: int) -> None:
    """The system then writes what fits and reports no error, so that a server that believes it keeps less than it was sent."""
    place = disk()
    ann = member(place)
    ann.put("docs/a", b"old")
    ann.put("docs/filler", os.urandom(free(place) - 150_000))
    kept = left_on(place)
    refused(ann.call("PUT", "object/docs/a", body=os.urandom(free(place) + beyond)))
    assert left_on(place) == kept
    assert ann.get("docs/a").content == b"old"


def test_no_space_for_the_name(disk: Any, member: Any) -> None:
    """What is staged fits, and the folders that it is to be kept in do not."""
    place = disk("size=4m,nr_inodes=4")
    ann = member(place)
    refused(ann.call("PUT", "object/docs/a", body=b"x"))
    assert left_on(place) == []
    assert ann.get("docs/a").status_code == 404
    subprocess.run(["mount", "-o", "remount,nr_inodes=100", str(place)], check=True)
    ann.put("docs/a", b"x")
    assert ann.get("docs/a").content == b"x"


def test_parts_that_do_not_fit(disk: Any, member: Any) -> None:
    place = disk()
    ann = member(place)
    ann.put("docs/a", b"old")
    upload = ann.call("POST", "upload/docs/a", body={}).json()["upload_id"]
    query = f"upload_id={upload}&part_number="
    first, second, last = os.urandom(5 * MIB), os.urandom(8 * MIB), b"the end"
    sent = [ann.call("PUT", f"upload/docs/a/part?{query}1", body=first)]
    refused(ann.call("PUT", f"upload/docs/a/part?{query}2", body=second))
    assert left_on(place) == [3, 5 * MIB]
    sent.append(ann.call("PUT", f"upload/docs/a/part?{query}2", body=last))
    ann.put("docs/filler", os.urandom(4 * MIB))
    kept = left_on(place)
    named = {"parts": [{"part_number": number, "etag": one.json()["etag"]} for number, one in enumerate(sent, 1)]}
    refused(ann.call("POST", f"upload/docs/a/complete?upload_id={upload}", body=named))
    assert left_on(place) == kept
    assert ann.get("docs/a").content == b"old"
    assert ann.call("DELETE", "object/docs/filler").status_code == 204
    assert ann.call("POST", f"upload/docs/a/complete?upload_id={upload}", body=named).status_code == 200
    assert ann.get("docs/a").content == first + last
    assert left_on(place) == [5 * MIB + 7]


def test_a_disk_that_is_read_only(disk: Any, member: Any) -> None:
    place = disk()
    ann = member(place)
    ann.put("docs/a", b"old")
    ann.put("docs/b", b"doomed")
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    answer = ann.call("PUT", "object/docs/a", body=b"new")
    refused(answer, 500, "internal_error")
    assert answer.json()["error"]["message"] == "the content could not be kept or read; nothing was changed"
    assert str(place) not in answer.text
    assert ann.get("docs/a").content == b"old"
    assert ann.call("DELETE", "object/docs/b").status_code == 204, "the row decides; the sweep removes the bytes"
    assert ann.get("docs/b").status_code == 404
    subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
    ann.put("docs/a", b"new")
    assert ann.get("docs/a").content == b"new"


def test_doctor_sees_contents_that_nothing_can_be_put_to(boot: Any, root: Path) -> None:
    kernel = boot()
    blobs = root / "files" / "blobs"

    def seen() -> Any:
        return kernel.doctor().capabilities(["storage"])["storage"]["details"]["storage: backend"]

    well = {"status": "ok", "message": "fs: a content was written, read and removed"}
    assert seen() == well
    blobs.rmdir()
    blobs.write_bytes(b"no directory")
    assert seen() == {"status": "fail", "message": "fs: a content cannot be kept: Not a directory"}
    blobs.unlink()
    assert seen() == well
    assert list(blobs.iterdir()) == []


def test_a_directory_that_is_removed_while_the_server_runs(member: Any, tmp_path: Path) -> None:
    place = tmp_path / "contents"
    ann = member(place)
    ann.put("docs/a", b"old")
    shutil.rmtree(place)
    lost = ann.get("docs/a")
    assert (lost.status_code, lost.json()["error"]["code"]) == (404, "object_not_found")
    assert lost.json()["error"]["message"] == "the content of 'a' is not there"
    ann.put("docs/a", b"old")
    assert ann.get("docs/a").content == b"old", "it is kept although its row said that it was there"
    ann.put("docs/b", b"new")
    assert left_on(place) == [3, 3]


def test_an_s3_client_is_told(disk: Any, member: Any) -> None:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    place = disk()
    ann = member(place)
    key = ann.s3_key()
    content = os.urandom(SIZE + MIB)
    request = AWSRequest("PUT", f"{ann.client.base_url}/storage/v1/s3/docs/a", data=content)
    S3SigV4Auth(Credentials(key["access_key_id"], key["secret_access_key"]), "s3", "local").add_auth(request)
    answer = ann.client.put(request.url, content=content, headers=dict(request.headers.items()))
    assert answer.status_code == 507, answer.text
    assert "<Code>XMinioStorageFull</Code>" in answer.text
    assert "the storage has no space left for this; nothing was changed" in answer.text
    assert left_on(place) == []
