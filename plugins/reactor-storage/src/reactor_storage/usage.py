"""What an organisation's buckets hold (decision 39), summed up from what each statement changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reactor_kernel.api import Database, ReactorError, StopSignal
from reactor_storage import usage_queries
from reactor_storage.access import Caller

if TYPE_CHECKING:
    from reactor_storage.assembly import Assembly

_FOLD_EVERY_SECS = 60
_FOLDED = 100_000


class Holding(msgspec.Struct, frozen=True):
    """What is held: objects and their bytes, earlier versions and theirs, uploads in parts that are open and what they received."""

    objects: int = 0
    bytes: int = 0
    versions: int = 0
    noncurrent_bytes: int = 0
    open_uploads: int = 0
    upload_bytes: int = 0


class BucketHolding(Holding, frozen=True, kw_only=True):
    """What one bucket holds."""

    id: str
    name: str


_HOLDING = msgspec.json.Decoder(BucketHolding)
_NAMELESS = msgspec.json.Decoder(Holding)


class Usage:
    """Sums up."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of_org(self, caller: Caller) -> tuple[Holding, list[BucketHolding]]:
        """Return what the caller's organisation holds, in all and in each bucket; for who may read all of its buckets.

        All is more than the buckets where partial uploads name none.
        """
        org_id = caller.org_id
        caller.demand("*", "read")
        statements = [usage_queries.usage(org_id), usage_queries.nameless(org_id)]
        result, others = self._db.run(None, statements, readonly=True)
        held: list[Holding] = [_NAMELESS.decode(row[0] or b"") for row in others.rows]
        buckets = [_HOLDING.decode(row[0] or b"") for row in result.rows]
        names = Holding.__struct_fields__
        held += buckets
        return Holding(*(sum(getattr(one, name) for one in held) for name in names)), buckets

    def fold(self) -> None:
        """Bring the changes down to one row a bucket. What is summed up at the same time stays right."""
        self._db.run(None, [usage_queries.fold(_FOLDED)])


def fold_regularly(parts: Assembly, stop: StopSignal) -> None:
    """Fold once a minute until told to stop; what fails is logged and tried again."""
    while not stop.wait(_FOLD_EVERY_SECS):
        try:
            parts.usage.fold()
        except ReactorError as error:
            parts.ctx.log.warning("the changes of usage were not folded: %s", error)
