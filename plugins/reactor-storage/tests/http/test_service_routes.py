"""`/storage/v1/openapi.json` and `/storage/v1/metrics` (contract storage.md §3.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..conftest import Member


def test_the_capability_describes_itself(client: Any) -> None:
    document = client.get("/storage/v1/openapi.json").json()
    assert (document["openapi"], document["info"]["title"]) == ("3.1.0", "Reactor Storage API")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert "/storage/v1/object/{bucket}/{key}" in document["paths"]


def test_bytes_are_counted_and_never_by_bucket(wire: Callable[..., Any]) -> None:
    client = wire(metrics=True)
    ann = Member(client)
    ann.bucket("docs")
    before = _counted(client)
    ann.put("docs/a", b"12345")
    ann.put("docs/b", bytes(2_000_000))
    ann.call("HEAD", "object/docs/a")
    assert (ann.get("docs/a").content, len(ann.get("docs/b").content)) == (b"12345", 2_000_000)
    after = _counted(client)
    assert after["reactor_storage_bytes_in_total", "PUT"] == 2_000_005
    sent = after["reactor_storage_bytes_out_total", "GET"] - before.get(("reactor_storage_bytes_out_total", "GET"), 0)
    # What the metrics themselves answered is counted, too.
    assert 2_000_005 <= sent < 2_100_000
    assert "docs" not in client.get("/storage/v1/metrics").text
    off = wire().get("/storage/v1/metrics")
    assert (off.status_code, off.json()["error"]["hint"]) == (404, "Set [storage] metrics = true.")


def _counted(client: Any) -> dict[tuple[str, str], float]:
    lines = client.get("/storage/v1/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("reactor_storage_bytes_") and "_created" not in line]
    return {
        (name, rest.split('"')[1]): float(rest.split()[-1]) for name, _, rest in (line.partition("{") for line in found)
    }
