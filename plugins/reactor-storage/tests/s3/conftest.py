"""Requests signed by botocore, sent in process, also after they were altered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

BASE = "http://reactor.test/storage/v1/s3"


class Signed:
    """Sends requests signed with an access key."""

    def __init__(self, client: Any, key: dict[str, Any], region: str = "us-east-1") -> None:
        self.client = client
        self.credentials = Credentials(key["access_key_id"], key["secret_access_key"])
        self.region = region

    def signed(self, method: str, path: str, body: bytes = b"", base: str = BASE, **headers: str) -> AWSRequest:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method, f"{base}/{path}", headers=named, data=body)
        botocore.auth.S3SigV4Auth(self.credentials, "s3", self.region).add_auth(request)
        return request

    def presigned(self, method: str, path: str, expires: int = 60) -> str:
        request = AWSRequest(method, f"{BASE}/{path}")
        botocore.auth.S3SigV4QueryAuth(self.credentials, "s3", self.region, expires=expires).add_auth(request)
        return str(request.url)

    def send(self, request: AWSRequest, *, body: bytes | None = None, **headers: str | None) -> Any:
        sent = dict(request.headers.items()) | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.request(
            request.method, request.url, content=request.data if body is None else body,
            headers={name: value for name, value in sent.items() if value is not None},
        )  # fmt: skip

    def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
        return self.send(self.signed(method, path, body, **headers))


def error(answer: Any) -> tuple[int, str, str]:
    """Return status, code and message, and check that the document is an error of S3's."""
    assert answer.headers["Content-Type"] == "application/xml"
    document = ElementTree.fromstring(answer.content)
    assert [one.tag for one in document] == ["Code", "Message", "Resource", "RequestId"]
    assert (document.tag, document.findtext("RequestId")) == ("Error", answer.headers["X-Request-Id"])
    return answer.status_code, document.findtext("Code") or "", document.findtext("Message") or ""


def refused(answer: Any) -> tuple[int, str]:
    """Return status and code."""
    return error(answer)[:2]


@pytest.fixture
def signing(client: Any) -> Callable[..., Signed]:
    return lambda member, **fields: Signed(client, member.s3_key(**fields))


@pytest.fixture
def at(monkeypatch: Any) -> Callable[[datetime], None]:
    """Set the time at which requests are signed."""

    def set_time(moment: datetime) -> None:
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment.astimezone(UTC).replace(tzinfo=None))

    return set_time


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def escaped(key: str) -> str:
    return quote(key, safe="/~")
