"""Names of buckets and keys of objects (contract storage.md §4.1 and §4.2, decision 37).

A key is kept byte for byte as it was sent; nothing is normalised, so two spellings of one accent are two keys.
"""

from __future__ import annotations

import re

from reactor_storage.errors import InvalidBucketName, InvalidKey, InvalidStorageRequest

MAX_KEY_BYTES = 1024
# Words that stand where a bucket could in the paths of Supabase's clients.
RESERVED = frozenset(
    (
        "sign",
        "public",
        "list",
        "list-v2",
        "move",
        "copy",
        "upload",
        "info",
        "authenticated",
        "render",
        "resumable",
        "s3",
    )
)
# Of the platform's own buckets; no organisation has it.
NIL_ORG = "00000000-0000-0000-0000-000000000000"
_SYSTEM_NAME = re.compile(r"_reactor_[a-z0-9](?:[a-z0-9-]{0,51}[a-z0-9])?\Z")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
# Control characters of ASCII and Latin-1, and what is no text in UTF-8.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")


def bucket_name(text: str) -> str:
    """Return a bucket's name, or raise 400 `invalid_bucket_name`."""
    if not _NAME.match(text):
        raise InvalidBucketName(f"the bucket name {text[:80]!r} is not allowed", details={"bucket": text[:80]})
    if text in RESERVED:
        raise InvalidBucketName(f"the bucket name {text!r} is reserved", hint="Choose another name.")
    return text


def system_bucket_name(text: str) -> str:
    """Return the name of a bucket of the platform's own, or raise 400 `invalid_bucket_name`."""
    if not _SYSTEM_NAME.match(text):
        raise InvalidBucketName(
            f"the name {text[:80]!r} is not one of the platform's buckets", hint="They are called _reactor_NAME."
        )
    return text


def object_key(text: str) -> str:
    """Return an object's key, decoded once, or raise 400 `invalid_key`.

    A trailing slash is accepted: whether the object may be a folder marker is decided by its size.
    """
    if problem := _problem(text):
        shown = text[:80].encode("utf-8", "backslashreplace").decode()
        raise InvalidKey(f"the key {shown!r} {problem}", details={"key": shown})
    return text


def has_forbidden_character(text: str) -> bool:
    """Tell whether a text holds a character that no key holds."""
    return _FORBIDDEN.search(text) is not None


def looked_for(**texts: str | None) -> None:
    """Raise 400 `invalid_request` where a text that keys or names are compared with holds a NUL, which no text in Postgres does."""
    for name, text in texts.items():
        if text is not None and "\0" in text:
            raise InvalidStorageRequest(f"{name} holds the character NUL, which no key does")


def is_uuid(text: str) -> bool:
    """Tell whether a text can be an id."""
    return _UUID.match(text) is not None


def is_folder_marker(key: str) -> bool:
    """Tell whether a key names a folder, which holds no bytes."""
    return key.endswith("/")


def _problem(text: str) -> str | None:
    if not text:
        return "is empty"
    if found := _FORBIDDEN.search(text):
        return f"holds the character {found.group().encode('unicode_escape').decode()}, which is not allowed"
    if len(text.encode()) > MAX_KEY_BYTES:
        return f"is longer than {MAX_KEY_BYTES} bytes"
    if text.startswith("/"):
        return "begins with a slash"
    segments = text.removesuffix("/").split("/")
    if "" in segments:
        return "holds an empty segment"
    if "." in segments or ".." in segments:
        return "holds a dot segment"
    return None
