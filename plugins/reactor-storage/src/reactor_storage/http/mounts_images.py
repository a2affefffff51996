"""The routes of rendered pictures (decision 31)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reactor_kernel.api import Access, Mount
from reactor_storage.http.dialect import storage_dialect
from reactor_storage.http.render import RenderResource, SignedRenderResource

if TYPE_CHECKING:
    from reactor_storage.assembly import Assembly


def mounts(parts: Assembly) -> Iterable[Mount]:
    """Yield them. A rendering has a time of its own, so the request's does not count."""
    reads = {
        "public": RenderResource(parts.buckets, parts.reader, parts.renditions, public=True),
        "authenticated": RenderResource(parts.buckets, parts.reader, parts.renditions, public=False),
        "sign": SignedRenderResource(parts.grants, parts.reader, parts.renditions),
    }
    for name, resource in reads.items():
        yield Mount(
            f"/storage/v1/render/image/{name}/{{bucket}}/{{key:path}}",
            resource,
            access=Access.PUBLIC,
            timeout=0,
            dialect=storage_dialect,
        )
