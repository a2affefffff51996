"""The routes of the S3 endpoint and of its access keys (decisions 30 and 36)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reactor_kernel.api import Access, AuthClient, MethodRule, Mount
from reactor_storage.http.s3_credentials import S3CredentialsResource
from reactor_storage.s3.buckets import BucketOperations
from reactor_storage.s3.credentials import S3Credentials
from reactor_storage.s3.deleting import DeletionOperations
from reactor_storage.s3.endpoint import S3Resource
from reactor_storage.s3.gate import Gate
from reactor_storage.s3.lifecycle import LifecycleOperations
from reactor_storage.s3.listing import ListingOperations
from reactor_storage.s3.objects import ObjectOperations
from reactor_storage.s3.parts import PartOperations
from reactor_storage.s3.versions import VersionOperations

if TYPE_CHECKING:
    from reactor_storage.assembly import Assembly

# A list of a thousand keys of a thousand bytes, escaped.
_DOCUMENT = 4 * 1024 * 1024


def mounts(parts: Assembly) -> Iterable[Mount]:
    """Yield them. The endpoint is PUBLIC to the kernel, because it checks signatures itself."""
    ctx, config = parts.ctx, parts.config

    def auth() -> AuthClient:
        return ctx.services.require(AuthClient)  # type: ignore[type-abstract]

    credentials = S3Credentials(ctx.db, ctx.vault, auth, ctx.clock)
    keys = S3CredentialsResource(credentials)
    yield Mount("/storage/v1/s3-credentials", keys, access=Access.USER)
    yield Mount("/storage/v1/s3-credentials/{id}", keys, access=Access.USER, suffix="one")
    objects = ObjectOperations(parts.buckets, parts.reader, parts.writer, parts.history)
    endpoint = S3Resource(
        Gate(credentials, ctx.clock, region=config.s3_api_region, host=config.s3_api_host),
        BucketOperations(parts.buckets),
        objects,
        ListingOperations(parts.reader),
        PartOperations(parts.multipart("s3"), objects, parts.reader),
        DeletionOperations(ctx.db, parts.buckets, parts.writer, parts.history),
        VersionOperations(parts.history),
        LifecycleOperations(parts.buckets),
        ctx.log,
    )
    for path in ("", "/", "/{rest:path}"):
        yield Mount(
            f"/storage/v1/s3{path}",
            endpoint,
            access=Access.PUBLIC,
            timeout=0,
            methods={"PUT": MethodRule(body_limit=config.max_upload_size), "POST": MethodRule(body_limit=_DOCUMENT)},
        )
