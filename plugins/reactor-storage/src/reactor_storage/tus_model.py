"""Resumable uploads as values."""

from __future__ import annotations

from datetime import datetime

import msgspec

from reactor_storage.model import NewObject, OpenUpload
from reactor_storage.rules import ANY, Rule

PARTIAL = "partial"
_CREATE = Rule(create_only=True)


class Facts(msgspec.Struct, frozen=True):
    """What the protocol knows of an upload beside its object.

    `offset`: bytes that are kept for good, in so many `parts`. `length`: bytes of the whole; None while it is not announced.
    `concat`: the header Upload-Concat, `said`: Upload-Metadata, both as they were sent. `upsert`: the object may replace another.
    `signed`: it was begun with a signed URL. `done`: its object is there.
    """

    offset: int = 0
    parts: int = 0
    length: int | None = None
    concat: str | None = None
    said: str | None = None
    upsert: bool = False
    signed: bool = False
    done: bool = False


class ResumableUpload(OpenUpload, frozen=True):
    """An upload. A partial one may name no object: bucket and key are empty then. `busy`: a request writes to it."""

    expires_at: datetime
    facts: Facts
    busy: bool

    @property
    def partial(self) -> bool:
        """Tell whether it is to become part of another instead of an object."""
        return self.facts.concat == PARTIAL

    @property
    def final(self) -> bool:
        """Tell whether it was made of others."""
        return self.facts.concat is not None and not self.partial

    @property
    def complete(self) -> bool:
        """Tell whether all of its bytes are there."""
        return self.facts.length == self.facts.offset


class Asked(msgspec.Struct, frozen=True):
    """What the creation of an upload asks for. `bucket` and `key` are None where a partial upload names none."""

    bucket: str | None
    key: str | None
    new: NewObject
    facts: Facts

    @property
    def rule(self) -> Rule:
        """What must be true of the object for it to be written."""
        return rule_of(self.facts)


def rule_of(facts: Facts) -> Rule:
    """Return what must be true of an upload's object for it to be written."""
    return ANY if facts.upsert else _CREATE
