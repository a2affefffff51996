"""What storage tells others, durably and after the commit (contract storage.md §4, issue: object events on the bus)."""

from __future__ import annotations

import msgspec

from reactor_kernel.api import EventType

STORED = "storage.object.stored"
REMOVED = "storage.object.removed"


class ObjectStored(msgspec.Struct, frozen=True):
    """An object has a new content. `created` tells whether the key is new; `size` in bytes; `etag` quoted."""

    org_id: str
    bucket: str
    key: str
    version_id: str
    size: int
    etag: str
    content_type: str | None
    created: bool


class ObjectRemoved(msgspec.Struct, frozen=True):
    """An object is gone from its key."""

    org_id: str
    bucket: str
    key: str
    version_id: str


EVENT_TYPES = (EventType(STORED, ObjectStored), EventType(REMOVED, ObjectRemoved))
