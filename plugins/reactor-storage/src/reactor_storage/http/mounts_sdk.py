"""The routes of Supabase's clients (contract storage.md §3.7, decision 35)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reactor_kernel.api import Access, MethodRule, Mount
from reactor_storage.http.dialect import storage_dialect
from reactor_storage.http.sdk_buckets import SdkBucketResource
from reactor_storage.http.sdk_lists import SdkListResource
from reactor_storage.http.sdk_objects import (
    BulkResource,
    InfoResource,
    PlainReadResource,
    SdkSignedUploadResource,
    SdkSignResource,
)

if TYPE_CHECKING:
    from reactor_storage.assembly import Assembly

_KEY = "{bucket}/{key:path}"


def mounts(parts: Assembly) -> Iterable[Mount]:
    """Yield them. Literal words stand where a bucket could, so they are no names of buckets.

    Those that the command line uses are PUBLIC to the kernel, because they admit users and the admin token alike.
    """
    buckets = SdkBucketResource(parts.buckets)
    bulk = BulkResource(parts.buckets, parts.reader, parts.writer)
    lists = SdkListResource(parts.reader, parts.listings)
    signs = SdkSignResource(parts.grants, parts.reader)
    limit = parts.config.max_upload_size
    for path, resource, suffix, access in (
        ("bucket", buckets, None, Access.USER),
        ("bucket/{bucket}", buckets, "one", Access.USER),
        ("bucket/{bucket}/empty", buckets, "empty", Access.USER),
        ("object/{bucket}", bulk, None, Access.PUBLIC),
        ("object/copy", bulk, "copy", Access.PUBLIC),
        ("object/move", bulk, "move", Access.PUBLIC),
        ("object/list/{bucket}", lists, None, Access.USER),
        ("object/list-v2/{bucket}", lists, "v2", Access.USER),
        ("object/sign/{bucket}", signs, "many", Access.USER),
    ):
        yield Mount(f"/storage/v1/{path}", resource, access=access, suffix=suffix, dialect=storage_dialect)
    for path, public in (("object/public", True), ("object/authenticated", False)):
        reads = PlainReadResource(parts.buckets, parts.reader, public=public)
        yield Mount(f"/storage/v1/{path}/{_KEY}", reads, access=Access.PUBLIC, timeout=0, dialect=storage_dialect)
    info = InfoResource(parts.reader)
    yield Mount(f"/storage/v1/object/info/{_KEY}", info, access=Access.PUBLIC, dialect=storage_dialect)
    yield Mount(
        f"/storage/v1/object/sign/{_KEY}",
        signs,
        access=Access.PUBLIC,
        timeout=0,
        methods={"POST": MethodRule(access=Access.USER)},
        dialect=storage_dialect,
    )
    yield Mount(
        f"/storage/v1/object/upload/sign/{_KEY}",
        SdkSignedUploadResource(parts.grants, parts.writer),
        access=Access.PUBLIC,
        methods={"POST": MethodRule(access=Access.USER), "PUT": MethodRule(body_limit=limit, timeout=0)},
        dialect=storage_dialect,
    )
