"""An embedded Postgres that dies while the server runs comes back without anybody's help."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from reactor_kernel.embedded.postgres import EmbeddedPostgres


@pytest.mark.faults
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_killed_embedded_postgres_is_started_again(
    reactor_tool: Any, start_server: Callable[..., Any], workers: str
) -> None:
    if "REACTOR_TEST_DATABASE_URL" in os.environ:
        pytest.skip("about the embedded server")
    reactor_tool.environ["REACTOR_SERVER__WORKERS"] = workers
    server = start_server().wait()
    first = EmbeddedPostgres(reactor_tool.directory).status().pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if httpx.get(f"{server.url}/health", timeout=20).status_code == 200:
            second = EmbeddedPostgres(reactor_tool.directory).status().pid
            if second not in (None, first):
                return
        time.sleep(0.2)
    raise AssertionError(f"the database did not come back:\n{server.text()}")
