"""Buckets and objects as values. Decoded from the JSON that Postgres makes of a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from reactor_storage.errors import InvalidStorageRequest

# The member of an object's metadata that holds headers which are kept nowhere else, by their names in lowercase.
KEPT_HEADERS = "s3:headers"
# What a header holds beyond ASCII is read and said byte for byte, as Latin-1 (RFC 9110 §5.5).
_UNSAYABLE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_LONGEST_SAID = 1024
_DEEPEST = 32


class LifecycleRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """When objects under a prefix end: current ones after `expire_days`, earlier versions after `noncurrent_days`.

    `id` is a name that S3's clients give a rule.
    """

    id: str = ""
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
    """What an upload says of the object it makes, beside its bytes.

    Type and caching are said in headers of every read. Raises InvalidStorageRequest for what none can carry: a form or a document
    may hold a line break, which would begin another header, or make the object one that no server can answer; and for metadata that
    is nested too deeply to be read.
    """

    content_type: str | None = None
    cache_control: str | None = None
    metadata: Mapping[str, Any] = {}

    def __post_init__(self) -> None:
        for what, text in (("content type", self.content_type), ("Cache-Control", self.cache_control)):
            if text is None:
                continue
            if len(text) > _LONGEST_SAID:
                raise InvalidStorageRequest(f"the {what} is longer than {_LONGEST_SAID} characters")
            if _UNSAYABLE.search(text):
                raise InvalidStorageRequest(f"the {what} holds a character that no header can carry")
        # Who reads it decodes it anew, with less room for recursion than there was here.
        level: list[object] = [self.metadata]
        for _ in range(_DEEPEST):
            level = [inner for one in level for inner in _inside(one)]
            if not level:
                return
        raise InvalidStorageRequest(f"the metadata is nested more than {_DEEPEST} levels deep")


def _inside(node: object) -> Iterable[object]:
    if isinstance(node, Mapping):
        return node.values()
    return node if isinstance(node, list) else ()


class OpenUpload(msgspec.Struct, frozen=True):
    """What is known of an upload over several requests, whatever its protocol: where it goes, and what the object is to say."""

    id: str
    org_id: str
    bucket: str
    key: str
    content_type: str | None
    cache_control: str | None
    metadata: dict[str, Any]
    created_by: str | None


class Version(msgspec.Struct, frozen=True):
    """One content that a key has or had, or the note that its object was deleted. The ids of a key's versions ascend.

    `object_id` and `owner_id` are the object's; where they are not known they are None. A note has the size 0 and the ETag "".
    """

    version_id: str
    org_id: str
    bucket: str
    key: str
    object_id: str | None
    owner_id: str | None
    size: int
    etag: str
    content_type: str | None
    cache_control: str | None
    metadata: Mapping[str, Any]
    delete_marker: bool
    is_latest: bool
    created_by: str | None
    created_at: datetime
    locator: str | None

    @property
    def incarnation(self) -> str:
        """What is the same for all versions of one object, from its making to its deletion."""
        return self.object_id or self.version_id

    def as_object(self) -> StoredObject:
        """Return the content as if it were an object's current one."""
        return StoredObject(
            self.incarnation, self.bucket, self.key, self.owner_id, self.org_id, self.content_type, self.size, self.etag,
            self.metadata, self.cache_control, self.version_id, self.created_at, self.created_at, self.locator or "",
        )  # fmt: skip


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
