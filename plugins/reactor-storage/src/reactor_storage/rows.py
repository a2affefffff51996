"""From what Postgres returns to values, and from what it refuses to errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from reactor_kernel.api import DatabaseFault, RawResult
from reactor_storage.errors import PolicyDenied, no_such_bucket
from reactor_storage.model import Bucket, Policy, StoredObject, Version
from reactor_storage.rules import Current

_BUCKET = msgspec.json.Decoder(Bucket)
_OBJECT = msgspec.json.Decoder(StoredObject)
_POLICY = msgspec.json.Decoder(Policy)
_CURRENT = msgspec.json.Decoder(Current)
_VERSION = msgspec.json.Decoder(Version)


def buckets_in(result: RawResult) -> list[Bucket]:
    """Return the buckets of a result's first column."""
    return [_BUCKET.decode(row[0] or b"") for row in result.rows]


def one_bucket(found: Sequence[Bucket], ref: str) -> Bucket:
    """Return the bucket that was found by a reference. Raises BucketNotFound where none was."""
    if not found:
        raise no_such_bucket(ref)
    return found[0]


def objects_in(result: RawResult, column: int = 0) -> list[StoredObject]:
    """Return the objects of one column; nulls are left out."""
    return [_OBJECT.decode(row[column] or b"") for row in result.rows if row[column] is not None]


def versions_in(result: RawResult) -> list[Version]:
    """Return the versions of a result's first column."""
    return [_VERSION.decode(row[0] or b"") for row in result.rows]


def policies_in(result: RawResult) -> list[Policy]:
    """Return the policies of a result's first column."""
    return [_POLICY.decode(row[0] or b"") for row in result.rows]


def current_in(result: RawResult) -> Current | None:
    """Return what `queries.lock` found."""
    return _CURRENT.decode(result.rows[0][0] or b"") if result.rows else None


def texts_in(result: RawResult, column: int = 0) -> list[str]:
    """Return the texts of one column; nulls are left out."""
    return [value.decode() for row in result.rows if (value := row[column]) is not None]


def count_in(result: RawResult) -> int:
    """Return the only number of a result."""
    [[number]] = result.rows
    return int(number or 0)


@contextmanager
def policies_speak(what: str) -> Iterator[None]:
    """Turn the refusal of a policy into 403 `policy_denied`; `what` says what was tried."""
    try:
        yield
    except DatabaseFault as fault:
        if fault.sqlstate != "42501":
            raise
        raise PolicyDenied(f"a policy refuses to {what}") from fault
