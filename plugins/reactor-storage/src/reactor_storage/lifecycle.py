"""Lifecycle rules of buckets: what they may say, and the background service that keeps to them (decision 39)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from reactor_kernel.api import Clock, Database, ReactorError, Statement, StopSignal, Tx
from reactor_storage import lifecycle_queries, queries
from reactor_storage.access import Caller, on_behalf_of
from reactor_storage.changes import remove
from reactor_storage.errors import InvalidLifecycle
from reactor_storage.keys import MAX_KEY_BYTES, has_forbidden_character
from reactor_storage.model import Bucket, LifecycleRule
from reactor_storage.remains import Remains
from reactor_storage.rows import buckets_in, texts_in, versions_in

if TYPE_CHECKING:
    from reactor_storage.assembly import Assembly

MAX_RULES = 100
MAX_DAYS = 36500
_LONGEST_ID = 255
# Of objects that one transaction removes: each key is a lock, and Postgres has room for some thousands of them.
_BATCH = 100
_REQUEST = "storage-lifecycle"


class WantedRule(LifecycleRule, frozen=True, forbid_unknown_fields=True):
    """A rule as a client sends it: what this version does not know is refused rather than ignored."""


def checked_rules(rules: Iterable[LifecycleRule]) -> list[LifecycleRule]:
    """Return the rules. Raises InvalidLifecycle for one that cannot be kept to."""
    found = list(rules)
    if len(found) > MAX_RULES:
        raise InvalidLifecycle(f"a bucket has at most {MAX_RULES} lifecycle rules, not {len(found)}")
    for at, rule in enumerate(found):
        if (problem := _problem(rule)) is not None:
            raise InvalidLifecycle(f"lifecycle rule {at + 1} {problem}", details={"rule": at})
    return found


def _problem(rule: LifecycleRule) -> str | None:
    days = [number for number in (rule.expire_days, rule.noncurrent_days) if number is not None]
    if not days:
        return "says neither expire_days nor noncurrent_days"
    if not all(1 <= number <= MAX_DAYS for number in days):
        return f"has days that are not from 1 to {MAX_DAYS}"
    if len(rule.prefix.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
        return f"has a prefix of more than {MAX_KEY_BYTES} bytes"
    if has_forbidden_character(rule.prefix) or rule.prefix.startswith("/"):
        return "has a prefix with which no key can begin"
    if len(rule.id) > _LONGEST_ID or not (rule.id.isprintable() or rule.id == ""):
        return f"has an id of more than {_LONGEST_ID} characters, or with some that cannot be printed"
    return None


class Ended(msgspec.Struct):
    """What a sweep removed: objects, and earlier versions with notes of deletions."""

    objects: int = 0
    versions: int = 0


class _Outdated(Exception):
    """The bucket or its rule is another now."""


class Lifecycle:
    """Removes what rules say is over, in steps of their own."""

    def __init__(self, db: Database, remains: Remains, clock: Clock, log: logging.Logger) -> None:
        self._db = db
        self._remains = remains
        self._clock = clock
        self._log = log

    def sweep(self, stopped: Callable[[], bool]) -> Ended:
        """Apply the rules of all buckets until told to stop. What fails in one bucket is logged, and the next one is done."""
        ended = Ended()
        (result,) = self._db.run(None, [lifecycle_queries.buckets_with_rules()], readonly=True)
        for bucket in buckets_in(result):
            for rule in bucket.lifecycle:
                try:
                    self._apply(bucket, rule, ended, stopped)
                except _Outdated:
                    self._log.info(
                        "the rules of the bucket %s changed meanwhile; the next sweep applies them", bucket.name
                    )
                    break
                except ReactorError as error:
                    self._log.warning(
                        "the lifecycle of the bucket %s of organisation %s stopped early: %s", bucket.name, bucket.org_id, error
                    )  # fmt: skip
                    break
        return ended

    def _apply(self, bucket: Bucket, rule: LifecycleRule, ended: Ended, stopped: Callable[[], bool]) -> None:
        now = self._clock.now()
        if rule.expire_days is not None:
            before = now - timedelta(days=rule.expire_days)
            while not stopped():
                gone = self._expire(bucket, rule, before)
                ended.objects += gone
                if gone == 0:
                    break
        if rule.noncurrent_days is not None:
            before = now - timedelta(days=rule.noncurrent_days)
            # Earlier versions first: then the notes of deletions that hid them are alone.
            for due in (lifecycle_queries.earlier, lifecycle_queries.lone_notes):
                while not stopped():
                    gone = self._forget(bucket, rule, before, due)
                    ended.versions += gone
                    if gone == 0:
                        break

    def _expire(self, bucket: Bucket, rule: LifecycleRule, before: datetime) -> int:
        """Delete up to a batch of objects as their users would; return how many went."""
        (found,) = self._db.run(
            None, [lifecycle_queries.expired(bucket, rule.prefix, before, _BATCH)], readonly=True
        )  # fmt: skip
        keys, ids = texts_in(found), texts_in(found, 1)
        if not keys:
            return 0
        caller = _platform(bucket)
        with self._db.begin() as tx:
            tx.run(queries.one_at_a_time(bucket.org_id, [(bucket.name, key) for key in keys]))
            now = _unchanged(tx, bucket, rule)
            removed, left = remove(tx, caller, now, keys, only=ids, details=_because(rule))
        self._remains.release(left)
        return len(removed)

    def _forget(
        self, bucket: Bucket, rule: LifecycleRule, before: datetime,
        due: Callable[[Bucket, str, datetime, int], Statement],
    ) -> int:  # fmt: skip
        """Remove up to a batch of earlier versions or notes for good; return how many went."""
        (found,) = self._db.run(None, [due(bucket, rule.prefix, before, _BATCH)], readonly=True)
        keys, ids = texts_in(found), texts_in(found, 1)
        if not keys:
            return 0
        caller = _platform(bucket)
        with self._db.begin() as tx:
            # Whoever drops a key's latest version looks at the one before it.
            tx.run(queries.one_at_a_time(bucket.org_id, [(bucket.name, key) for key in keys]))
            _unchanged(tx, bucket, rule)
            (result,) = tx.run([lifecycle_queries.forget_due(bucket, rule.prefix, before, ids)])
            gone = versions_in(result)
            tx.run(
                [
                    queries.audit(
                        "version.delete", caller.identity, caller.request_id, bucket=bucket.name, key=one.key,
                        org_id=bucket.org_id,
                        details={"version_id": one.version_id, "delete_marker": one.delete_marker, **_because(rule)},
                    )
                    for one in gone
                ]
            )  # fmt: skip
        self._remains.release([one.locator for one in gone if one.locator is not None])
        return len(gone)


def _unchanged(tx: Tx, bucket: Bucket, rule: LifecycleRule) -> Bucket:
    """Return the bucket as it is now. Raises _Outdated where the rule is not in force any more."""
    (result,) = tx.run([queries.bucket(bucket.org_id, bucket.id)])
    for now in buckets_in(result):
        if rule in now.lifecycle:
            return now
    raise _Outdated


def _platform(bucket: Bucket) -> Caller:
    return on_behalf_of(bucket.org_id, _REQUEST)


def _because(rule: LifecycleRule) -> dict[str, Any]:
    return {"lifecycle": rule}


def keep_to_rules(parts: Assembly, stop: StopSignal) -> None:
    """Apply lifecycle rules once every `[storage] sweep_every_secs` until told to stop; one that fails is tried again."""
    log, lifecycle = parts.ctx.log, parts.lifecycle
    while not stop.wait(parts.config.sweep_every_secs):
        try:
            ended = lifecycle.sweep(stop.is_set)
        except ReactorError as error:
            log.warning("the sweep of lifecycle rules ended early: %s", error)
            continue
        if ended.objects or ended.versions:
            log.info("lifecycle rules ended %d objects and %d earlier versions", ended.objects, ended.versions)
