"""Operations on buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_storage.buckets import Buckets
from reactor_storage.s3 import xml
from reactor_storage.s3.faults import S3Error
from reactor_storage.s3.headers import described
from reactor_storage.s3.request import S3Request

if TYPE_CHECKING:
    import falcon

_MOST = 10000


class BucketOperations:
    """Lists, makes, looks at, changes and removes buckets."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def list(self, asked: S3Request, resp: falcon.Response) -> None:
        """ListBuckets."""
        most = asked.number("max-buckets", _MOST, least=1, most=_MOST)
        prefix, after = asked.query.get("prefix", ""), asked.query.get("continuation-token", "")
        found = [one for one in self._buckets.listed(asked.caller) if one.name.startswith(prefix) and one.name > after]
        members: dict[str, xml.Node] = {
            "Owner": {"ID": asked.caller.org_id},
            "Buckets": {"Bucket": [{"Name": one.name, "CreationDate": one.created_at} for one in found[:most]]},
            "Prefix": prefix or None,
            "ContinuationToken": found[most - 1].name if len(found) > most else None,
        }
        say(resp, xml.document("ListAllMyBucketsResult", members))

    def create(self, asked: S3Request, resp: falcon.Response) -> None:
        """CreateBucket."""
        described(asked)
        if body := asked.payload.document():
            wanted = xml.parsed(body, "CreateBucketConfiguration").findtext("LocationConstraint")
            # Any name of a region will do as long as none is configured.
            if wanted is not None and asked.region != "local" and wanted != asked.region:
                raise S3Error("InvalidLocationConstraint", f"the only region is {asked.region}")
        made = self._buckets.create(asked.caller, asked.bucket_name, {})
        resp.set_header("Location", f"/{made.name}")

    def head(self, asked: S3Request, resp: falcon.Response) -> None:
        """HeadBucket."""
        self._buckets.find(asked.caller, asked.bucket_name)
        resp.set_header("x-amz-bucket-region", asked.region)

    def delete(self, asked: S3Request, resp: falcon.Response) -> None:
        """DeleteBucket; it must be empty."""
        self._buckets.delete(asked.caller, asked.bucket_name, cascade=False)
        resp.status = 204

    def location(self, asked: S3Request, resp: falcon.Response) -> None:
        """GetBucketLocation."""
        self._buckets.find(asked.caller, asked.bucket_name)
        # us-east-1 is said by saying nothing.
        region = "" if asked.region == "us-east-1" else asked.region
        body = xml.document("LocationConstraint", {})
        say(resp, body.replace(b"></LocationConstraint>", f">{region}</LocationConstraint>".encode()))

    def versioning(self, asked: S3Request, resp: falcon.Response) -> None:
        """GetBucketVersioning."""
        found = self._buckets.find(asked.caller, asked.bucket_name)
        say(resp, xml.document("VersioningConfiguration", {"Status": "Enabled" if found.versioning else None}))

    def set_versioning(self, asked: S3Request, resp: falcon.Response) -> None:
        """PutBucketVersioning."""
        configuration = xml.parsed(asked.payload.document(), "VersioningConfiguration")
        if (configuration.findtext("MfaDelete") or "Disabled") != "Disabled":
            raise S3Error("NotImplemented", "a second factor for deleting versions is not supported")
        wanted = configuration.findtext("Status")
        if wanted not in ("Enabled", "Suspended"):
            raise S3Error("MalformedXML", "Status must be Enabled or Suspended")
        self._buckets.update(asked.caller, asked.bucket_name, {"versioning": wanted == "Enabled"})


def say(resp: falcon.Response, document: bytes) -> None:
    """Answer a document."""
    resp.content_type = "application/xml"
    resp.data = document
