"""Bucket files applied when a server starts, in the organisation that `[storage] bucket_files_org` names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from reactor_kernel.api import (
    AuthClient,
    DatabaseFault,
    MigrationFailed,
    MigrationOutcome,
    NotFound,
    OrgRef,
    ReactorError,
)
from reactor_storage.access import Caller, holding
from reactor_storage.bucket_files import Applied, DeclaredBucket, FileFault, apply_bucket_files, read_bucket_files
from reactor_storage.buckets import Buckets

_SCOPES = ("storage:bucket:create", "storage:*:admin")
_NOT_YET = ("42P01", "3F000")


class StartingBuckets:
    """A step of the migrations."""

    def __init__(
        self, buckets: Buckets, auth: Callable[[], AuthClient], directory: Path, org: str, log: logging.Logger
    ) -> None:
        self._buckets = buckets
        self._auth = auth
        self._directory = directory
        self._org = OrgRef(org)
        self._log = log

    def apply(self, dry_run: bool) -> MigrationOutcome:
        """Apply the files as a service of the organisation; where it is not there yet, they wait for the next start.

        Raises:
            MigrationFailed: a file cannot be used, or the database refused.
        """
        try:
            declared = read_bucket_files(self._directory)
        except FileFault as fault:
            raise _failed("bucket files", str(fault)) from fault
        if not declared:
            return MigrationOutcome()
        names = [f"storage/{one.name}.toml" for one in declared]
        try:
            done = self._applied(declared, dry_run=dry_run)
        except DatabaseFault as fault:
            if dry_run and fault.sqlstate in _NOT_YET:  # a new database: everything is pending
                return MigrationOutcome(tuple(names))
            raise _failed(", ".join(names), fault.message) from fault
        except NotFound:
            self._log.warning("the organisation %s is not there yet; %s wait for it", self._org, ", ".join(names))
            return MigrationOutcome(skipped=tuple(names))
        except ReactorError as error:
            raise _failed(", ".join(names), error.message) from error
        for name in done.unlisted:
            self._log.info("the bucket %s has no file in storage/; it stays", name)
        changed = {one.name for one in done.buckets if one.action != "same"}
        return MigrationOutcome(
            tuple(f"storage/{one.name}.toml" for one in declared if one.name in changed),
            tuple(f"storage/{one.name}.toml" for one in declared if one.name not in changed),
        )

    def _applied(self, declared: list[DeclaredBucket], *, dry_run: bool) -> Applied:
        auth = self._auth()
        identity = auth.resolve(auth.mint_service_identity(self._org, "storage", _SCOPES))
        caller = Caller(identity, "", holding(identity))
        return apply_bucket_files(self._buckets, caller, declared, dry_run=dry_run)


def _failed(revision: str, problem: str) -> MigrationFailed:
    return MigrationFailed(problem, details={"revision": revision, "sql_error": problem})
