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
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from reactor_kernel.runtime.engines import GRANIAN, WAITRESS
from reactor_kernel.testing import live

BASE = "/storage/v1"
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


class Entrances:
    """Every way to name an object, for one user on one connection. A key in a path is escaped, all of it but the slashes."""

    def __init__(self, wire: Wire, member: Any, bucket: str = "docs") -> None:
        self.wire = wire
        self.bucket = bucket
        self._headers = member.headers
        self._member = member
        self._key: Credentials | None = None

    def call(self, method: str, path: str, body: Any = b"", **headers: str) -> Answer:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.wire.call(method, f"{BASE}/{path}", sent, **self._headers, **headers)

    def s3(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        if self._key is None:
            made = self._member.s3_key()
            self._key = Credentials(made["access_key_id"], made["secret_access_key"])
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        request = AWSRequest(method, f"http://reactor.test{BASE}/s3/{path}", data=body, headers=named)
        S3SigV4Auth(self._key, "s3", "us-east-1").add_auth(request)
        signed = {name: text for name, text in request.headers.items() if name.lower() != "content-length"}
        return self.wire.call(method, f"{BASE}/s3/{path}", body, **signed)

    def by_path(self, key: str | bytes) -> Iterator[tuple[str, Answer]]:
        """Name it in the path."""
        form, kind = form_of(b"x")
        path, in_one = quote(key, safe="/"), quote(key, safe="")
        at = f"{self.bucket}/{path}"
        yield "put", self.call("PUT", f"object/{at}", b"x")
        yield "post", self.call("POST", f"object/{at}", b"x", X_Upsert="true")
        yield "form", self.call("POST", f"object/{at}", form, Content_Type=kind, X_Upsert="true")
        yield "get", self.call("GET", f"object/{at}")
        yield "head", self.call("HEAD", f"object/{at}")
        yield "delete", self.call("DELETE", f"object/{at}")
        yield "info", self.call("GET", f"object/info/{at}")
        yield "authenticated", self.call("GET", f"object/authenticated/{at}")
        yield "sign", self.call("POST", f"sign/{at}", {})
        yield "sign upload", self.call("POST", f"sign/{at}", {"for_upload": True})
        yield "sdk sign", self.call("POST", f"object/sign/{at}", {"expiresIn": 60})
        yield "sdk sign upload", self.call("POST", f"object/upload/sign/{at}", {})
        yield "begin parts", self.call("POST", f"upload/{self.bucket}/{in_one}", {})

    def by_path_of_s3(self, key: str | bytes) -> Iterator[tuple[str, Answer]]:
        at = f"{self.bucket}/{quote(key, safe='/~')}"
        yield "s3 put", self.s3("PUT", at, b"x")
        yield "s3 get", self.s3("GET", at)
        yield "s3 head", self.s3("HEAD", at)
        yield "s3 begin parts", self.s3("POST", f"{at}?uploads=")
        yield "s3 copy", self.s3("PUT", f"{self.bucket}/copy", x_amz_copy_source=at)

    def by_body(self, key: str) -> Iterator[tuple[str, Answer]]:
        """Name it in a document."""
        transfer = {"bucketId": self.bucket, "sourceKey": key, "destinationKey": "there"}
        yield "copy from", self.call("POST", "object/copy", transfer)
        yield "move from", self.call("POST", "object/move", transfer)
        transfer = {"bucketId": self.bucket, "sourceKey": "source", "destinationKey": key}
        yield "copy to", self.call("POST", "object/copy", transfer)
        yield "move to", self.call("POST", "object/move", transfer)


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


@pytest.fixture
def entrances(wired: Wire, ann: Any) -> Entrances:
    ann.bucket()
    ann.put("docs/source", b"source")
    return Entrances(wired, ann)
