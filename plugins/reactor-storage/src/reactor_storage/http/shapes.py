"""Buckets and objects as JSON, with the names that each of the clients reads (contract storage.md §3.2, §3.6 and §7)."""

from __future__ import annotations

from typing import Any

from reactor_storage.model import Bucket, StoredObject

JSON = "application/json; charset=utf-8"


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
