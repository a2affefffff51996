"""The manifest of the capability `storage`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reactor_kernel.api import (
    KERNEL_API,
    Access,
    BackgroundService,
    BlobStore,
    CommandGroup,
    ConfigSection,
    EventType,
    Generated,
    HealthCheck,
    MethodRule,
    Middleware,
    MigrationStep,
    Mount,
    OpenApiFragment,
    PermissionDoc,
    PluginContext,
    PluginInfo,
    Probe,
    SchemaBranch,
    ServiceProvider,
    StopSignal,
    hookimpl,
)
from reactor_storage import __version__
from reactor_storage.config import StorageConfig

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from reactor_storage.assembly import Assembly
    from reactor_storage.hookspecs import StorageBackend


def _metadata() -> MetaData:
    from reactor_storage.tables import metadata

    return metadata


class StoragePlugin:
    """Buckets and objects, rows under row-level security whose bytes a backend keeps."""

    info = PluginInfo(
        name="storage",
        version=__version__,
        api=KERNEL_API,
        summary="buckets and objects on the local disk or S3",
        prefix="/storage/v1",
        requires=("auth",),
    )

    def __init__(self) -> None:
        self._made: Assembly | None = None

    def _assembled(self, ctx: PluginContext) -> Assembly:
        if self._made is None:
            from reactor_storage.assembly import Assembly

            self._made = Assembly(ctx)
        return self._made

    @hookimpl
    def reactor_hookspecs(self) -> Iterable[type]:
        """Declare the extension points."""
        from reactor_storage.hookspecs import StorageSpecs

        yield StorageSpecs

    @hookimpl
    def reactor_config_section(self) -> Iterable[ConfigSection]:
        """Declare `[storage]`."""
        yield ConfigSection(
            StorageConfig,
            secrets=("signing_secret", "signing_secret_previous"),
            generate={"signing_secret": Generated("storage/signing-secret")},
        )

    @hookimpl
    def reactor_schema(self) -> Iterable[SchemaBranch]:
        """Bring the schemas `_reactor_storage` and `storage`."""
        yield SchemaBranch("storage", "reactor_storage.migrations", _metadata)

    @hookimpl
    def reactor_migrations(self, ctx: PluginContext) -> Iterable[MigrationStep]:
        """Apply the project's bucket files after it."""
        if ctx.config.bucket_files_org is not None:
            yield MigrationStep("bucket files", lambda dry_run: self._assembled(ctx).starting_buckets.apply(dry_run))

    @hookimpl
    def reactor_services(self, ctx: PluginContext) -> Iterable[ServiceProvider]:
        """Keep contents of other plugins."""
        yield ServiceProvider(BlobStore, lambda: self._assembled(ctx).blobs)

    @hookimpl
    def reactor_event_types(self) -> Iterable[EventType]:
        """Declare what happens to objects."""
        from reactor_storage.events import EVENT_TYPES

        return EVENT_TYPES

    @hookimpl
    def reactor_permissions(self) -> Iterable[PermissionDoc]:
        """Name what may be granted."""
        yield PermissionDoc("storage:bucket:create", "make buckets")
        yield PermissionDoc("storage:*:read", "read and list the objects of a bucket; its name stands for *")
        yield PermissionDoc("storage:*:write", "store, replace and remove objects of a bucket")
        yield PermissionDoc("storage:*:delete", "remove objects of a bucket, and versions of them for good")
        yield PermissionDoc("storage:*:admin", "change, empty and remove a bucket")

    @hookimpl
    def reactor_storage_backends(self, ctx: PluginContext) -> Iterable[StorageBackend]:
        """Bring the backends `fs` and `s3`."""
        from reactor_storage.hookspecs import StorageBackend

        parts = self._assembled(ctx)
        yield StorageBackend("fs", parts.file_system)
        yield StorageBackend("s3", parts.s3)

    @hookimpl
    def reactor_resources(self, ctx: PluginContext) -> Iterable[Mount]:
        """Mount the routes.

        Those below are PUBLIC to the kernel, because a public bucket and a signed URL need no credential, and the admin token is
        none that it takes for a user's; who calls is asked in `http/callers.py`, and what it may in `access.py` for each bucket.
        """
        from reactor_storage.http import mounts_admin, mounts_images, mounts_life, mounts_s3, mounts_sdk, mounts_tus
        from reactor_storage.http.buckets import BucketsResource
        from reactor_storage.http.dialect import storage_dialect
        from reactor_storage.http.health import HealthResource
        from reactor_storage.http.multipart import MultipartResource
        from reactor_storage.http.objects import ListingResource, ObjectResource
        from reactor_storage.http.signed import SignedCallers, SignResource

        parts = self._assembled(ctx)
        buckets, callers = BucketsResource(parts.buckets), SignedCallers(parts.grants)
        upload = MethodRule(body_limit=parts.config.max_upload_size, timeout=0)
        yield Mount("/storage/v1/health", HealthResource(), access=Access.PUBLIC)
        yield Mount("/storage/v1/buckets", buckets, access=Access.PUBLIC)
        yield Mount("/storage/v1/buckets/{bucket}", buckets, access=Access.PUBLIC, suffix="one")
        yield Mount("/storage/v1/buckets/{bucket}/objects", ListingResource(parts.reader), access=Access.PUBLIC)
        yield Mount("/storage/v1/sign/{bucket}/{key:path}", SignResource(parts.grants), access=Access.PUBLIC)
        yield Mount(
            "/storage/v1/object/{bucket}/{key:path}",
            ObjectResource(parts.reader, parts.writer, parts.history, callers),
            access=Access.PUBLIC,
            timeout=0,
            methods={"PUT": upload, "POST": upload},
            dialect=storage_dialect,
        )
        yield Mount(
            "/storage/v1/upload/{bucket}/{key:path}",
            MultipartResource(parts.multipart("multipart")),
            access=Access.PUBLIC,
            methods={"PUT": upload},
        )
        yield from mounts_sdk.mounts(parts)
        yield from mounts_s3.mounts(parts)
        yield from mounts_tus.mounts(parts)
        yield from mounts_life.mounts(parts)
        yield from mounts_images.mounts(parts)
        yield from mounts_admin.mounts(parts)

    @hookimpl
    def reactor_middleware(self, ctx: PluginContext) -> Iterable[Middleware]:
        """Recognise the platform, and count bytes."""
        from reactor_storage.http.metering import BytesMeter
        from reactor_storage.http.platform import PlatformCallers

        yield Middleware(PlatformCallers(ctx.operators))
        yield Middleware(BytesMeter(ctx.metrics))

    @hookimpl
    def reactor_openapi(self, ctx: PluginContext) -> Iterable[OpenApiFragment]:
        """Describe them."""
        from reactor_storage.http.openapi import document

        yield OpenApiFragment(document())

    @hookimpl
    def reactor_commands(self) -> Iterable[CommandGroup]:
        """Bring `reactor storage`."""
        yield CommandGroup("storage", "reactor_storage.cli.group:storage", help="Buckets and objects", anywhere=True)

    @hookimpl
    def reactor_background(self, ctx: PluginContext) -> Iterable[BackgroundService]:
        """Remove what nothing refers to and what is over, and sum up, each on one node."""

        def sweep(stop: StopSignal) -> None:
            from reactor_storage.sweeping import sweep_regularly

            sweep_regularly(self._assembled(ctx), stop)

        def keep_to_rules(stop: StopSignal) -> None:
            from reactor_storage.lifecycle import keep_to_rules

            keep_to_rules(self._assembled(ctx), stop)

        def fold(stop: StopSignal) -> None:
            from reactor_storage.usage import fold_regularly

            fold_regularly(self._assembled(ctx), stop)

        yield BackgroundService("storage-sweep", sweep, leader_only=True)
        yield BackgroundService("storage-lifecycle", keep_to_rules, leader_only=True)
        yield BackgroundService("storage-usage", fold, leader_only=True)

    @hookimpl
    def reactor_stopping(self, ctx: PluginContext, deadline: float) -> None:
        """End the processes that render pictures."""
        self._assembled(ctx).renditions.close()

    @hookimpl
    def reactor_probes(self, ctx: PluginContext) -> Iterable[Probe]:
        """Look at the backend, at who decides and at the renderer."""
        parts = self._assembled(ctx)
        probes = parts.probes
        yield Probe("storage: backend", probes.content)
        yield Probe("storage: policies", probes.policies)
        yield Probe("storage: pictures", parts.renditions.probe)

    @hookimpl
    def reactor_health(self, ctx: PluginContext) -> Iterable[HealthCheck]:
        """Say whether objects can be served."""
        yield HealthCheck(self._assembled(ctx).probes.unready)
