"""Several workers are one server: one port, one log, one set of metrics."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest


@pytest.mark.parametrize("engine", ["waitress", "granian"])
def test_metrics_and_log_show_every_worker(reactor_tool: Any, start_server: Callable[..., Any], engine: str) -> None:
    reactor_tool.environ |= {"REACTOR_SERVER__WORKERS": "2", "REACTOR_SERVER__ENGINE": engine}
    server = start_server().wait()
    for _ in range(40):
        with httpx.Client() as connection:  # a connection each, so that both workers get some
            assert connection.get(f"{server.url}/_api/openapi.json").status_code == 200
    text = httpx.get(f"{server.url}/metrics").text
    counted = re.findall(
        r'^reactor_http_requests_total\{capability="kernel",method="GET",status="200"\} (\S+)$', text, re.MULTILINE
    )
    assert len(counted) == 1
    assert float(counted[0]) >= 40
    token = (reactor_tool.directory / ".reactor" / "admin-token").read_text().strip()
    lines = httpx.get(
        f"{server.url}/_admin/logs", params={"limit": 1000}, headers={"Authorization": f"Bearer {token}"}
    ).json()
    assert sum(line["fields"].get("path") == "/_api/openapi.json" for line in lines) == 40
