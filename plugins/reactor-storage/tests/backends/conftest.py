"""The backend s3 behind a network that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .fault_proxy import FaultProxy


@pytest.fixture
def proxy(s3_server: Any) -> Iterator[FaultProxy]:
    """Stands between the backend and the shared S3."""
    made = FaultProxy(s3_server.port)
    yield made
    made.stop()


@pytest.fixture
def in_bucket(s3_server: Any, s3_settings: dict[str, Any]) -> Callable[[], list[str]]:
    """List objects and open uploads, past the proxy."""
    return lambda: s3_server.listed(s3_settings["s3_bucket"])
