"""A client of TUS for tests, thin enough to send what no honest client would."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any

import pytest

TUS = {"Tus-Resumable": "1.0.0"}
BODY = "application/offset+octet-stream"
HERE = "upload/resumable"
KIB = 1024


def metadata(**pairs: str | bytes) -> str:
    """Write Upload-Metadata."""
    encoded = {key: value if isinstance(value, bytes) else value.encode() for key, value in pairs.items()}
    return ",".join(f"{key} {base64.b64encode(value).decode()}" for key, value in encoded.items())


def named(key: str = "a/b.bin", bucket: str = "docs", **more: str | bytes) -> str:
    return metadata(bucketName=bucket, objectName=key, **more)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def digest(algorithm: str, content: bytes) -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


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


class Tus:
    """Calls as one member, with the headers that every request needs; None takes one away."""

    def __init__(self, member: Any, place: str = HERE, **headers: str) -> None:
        self.member = member
        self.place = place
        self.headers = headers

    def call(self, method: str, path: str = "", body: bytes | None = None, **headers: str | None) -> Any:
        sent = {"Tus_Resumable": "1.0.0", **self.headers, **headers}
        target = path.removeprefix("/storage/v1/") if path else self.place
        return self.member.call(method, target, body=body, **{k: v for k, v in sent.items() if v is not None})

    def begin(self, length: int | None, key: str = "a/b.bin", **headers: str | None) -> str:
        """Begin an upload; return its path."""
        size = {"Upload_Defer_Length": "1"} if length is None else {"Upload_Length": str(length)}
        answer = self.call("POST", **{"Upload_Metadata": named(key), **size, **headers})
        assert answer.status_code == 201, answer.text
        location: str = answer.headers["Location"]
        return location

    def patch(self, path: str, offset: int | str, content: bytes, **headers: str | None) -> Any:
        sent = {"Upload_Offset": str(offset), "Content_Type": BODY, **headers}
        return self.call("PATCH", path, body=content, **sent)

    def offset(self, path: str) -> int:
        answer = self.call("HEAD", path)
        assert answer.status_code == 200, answer.text
        return int(answer.headers["Upload-Offset"])


@pytest.fixture
def tus(ann):
    ann.bucket()
    return Tus(ann)
