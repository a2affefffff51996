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
    from reactor_storage.listings import Listings
    from reactor_storage.multipart import Kind, MultipartUploads
    from reactor_storage.platform import PlatformBlobs
    from reactor_storage.probes import StorageProbes
    from reactor_storage.reading import Reader
    from reactor_storage.remains import Remains
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
            raise BootError(
                [
                    Fault(
                        "config",
                        f"no plugin brings the storage backend {self.config.backend!r}",
                        subject="storage.backend",
                        fix=f"choose one of: {known}",
                        exit_code=ExitCode.CONFIG,
                    )
                ]
            )
        return make()

    def file_system(self) -> Backend:
        """Make the backend `fs`."""
        from reactor_storage.backends.fs import FileSystemBackend

        return FileSystemBackend(self.ctx.project.root / self.config.fs_base_path, self.ctx.log)

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

    def multipart(self, kind: Kind) -> MultipartUploads:
        """Uploads in parts, of one protocol."""
        from reactor_storage.multipart import MultipartUploads

        config = self.config
        return MultipartUploads(
            self.ctx.db, self.buckets, self.writer, self.backend, self.remains, kind=kind, life=config.upload_expiry_secs,
            part_limit=config.max_upload_size,
        )  # fmt: skip

    @cached_property
    def collector(self) -> Collector:
        """Sweeps at somebody's word."""
        from reactor_storage.collecting import Collector

        return Collector(self.ctx.db, self.remains, self.multipart("multipart"), self.grants)

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

        return StorageProbes(self.ctx.db, self.backend)
