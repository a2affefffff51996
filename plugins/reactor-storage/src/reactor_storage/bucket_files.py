"""Buckets as files of the project, `storage/NAME.toml` (decision 4).

A file says what it names; what it does not name stays as it is, and is the default in a new bucket. A bucket without a file is
reported and never removed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from reactor_kernel.api import ReactorError
from reactor_storage.access import Caller
from reactor_storage.buckets import Buckets
from reactor_storage.errors import BucketNotFound, InvalidLifecycle
from reactor_storage.keys import bucket_name
from reactor_storage.lifecycle import checked_rules
from reactor_storage.model import Bucket, LifecycleRule
from reactor_storage.sizes import bytes_of

_RULE_KEYS = frozenset(LifecycleRule.__struct_fields__)


class BucketSettings(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a file may say of its bucket."""

    public: bool | msgspec.UnsetType = msgspec.UNSET
    file_size_limit: int | str | msgspec.UnsetType = msgspec.UNSET
    allowed_mime_types: list[str] | msgspec.UnsetType = msgspec.UNSET
    versioning: bool | msgspec.UnsetType = msgspec.UNSET
    lifecycle: list[LifecycleRule] | msgspec.UnsetType = msgspec.UNSET

    def fields(self) -> dict[str, Any]:
        """Return what was said, under the names of `Bucket`. Raises InvalidStorageRequest."""
        said = {name: value for name in _KEYS if (value := getattr(self, name)) is not msgspec.UNSET}
        if "file_size_limit" in said:
            said["file_size_limit"] = bytes_of(said["file_size_limit"])
        if "allowed_mime_types" in said:
            said["allowed_mime_types"] = tuple(said["allowed_mime_types"])
        if "lifecycle" in said:
            try:
                said["lifecycle"] = tuple(checked_rules(said["lifecycle"]))
            except InvalidLifecycle as error:
                error.details["key"] = "lifecycle"
                raise
        return said


_KEYS = BucketSettings.__struct_fields__


class DeclaredBucket(msgspec.Struct, frozen=True):
    """A bucket, and what its file says of it."""

    name: str
    fields: Mapping[str, Any]


class FileFault(Exception):
    """A file cannot be used; the text begins with `path:line: `."""


class Planned(msgspec.Struct, frozen=True):
    """What becomes of one bucket: each field that differs, with its value before (null in a new bucket) and after."""

    name: str
    action: Literal["create", "update", "same"]
    changes: Mapping[str, tuple[Any, Any]] = {}


class Applied(msgspec.Struct, frozen=True):
    """What was done, or would be; `unlisted` are buckets of the organisation without a file."""

    dry_run: bool
    buckets: Sequence[Planned]
    unlisted: Sequence[str]


def read_bucket_files(directory: Path, shown: str = "storage") -> list[DeclaredBucket]:
    """Return the buckets of a directory by name; none where there is no such directory. Raises FileFault."""
    return [_read(path, f"{shown}/{path.name}") for path in sorted(directory.glob("*.toml"))]


def _read(path: Path, shown: str) -> DeclaredBucket:
    text = ""
    try:
        name = bucket_name(path.stem)
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
        _refuse_unknown(document, text, shown)
        fields = msgspec.convert(document, BucketSettings).fields()
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        raise FileFault(f"{shown}:{found.group(1) if found else text.count(chr(10)) + 1}: {error}") from None
    except msgspec.ValidationError as error:
        key = re.search(r"\$\.(\w+)", str(error))
        raise FileFault(f"{shown}:{_line(text, key.group(1) if key else '')}: {error}") from None
    except ReactorError as error:
        raise FileFault(
            f"{shown}:{_line(text, str(error.details.get('key', 'file_size_limit')))}: {error.message}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileFault(f"{shown}:1: cannot be read: {error}") from None
    return DeclaredBucket(name, fields)


def _refuse_unknown(document: Mapping[str, Any], text: str, shown: str) -> None:
    for key in document:
        if key not in _KEYS:
            raise FileFault(f"{shown}:{_line(text, key)}: there is no key {key!r}; there are: {', '.join(_KEYS)}")
    rules = document.get("lifecycle")
    for rule in rules if isinstance(rules, list) else ():
        for key in rule if isinstance(rule, dict) else ():
            if key not in _RULE_KEYS:
                raise FileFault(
                    f"{shown}:{_line(text, key)}: a lifecycle rule has no key {key!r};"
                    f" there are: {', '.join(sorted(_RULE_KEYS))}"
                )


def _line(text: str, key: str) -> int:
    """Return the line that a key stands in; the first where it cannot be told."""
    found = re.search(rf"^.*?(?<![\w-])[\"']?{re.escape(key)}[\"']?\s*[=\].]", text, re.MULTILINE) if key else None
    return text.count("\n", 0, found.start()) + 1 if found else 1


def apply_bucket_files(
    buckets: Buckets, caller: Caller, declared: Sequence[DeclaredBucket], *, dry_run: bool
) -> Applied:
    """Make and change buckets so that they are as declared; nothing is changed where one of them may not be."""
    plan = [_planned(buckets, caller, one) for one in declared]
    if not dry_run:
        for one, planned in zip(declared, plan, strict=True):
            if planned.action == "create":
                buckets.create(caller, one.name, one.fields)
            elif planned.action == "update":
                buckets.update(caller, one.name, one.fields)
    names = {one.name for one in declared}
    unlisted = [bucket.name for bucket in buckets.listed(caller) if bucket.name not in names]
    return Applied(dry_run, plan, unlisted)


def _planned(buckets: Buckets, caller: Caller, declared: DeclaredBucket) -> Planned:
    try:
        found: Bucket | None = buckets.find(caller, declared.name)
    except BucketNotFound:
        found = None
    if found is None:
        caller.demand("bucket", "create")
        return Planned(declared.name, "create", {name: (None, value) for name, value in declared.fields.items()})
    changes = {
        name: (before, after) for name, after in declared.fields.items() if (before := getattr(found, name)) != after
    }
    if changes:
        caller.demand(found.name, "admin")
    return Planned(declared.name, "update" if changes else "same", changes)
