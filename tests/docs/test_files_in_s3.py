"""The guide's chapter on S3: its configuration is put into a project, and its command looks at an S3."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reactor_kernel.testing import free_port

GUIDE = Path(__file__).parents[2] / "docs" / "user-guide.md"


@pytest.fixture
def s3_url() -> Iterator[str]:
    """An S3: moto's server."""
    url = f"http://127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", url.rpartition(":")[2]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None, "moto's server did not start"
        assert time.monotonic() < until, "moto's server does not answer"
        try:
            httpx.get(f"{url}/moto-api/", timeout=5)
            break
        except httpx.TransportError:
            time.sleep(0.05)
    yield url
    process.kill()
    process.wait(10)


def test_the_chapter_on_s3_works_as_printed(start_server: Callable[..., Any], reactor_tool: Any, s3_url: str) -> None:
    chapter = GUIDE.read_text().split("\n## Files in S3\n", 1)[1].split("\n## ", 1)[0]
    [section] = re.findall(r"```toml\n(.*?)```", chapter, re.DOTALL)
    [command] = re.findall(r"```sh\n(.*?)```", chapter, re.DOTALL)
    assert reactor_tool.run("init", "--yes").returncode == 0
    config = reactor_tool.directory / "Reactor.toml"
    assert config.read_text().count("[storage]\n") == 1
    config.write_text(config.read_text().replace("[storage]\n", section))
    httpx.put(f"{s3_url}/acme-files").raise_for_status()
    reactor_tool.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "REACTOR_STORAGE__S3_ENDPOINT": s3_url,
    }
    server = start_server().wait()
    reactor_tool.environ["REACTOR_SERVER__BIND"] = f"127.0.0.1:{server.port}"
    looked = reactor_tool.run(*command.split()[1:])
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert "s3: a content was written, read and removed" in looked.stdout
