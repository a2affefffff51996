"""Contents larger than one request may be."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from ..conftest import Member

MIB = 1024 * 1024


@pytest.fixture
def kernel(boot: Callable[..., Any]) -> Any:
    return boot(max_upload_size=6 * MIB)


def test_parts_are_as_large_as_the_server_accepts(tool: Any, ann: Member) -> None:
    ann.bucket("docs")
    for size, parts in ((7 * MIB, "8"), (30 * MIB, "16")):
        content = os.urandom(size)
        assert tool("cp", "-", "storage://docs/large", "--part-size", parts, stdin=content).data["bytes"] == size
        assert ann.get("docs/large").content == content
