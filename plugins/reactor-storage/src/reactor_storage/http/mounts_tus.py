"""The routes of resumable uploads (decision 32)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reactor_kernel.api import Access, MethodRule, Mount
from reactor_storage.http.dialect import storage_dialect
from reactor_storage.http.tus import SignedTusResource, TusResource
from reactor_storage.http.tus_headers import EXPOSED

if TYPE_CHECKING:
    from reactor_storage.assembly import Assembly


def mounts(parts: Assembly) -> Iterable[Mount]:
    """Yield them. Those of signed uploads are PUBLIC to the kernel, because the token in x-signature is their credential."""
    config, uploads = parts.config, parts.resumable
    own = TusResource(uploads, max_size=config.max_object_size)
    signed = SignedTusResource(uploads, parts.grants, max_size=config.max_object_size)
    bytes_ = MethodRule(body_limit=config.max_upload_size)
    for resource, access in ((own, Access.USER), (signed, Access.PUBLIC)):
        for path, suffix in ((resource.path, None), (f"{resource.path}/", None), (f"{resource.path}/{{id}}", "one")):
            methods = {"POST": bytes_} if suffix is None else {"POST": bytes_, "PATCH": bytes_}
            yield Mount(
                path, resource, access=access, timeout=0, suffix=suffix, methods=methods, dialect=storage_dialect,
                exposes=EXPOSED,
            )  # fmt: skip
