"""What must be true of an object for it to be written or removed."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from reactor_storage.errors import ObjectExists, Unsatisfied


class Current(msgspec.Struct, frozen=True):
    """What is under a key at the moment of a write."""

    version_id: str
    etag: str
    updated_at: datetime


class Rule(msgspec.Struct, frozen=True):
    """The conditions of a write; all must hold.

    `create_only`: nothing is there yet; `conflict` says whether something there is 409 `object_exists` or 412. `if_match`: its ETag is
    one of these, `("*",)` any. `if_none_match`: it is none of these. `unmodified_since`: it was not changed after that second.
    """

    create_only: bool = False
    conflict: Literal["exists", "precondition"] = "exists"
    if_match: tuple[str, ...] | None = None
    if_none_match: tuple[str, ...] | None = None
    unmodified_since: datetime | None = None

    @property
    def compares(self) -> bool:
        """Tell whether it asks more than whether something is there."""
        return (self.if_match, self.if_none_match, self.unmodified_since) != (None, None, None)

    def check(self, bucket: str, key: str, current: Current | None, *, hidden: bool = False) -> None:
        """Raise ObjectExists or Unsatisfied unless what is there satisfies the rule.

        What is `hidden` from the caller is there, but compared as if it were not: the answer must not tell what it is.
        """
        details = {"bucket": bucket, "key": key}
        if self.create_only and current is not None:
            message = f"there is an object under {key!r}"
            if self.conflict == "exists":
                raise ObjectExists(message, details=details)
            raise Unsatisfied(message, details=details)
        if hidden:
            current = None
        tags = self.if_match
        if tags is not None and (current is None or not ("*" in tags or current.etag in tags)):
            raise Unsatisfied(f"If-Match does not hold for {key!r}", details=details)
        if self.if_none_match is not None and current is not None and current.etag in self.if_none_match:
            raise Unsatisfied(f"If-None-Match does not hold for {key!r}", details=details)
        since = self.unmodified_since
        if since is not None and current is not None and current.updated_at.replace(microsecond=0) > since:
            raise Unsatisfied(f"If-Unmodified-Since does not hold for {key!r}", details=details)


ANY = Rule()
