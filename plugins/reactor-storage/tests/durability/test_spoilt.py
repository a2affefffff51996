"""A disk that keeps less than it was given: what is short is an error, and never a shorter content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FAILED = (500, "the content could not be kept or read; nothing was changed")


@pytest.fixture
def spoil(files: Callable[[], list[str]], root: Path) -> Callable[[bytes], None]:
    """Put something else in the only file that is kept."""

    def write(content: bytes) -> None:
        [path] = files()
        (root / "files" / path).write_bytes(content)

    return write


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


def test_a_content_that_was_cut_off_is_not_given_out_as_whole(ann: Any, spoil: Any, caplog: Any) -> None:
    ann.bucket()
    ann.put("docs/a", b"0123456789")
    spoil(b"0123")
    for asked in ({}, {"Range": "bytes=2-5"}, {"Range": "bytes=6-"}):
        answer = ann.get("docs/a", **asked)
        assert refused(answer) == FAILED
        assert "ETag" not in answer.headers
    assert "has not the 10 bytes that were kept" in caplog.text
    assert ann.get("docs/a", Range="bytes=1-3").content == b"123"


def test_a_part_that_was_cut_off_makes_no_object(ann: Any, spoil: Any, caplog: Any) -> None:
    ann.bucket()
    upload = ann.call("POST", "upload/docs/a", body={}).json()["upload_id"]
    part = ann.call("PUT", f"upload/docs/a/part?upload_id={upload}&part_number=1", body=b"0123456789").json()
    spoil(b"0123")
    parts = {"parts": [{"part_number": 1, "etag": part["etag"]}]}
    complete = f"upload/docs/a/complete?upload_id={upload}"
    assert refused(ann.call("POST", complete, body=parts)) == FAILED
    assert "the parts of an upload have 4 of the 10 bytes that were kept" in caplog.text
    assert ann.get("docs/a").status_code == 404
    spoil(b"0123456789")
    assert ann.call("POST", complete, body=parts).status_code == 200
    assert ann.get("docs/a").content == b"0123456789"
