"""Requests sent byte for byte, to both engines."""

from __future__ import annotations

import http.client
import importlib.util
import io
import json
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reactor_kernel.runtime.engines import GRANIAN, WAITRESS
from reactor_kernel.testing import live

# For what stands beside the tests: they are imported by their path.
sys.path.insert(0, str(Path(__file__).parent))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def code(self) -> str:
        """The code of an error; of S3's too."""
        if self.headers.get("Content-Type") == "application/xml":
            return self.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()
        code: str = json.loads(self.body)["error"]["code"]
        return code


class Wire:
    """A connection on which nothing is escaped, normalised or completed."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self._socket: socket.socket | None = None

    def call(self, method: str, target: str | bytes, body: bytes = b"", **headers: str) -> Answer:
        """Send one request; `target` goes into the request line as it is."""
        lines = {"Host": "reactor.test", "Content-Length": str(len(body)), **named(headers)}
        return self.send(self.head(method, target, lines) + body, method)

    @staticmethod
    def head(method: str, target: str | bytes, lines: dict[str, str]) -> bytes:
        raw = target.encode() if isinstance(target, str) else target
        head = "".join(f"{name}: {text}\r\n" for name, text in lines.items())
        return method.encode() + b" " + raw + b" HTTP/1.1\r\n" + head.encode() + b"\r\n"

    def send(self, request: bytes, method: str) -> Answer:
        """Send bytes and return the answer. Raises OSError where none comes."""
        kept = self._socket is not None
        try:
            return self._exchange(request, method)
        except (OSError, http.client.HTTPException):
            self.close()
            if not kept:
                raise
            return self._exchange(request, method)  # an idle connection may have been closed

    def _exchange(self, request: bytes, method: str) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(self.address, timeout=20)
        self._socket.sendall(request)
        answer = http.client.HTTPResponse(self._socket, method=method)
        answer.begin()
        found = Answer(answer.status, answer.headers, answer.read())
        if answer.will_close:
            self.close()
        return found

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in headers.items()}


def form_of(content: bytes) -> tuple[bytes, str]:
    """Return a form with one file, and its content type."""
    out = io.BytesIO()
    out.write(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
    out.write(content)
    out.write(b"\r\n--x--\r\n")
    return out.getvalue(), "multipart/form-data; boundary=x"


@pytest.fixture(params=["waitress", "granian"])
def engine(request: pytest.FixtureRequest) -> Any:
    if request.param == "granian" and importlib.util.find_spec("granian") is None:
        pytest.skip("granian is not installed")
    return {"waitress": WAITRESS, "granian": GRANIAN}[request.param]


@pytest.fixture
def wired(kernel: Any, engine: Any) -> Iterator[Wire]:
    """A connection to the kernel behind a real socket."""
    with live(kernel, engine=engine) as server:
        wire = Wire(server.address)
        try:
            yield wire
        finally:
            wire.close()


@pytest.fixture
def outside(root: Path) -> Callable[[], set[str]]:
    """List every file and folder around the backend's root; of the project's own only the vault changes."""
    own = (root / "files", root / ".reactor" / "vault")

    def listed() -> set[str]:
        return {
            str(path)
            for path in root.parent.rglob("*")
            if path != root / ".reactor" and not any(one == path or one in path.parents for one in own)
        }

    return listed
