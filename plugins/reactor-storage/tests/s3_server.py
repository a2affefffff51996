"""An S3 for tests: moto's server in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from functools import cached_property
from typing import Any

import boto3
import httpx
from botocore.config import Config

from reactor_kernel.testing import free_port

REGION = "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}


class S3Server:
    """A running server; `bucket()` makes an empty bucket."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start, with nothing in it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            env={**os.environ, **KEYS}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 60
        while True:
            assert self._process.poll() is None, "moto's server did not start"
            assert time.monotonic() < until, "moto's server does not answer"
            try:
                httpx.get(f"{self.url}/moto-api/", timeout=5)
                return
            except httpx.TransportError:
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    @cached_property
    def client(self) -> Any:
        """A client that looks at it from outside."""
        return boto3.session.Session().client(
            "s3", endpoint_url=self.url, region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing",
            config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip

    def bucket(self) -> str:
        name = f"reactor-{uuid.uuid4()}"
        self.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name

    def listed(self, bucket: str) -> list[str]:
        """Return the keys of a bucket's objects, and `upload of {key}` for each that is under way."""
        objects = [one["Key"] for one in self.client.list_objects_v2(Bucket=bucket).get("Contents", ())]
        uploads = self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
        return sorted(objects + [f"upload of {one['Key']}" for one in uploads])
