"""Buckets and objects as JSON, with the names that each of the clients reads (contract storage.md §3.2, §3.6 and §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reactor_storage.model import Bucket, StoredObject

if TYPE_CHECKING:
    import falcon

JSON = "application/json; charset=utf-8"


def say(resp: falcon.Response, document: object) -> None:
    """Answer a document."""
    resp.content_type = JSON
    resp.data = msgspec.json.encode(document)


def bucket_json(bucket: Bucket) -> dict[str, Any]:
    """Return a bucket with both spellings of its name and flag."""
    return {
        "id": bucket.id,
        "org_id": bucket.org_id,
        "slug": bucket.name,
        "name": bucket.name,
        "is_public": bucket.public,
        "public": bucket.public,
        "owner": bucket.owner_id,
        "file_size_limit": bucket.file_size_limit,
        "allowed_mime_types": bucket.allowed_mime_types,
        "versioning": bucket.versioning,
        "lifecycle": bucket.lifecycle,
        "created_at": bucket.created_at,
        "updated_at": bucket.updated_at,
    }


def object_json(found: StoredObject, bucket: Bucket) -> dict[str, Any]:
    """Return an object; `name` is the last segment of its key."""
    return {
        "id": found.id,
        "bucket_id": bucket.id,
        "key": found.key,
        "name": found.key.rstrip("/").rpartition("/")[2] or found.key,
        "content_type": found.content_type,
        "content_length": found.size,
        "size": found.size,
        "etag": found.etag,
        "metadata": found.metadata,
        "cache_control": found.cache_control,
        "version_id": found.version_id,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "created_by": found.owner_id,
    }


def uploaded(found: StoredObject) -> dict[str, Any]:
    """Return what an upload answers, in each spelling."""
    return {
        "Id": found.id,
        "Key": f"{found.bucket}/{found.key}",
        "id": found.id,
        "path": found.key,
        "key": found.key,
        "etag": found.etag,
        "size": found.size,
        "version_id": found.version_id,
    }


def object_info(found: StoredObject, bucket: Bucket) -> dict[str, Any]:
    """Return an object as `info` shows it."""
    return {
        "id": found.id,
        "name": found.key,
        "key": found.key,
        "version": found.version_id,
        "bucket_id": bucket.id,
        "size": found.size,
        "content_type": found.content_type,
        "cache_control": found.cache_control,
        "etag": found.etag,
        "metadata": found.metadata,
        "owner": found.owner_id,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "last_modified": found.updated_at,
    }


def listed_object(found: StoredObject, bucket: Bucket, name: str) -> dict[str, Any]:
    """Return an object of a listing under a name relative to what is listed."""
    return {
        "id": found.id,
        "name": name,
        "key": found.key,
        "bucket_id": bucket.id,
        "owner": found.owner_id,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "last_accessed_at": found.updated_at,
        "user_metadata": found.metadata,
        "metadata": {
            "eTag": found.etag,
            "size": found.size,
            "contentLength": found.size,
            "mimetype": found.content_type or "application/octet-stream",
            "cacheControl": found.cache_control or "no-cache",
            "lastModified": found.updated_at,
            "httpStatusCode": 200,
        },
    }


def listed_folder(name: str, key: str) -> dict[str, Any]:
    """Return a folder of a listing: a common prefix, which is no object."""
    return {
        "id": None,
        "name": name,
        "key": key,
        "created_at": None,
        "updated_at": None,
        "last_accessed_at": None,
        "metadata": None,
    }
