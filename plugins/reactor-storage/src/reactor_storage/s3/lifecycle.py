"""GetBucketLifecycleConfiguration, PutBucketLifecycleConfiguration and DeleteBucketLifecycle: prefixes and days."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from reactor_storage.buckets import Buckets
from reactor_storage.lifecycle import checked_rules
from reactor_storage.model import LifecycleRule
from reactor_storage.s3 import xml
from reactor_storage.s3.buckets import say
from reactor_storage.s3.faults import S3Error
from reactor_storage.s3.request import S3Request

if TYPE_CHECKING:
    import falcon

_ROOT = "LifecycleConfiguration"
_KNOWN = {
    "Rule": ("ID", "Prefix", "Filter", "Status", "Expiration", "NoncurrentVersionExpiration"),
    "Filter": ("Prefix",),
    "Expiration": ("Days",),
    "NoncurrentVersionExpiration": ("NoncurrentDays",),
}


class LifecycleOperations:
    """Shows and sets the lifecycle rules of a bucket."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def get(self, asked: S3Request, resp: falcon.Response) -> None:
        """GetBucketLifecycleConfiguration."""
        bucket = self._buckets.find(asked.caller, asked.bucket_name)
        asked.caller.demand(bucket.name, "admin")
        if not bucket.lifecycle:
            raise S3Error("NoSuchLifecycleConfiguration", "the bucket has no lifecycle rules")
        rules: list[xml.Node] = [
            {
                "ID": rule.id or f"rule-{at}",
                "Filter": {"Prefix": rule.prefix},
                "Status": "Enabled",
                "Expiration": None if rule.expire_days is None else {"Days": rule.expire_days},
                "NoncurrentVersionExpiration": (
                    None if rule.noncurrent_days is None else {"NoncurrentDays": rule.noncurrent_days}
                ),
            }
            for at, rule in enumerate(bucket.lifecycle, 1)
        ]
        say(resp, xml.document(_ROOT, {"Rule": rules}))

    def put(self, asked: S3Request, resp: falcon.Response) -> None:
        """PutBucketLifecycleConfiguration; in place of all rules that there are."""
        wanted = xml.parsed(asked.payload.document(), _ROOT)
        if not len(wanted) or any(one.tag != "Rule" for one in wanted):
            raise S3Error("MalformedXML", f"<{_ROOT}> must hold rules, and nothing else")
        rules = checked_rules(map(_rule, wanted))
        named = [rule.id for rule in rules if rule.id]
        if len(named) != len(set(named)):
            raise S3Error("InvalidArgument", "the IDs of rules must differ")
        self._buckets.update(asked.caller, asked.bucket_name, {"lifecycle": rules})

    def delete(self, asked: S3Request, resp: falcon.Response) -> None:
        """DeleteBucketLifecycle."""
        self._buckets.update(asked.caller, asked.bucket_name, {"lifecycle": []})
        resp.status = 204


def _rule(element: Element) -> LifecycleRule:
    """Read a rule. Raises S3Error for what this platform would have to ignore."""
    _refuse_unknown(element)
    if (status := _text(element, "Status")) != "Enabled":
        if status == "Disabled":
            raise S3Error("NotImplemented", "rules with the status Disabled are not kept; leave them out")
        raise S3Error("MalformedXML", "the Status of a rule must be Enabled or Disabled")
    prefixes = [text for path in ("Prefix", "Filter/Prefix") if (text := element.findtext(path)) is not None]
    if len(prefixes) > 1:
        raise S3Error("MalformedXML", "a rule has either a Prefix or a Filter")
    return LifecycleRule(
        id=_text(element, "ID") or "",
        prefix=prefixes[0] if prefixes else "",
        expire_days=_days(element, "Expiration", "Days"),
        noncurrent_days=_days(element, "NoncurrentVersionExpiration", "NoncurrentDays"),
    )


def _refuse_unknown(element: Element) -> None:
    known = _KNOWN.get(element.tag, ())
    for one in element:
        if one.tag not in known:
            raise S3Error("NotImplemented", f"<{one.tag[:40]}> in <{element.tag[:40]}> is not supported")
        if one.tag in _KNOWN:
            _refuse_unknown(one)


def _days(element: Element, action: str, name: str) -> int | None:
    if element.find(action) is None:
        return None
    text = _text(element, f"{action}/{name}") or ""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise S3Error("InvalidArgument", f"{name} must be a number of days above 0, not {text[:40]!r}")
    return int(text)


def _text(element: Element, path: str) -> str | None:
    text = element.findtext(path)
    return None if text is None else text.strip()
