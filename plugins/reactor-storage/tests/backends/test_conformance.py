"""The suite for backends, on the two that are shipped and on one of a third party."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reactor_storage.backends.contract import Backend
from reactor_storage.backends.fs import FileSystemBackend
from reactor_storage.conformance import BackendConformance

from .memory_backend import MemoryBackend

LOG = logging.getLogger("reactor_storage")


class TestFileSystem(BackendConformance):
    @pytest.fixture
    def make_backend(self, tmp_path: Path) -> Callable[[], Backend]:
        return lambda: FileSystemBackend(tmp_path / "files", LOG)


class TestS3(BackendConformance):
    @pytest.fixture
    def make_backend(self, s3_backend: Callable[..., Backend]) -> Callable[[], Backend]:
        return s3_backend


class TestThirdParty(BackendConformance):
    @pytest.fixture
    def make_backend(self) -> Callable[[], Backend]:
        shared: dict[str, Any] = {}
        return lambda: MemoryBackend(shared)

    # It keeps contents in memory, that is what it is.
    test_memory_does_not_grow_with_the_content = None
