"""`/storage/v1/usage` (decision 39)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reactor_storage.http.callers import known_caller_of
from reactor_storage.http.shapes import say
from reactor_storage.usage import Usage

if TYPE_CHECKING:
    import falcon


class UsageResource:
    """What the organisation's buckets hold."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer it in all and for each bucket."""
        caller = known_caller_of(req)
        total, buckets = self._usage.of_org(caller)
        say(resp, {"org_id": caller.org_id, **msgspec.structs.asdict(total), "buckets": buckets})
