"""The routes for administrators and for other capabilities (contract storage.md §3.8 and §3.9)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reactor_kernel.api import Access, AuthClient, MethodRule, Mount
from reactor_storage.http.admin import AdminBucketsResource, BucketFilesResource, CollectResource, PoliciesResource
from reactor_storage.http.metering import MetricsResource, OpenApiResource
from reactor_storage.http.org_objects import OrgObjectResource

if TYPE_CHECKING:
    from reactor_storage.assembly import Assembly

_BUCKETS = "/storage/v1/_admin/buckets"


def mounts(parts: Assembly) -> Iterable[Mount]:
    """Yield them. Those of buckets are PUBLIC to the kernel, because they admit users and the admin token alike."""
    buckets, policies = AdminBucketsResource(parts.buckets), PoliciesResource(parts.buckets)
    yield Mount(_BUCKETS, buckets, access=Access.PUBLIC)
    meters = MetricsResource(parts.ctx.metrics, enabled=parts.config.metrics)
    yield Mount("/storage/v1/metrics", meters, access=Access.PUBLIC)
    yield Mount("/storage/v1/openapi.json", OpenApiResource(), access=Access.PUBLIC)
    yield Mount(f"{_BUCKETS}/{{bucket}}", buckets, access=Access.PUBLIC, suffix="one")
    yield Mount(f"{_BUCKETS}/{{bucket}}/policies", policies, access=Access.PUBLIC)
    yield Mount(f"{_BUCKETS}/{{bucket}}/policies/{{policy}}", policies, access=Access.PUBLIC, suffix="one")
    yield Mount("/storage/v1/_admin/bucket-files", BucketFilesResource(parts.buckets), access=Access.PUBLIC)
    yield Mount("/storage/v1/_admin/gc", CollectResource(parts.collector), access=Access.ADMIN, timeout=0)

    def auth() -> AuthClient:
        return parts.ctx.services.require(AuthClient)  # type: ignore[type-abstract]

    yield Mount(
        "/storage/v1/orgs/{org}/buckets/{bucket}/objects/{key:path}",
        OrgObjectResource(parts.reader, parts.writer, auth),
        access=Access.PUBLIC,
        timeout=0,
        methods={"PUT": MethodRule(body_limit=parts.config.max_upload_size, timeout=0)},
    )
