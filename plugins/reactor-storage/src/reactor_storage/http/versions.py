"""`/storage/v1/versions/{bucket}/{key}` and `/storage/v1/restore/{bucket}/{key}` (decision 39)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reactor_storage.history import History
from reactor_storage.http.bodies import json_body
from reactor_storage.http.callers import caller_of
from reactor_storage.http.conditions import writing_rule
from reactor_storage.http.objects import asked_limit
from reactor_storage.http.shapes import say, uploaded
from reactor_storage.model import Version

if TYPE_CHECKING:
    import falcon


class RestoreBody(msgspec.Struct, frozen=True):
    """Which version is to be current again."""

    version_id: str


class VersionsResource:
    """The versions of one object."""

    def __init__(self, history: History) -> None:
        self._history = history

    def on_get(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Answer a page of them, newest first."""
        versions, cursor = self._history.listed(
            caller_of(req), bucket, key, cursor=req.get_param("cursor") or None, limit=asked_limit(req)
        )
        say(
            resp,
            {"versions": [version_json(one) for one in versions], "has_more": cursor is not None, "cursor": cursor},
        )

    def on_post_restore(self, req: falcon.Request, resp: falcon.Response, bucket: str, key: str) -> None:
        """Make a new current version with the content of an earlier one, also of an object that was deleted."""
        wanted = json_body(req, RestoreBody).version_id
        stored = self._history.restore(caller_of(req), bucket, key, wanted, writing_rule(req.get_header))
        resp.set_header("ETag", stored.etag)
        say(resp, uploaded(stored) | {"restored_version_id": wanted})


def version_json(found: Version) -> dict[str, Any]:
    """Return a version. The note of a deletion has no content, so no ETag and no type."""
    return {
        "version_id": found.version_id,
        "key": found.key,
        "size": found.size,
        "etag": found.etag or None,
        "content_type": found.content_type,
        "metadata": found.metadata,
        "created_at": found.created_at,
        "created_by": found.created_by,
        "is_latest": found.is_latest,
        "delete_marker": found.delete_marker,
    }
