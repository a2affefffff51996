"""Puts the capability's parts together for one kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from reactor_kernel.api import AuthClient, BootError, ExitCode, Fault, PluginContext
from reactor_storage.config import StorageConfig

if TYPE_CHECKING:
    from reactor_storage.backends.contract import Backend
    from reactor_storage.bucket_start import StartingBuckets
    from reactor_storage.buckets import Buckets
    from reactor_storage.collecting import Collector
    from reactor_storage.grants import Grants
    from reactor_storage.history import History
    from reactor_storage.images.renditions import Renditions
    from reactor_storage.lifecycle import Lifecycle
    from reactor_storage.listings import Listings
    from reactor_storage.multipart import Kind, MultipartUploads
    from reactor_storage.platform import PlatformBlobs
    from reactor_storage.probes import StorageProbes
    from reactor_storage.reading import Reader
    from reactor_storage.remains import Remains
    from reactor_storage.tus import ResumableUploads
    from reactor_storage.usage import Usage
    from reactor_storage.writing import Writer


class Assembly:
    """The capability's parts, each made at its first use."""

    def __init__(self, ctx: PluginContext) -> None:
        self.ctx = ctx
        self.config: StorageConfig = ctx.config

    @cached_property
    def backend(self) -> Backend:
        """The configured backend. Raises BootError where no plugin brings it."""
        makers: dict[str, Callable[[], Backend]] = {
            offered.name: offered.make for _, offered in self.ctx.hooks.collect("reactor_storage_backends")
        }
        if (make := makers.get(self.config.backend)) is None:
            known = ", ".join(sorted(makers))
            raise _refused(f"no plugin brings the storage backend {self.config.backend!r}", f"choose one of: {known}")
        return make()

    def file_system(self) -> Backend:
        """Make the backend `fs`."""
        from reactor_storage.backends.fs import FileSystemBackend

        return FileSystemBackend(self.ctx.project.root / self.config.fs_base_path, self.ctx.log)

    def s3(self) -> Backend:
        """Make the backend `s3`. Raises BootError where boto3 is missing or cannot be used with this configuration."""
        try:
            from reactor_storage.backends.s3 import S3Backend
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("boto3", "botocore"):
                raise
            raise _refused("the backend s3 needs boto3", "pip install 'reactor-storage[s3]'") from error
        from reactor_storage.backends.contract import BackendFailed

        config = self.config
        try:
            return S3Backend(
                bucket=config.s3_bucket or "",
                region=config.s3_region,
                endpoint=config.s3_endpoint,
                prefix=f"{(config.s3_prefix or str(self.ctx.project.id)).rstrip('/')}/",
                timeout=config.s3_timeout_secs,
                log=self.ctx.log,
            )
        except BackendFailed as error:
            fix = "correct the AWS profile, or [storage] s3_region and s3_endpoint"
            raise _refused(str(error), fix) from error

    @cached_property
    def remains(self) -> Remains:
        """Removes what nothing refers to."""
        from reactor_storage.remains import Remains

        return Remains(self.ctx.db, self.backend, self.ctx.clock, self.ctx.log)

    @cached_property
    def buckets(self) -> Buckets:
        """Buckets."""
        from reactor_storage.buckets import Buckets

        return Buckets(self.ctx.db, self.remains)

    @cached_property
    def reader(self) -> Reader:
        """Finds objects."""
        from reactor_storage.reading import Reader

        return Reader(self.ctx.db, self.buckets, self.backend)

    @cached_property
    def writer(self) -> Writer:
        """Stores and removes them."""
        from reactor_storage.writing import Writer

        return Writer(
            self.ctx.db, self.buckets, self.backend, self.remains, max_object_size=self.config.max_object_size
        )

    @cached_property
    def listings(self) -> Listings:
        """Lists folders."""
        from reactor_storage.listings import Listings

        return Listings(self.ctx.db, self.buckets)

    @cached_property
    def grants(self) -> Grants:
        """Signed URLs."""
        from reactor_storage.grants import Grants
        from reactor_storage.signing import Signer

        config = self.config
        signer = Signer(config.signing_secret, config.signing_secret_previous, self.ctx.clock)
        return Grants(
            self.ctx.db, self.buckets, self.reader, self.writer, signer, default_secs=config.signed_url_expiry_secs
        )

    @cached_property
    def renditions(self) -> Renditions:
        """Pictures in other sizes and formats."""
        from reactor_storage.images.pool import Renderers
        from reactor_storage.images.renditions import Limits, Renditions

        config = self.config
        durations = self.ctx.metrics.histogram(
            "reactor_storage_render_duration_seconds", "Time that rendering a picture took", ["outcome"]
        )
        renderers = Renderers(
            most=config.image_workers, max_pixels=config.image_max_pixels, seconds=config.image_timeout_secs,
            durations=durations, log=self.ctx.log,
        )  # fmt: skip
        limits = Limits(
            config.image_max_bytes, config.image_max_pixels, config.image_timeout_secs, config.image_requests,
            config.image_cache_bytes, config.image_cache_days,
        )  # fmt: skip
        return Renditions(self.ctx.db, self.backend, self.remains, renderers, limits)

    def multipart(self, kind: Kind) -> MultipartUploads:
        """Uploads in parts, of one protocol."""
        from reactor_storage.multipart import MultipartUploads

        config = self.config
        return MultipartUploads(
            self.ctx.db, self.buckets, self.writer, self.backend, self.remains, kind=kind, life=config.upload_expiry_secs,
            part_limit=config.max_upload_size,
        )  # fmt: skip

    @cached_property
    def resumable(self) -> ResumableUploads:
        """Resumable uploads."""
        from reactor_storage.tus import ResumableUploads
        from reactor_storage.tus_admission import Admission
        from reactor_storage.tus_leases import Leases
        from reactor_storage.tus_receiving import Receiver

        db, log, life = self.ctx.db, self.ctx.log, self.config.upload_expiry_secs
        admission = Admission(self.buckets, self.writer, max_size=self.config.max_object_size)
        leases = Leases(db, log, life=life)
        shared = (self.writer, self.backend, self.remains, leases)
        return ResumableUploads(db, admission, Receiver(db, admission, *shared, log, life=life), *shared, life=life)

    @cached_property
    def history(self) -> History:
        """Earlier versions."""
        from reactor_storage.history import History

        return History(self.ctx.db, self.buckets, self.reader, self.writer, self.remains)

    @cached_property
    def lifecycle(self) -> Lifecycle:
        """Keeps to lifecycle rules."""
        from reactor_storage.lifecycle import Lifecycle

        return Lifecycle(self.ctx.db, self.remains, self.ctx.clock, self.ctx.log)

    @cached_property
    def usage(self) -> Usage:
        """Sums up what buckets hold."""
        from reactor_storage.usage import Usage

        return Usage(self.ctx.db)

    @cached_property
    def collector(self) -> Collector:
        """Sweeps at somebody's word."""
        from reactor_storage.collecting import Collector

        return Collector(self.ctx.db, self.remains, self.multipart("multipart"), self.grants, self.renditions)

    @cached_property
    def starting_buckets(self) -> StartingBuckets:
        """Applies bucket files at a start."""
        from reactor_storage.bucket_start import StartingBuckets

        def auth() -> AuthClient:
            return self.ctx.services.require(AuthClient)  # type: ignore[type-abstract]

        directory = self.ctx.project.root / "storage"
        return StartingBuckets(self.buckets, auth, directory, self.config.bucket_files_org or "", self.ctx.log)

    @cached_property
    def blobs(self) -> PlatformBlobs:
        """What other plugins keep."""
        from reactor_storage.platform import PlatformBlobs

        return PlatformBlobs(self.buckets, self.reader, self.writer)

    @cached_property
    def probes(self) -> StorageProbes:
        """What doctor and `/health` look at."""
        from reactor_storage.probes import StorageProbes

        return StorageProbes(self.ctx.db, self.backend, self.ctx.clock)


def _refused(message: str, fix: str) -> BootError:
    return BootError([Fault("config", message, subject="storage.backend", fix=fix, exit_code=ExitCode.CONFIG)])
