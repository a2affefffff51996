"""The routes of versions and usage (decision 39)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reactor_kernel.api import Access, Mount
from reactor_storage.http.usage import UsageResource
from reactor_storage.http.versions import VersionsResource

if TYPE_CHECKING:
    from reactor_storage.assembly import Assembly


def mounts(parts: Assembly) -> Iterable[Mount]:
    """Yield them. That of usage is PUBLIC to the kernel, because it admits users and the admin token alike."""
    versions = VersionsResource(parts.history)
    yield Mount("/storage/v1/versions/{bucket}/{key:path}", versions, access=Access.USER)
    yield Mount("/storage/v1/restore/{bucket}/{key:path}", versions, access=Access.USER, suffix="restore")
    yield Mount("/storage/v1/usage", UsageResource(parts.usage), access=Access.PUBLIC)
