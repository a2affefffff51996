"""Buckets and objects as values. Decoded from the JSON that Postgres makes of a row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

# The member of an object's metadata that holds headers which are kept nowhere else, by their names in lowercase.
KEPT_HEADERS = "s3:headers"


class LifecycleRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """When objects under a prefix end: current ones after `expire_days`, earlier versions after `noncurrent_days`."""

    prefix: str = ""
    expire_days: int | None = None
    noncurrent_days: int | None = None


class Bucket(msgspec.Struct, frozen=True):
    """A bucket of an organisation. `file_size_limit` in bytes; None = as the server allows."""

    id: str
    name: str
    org_id: str
    owner_id: str | None
    public: bool
    file_size_limit: int | None
    allowed_mime_types: tuple[str, ...] | None
    versioning: bool
    lifecycle: tuple[LifecycleRule, ...]
    created_at: datetime
    updated_at: datetime


class StoredObject(msgspec.Struct, frozen=True):
    """An object and its current content. `etag` is quoted; `locator` is where the backend keeps the bytes."""

    id: str
    bucket: str
    key: str
    owner_id: str | None
    org_id: str
    content_type: str | None
    size: int
    etag: str
    metadata: Mapping[str, Any]
    cache_control: str | None
    version_id: str
    created_at: datetime
    updated_at: datetime
    locator: str = ""


class NewObject(msgspec.Struct, frozen=True):
    """What an upload says of the object it makes, beside its bytes."""

    content_type: str | None = None
    cache_control: str | None = None
    metadata: Mapping[str, Any] = {}


class Page(msgspec.Struct, frozen=True):
    """Part of the listing of a bucket. `cursor` continues it; None at its end. `prefixes` are those common up to the delimiter."""

    bucket: Bucket
    objects: tuple[StoredObject, ...]
    prefixes: tuple[str, ...] = ()
    cursor: str | None = None


class Policy(msgspec.Struct, frozen=True):
    """A policy on `storage.objects`, and the statement that makes it."""

    name: str
    definition: str
