"""Operations on uploads in parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reactor_storage.http.conditions import writing_rule
from reactor_storage.multipart import MAX_PART, MultipartUploads, Upload
from reactor_storage.reading import Reader
from reactor_storage.s3 import xml
from reactor_storage.s3.buckets import say
from reactor_storage.s3.faults import S3Error
from reactor_storage.s3.headers import conditions, described
from reactor_storage.s3.listing import encoder
from reactor_storage.s3.objects import ObjectOperations, say_sums
from reactor_storage.s3.request import S3Request

if TYPE_CHECKING:
    import falcon

_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})\Z")
_MOST = 1000


class PartOperations:
    """CreateMultipartUpload, UploadPart, UploadPartCopy, Complete, Abort, ListParts, ListMultipartUploads."""

    def __init__(self, uploads: MultipartUploads, objects: ObjectOperations, reader: Reader) -> None:
        self._uploads = uploads
        self._objects = objects
        self._reader = reader

    def create(self, asked: S3Request, resp: falcon.Response) -> None:
        """CreateMultipartUpload."""
        bucket, id = self._uploads.create(asked.caller, asked.bucket_name, asked.key_name, described(asked))
        if (algorithm := asked.headers("x-amz-checksum-algorithm")) is not None:
            resp.set_header("x-amz-checksum-algorithm", algorithm)
        members = {"Bucket": bucket.name, "Key": asked.key_name, "UploadId": id}
        say(resp, xml.document("InitiateMultipartUploadResult", members))

    def put(self, asked: S3Request, resp: falcon.Response) -> None:
        """UploadPart and UploadPartCopy."""
        number = asked.number("partNumber", 0, least=1, most=MAX_PART + 1)
        if not 1 <= number <= MAX_PART:
            raise S3Error("InvalidArgument", f"partNumber must be a number from 1 to {MAX_PART}")
        upload = self._upload(asked)
        if asked.headers("x-amz-copy-source") is not None:
            self._copy(asked, resp, upload, number)
            return
        checks = asked.payload.checks
        part = self._uploads.put_part(
            upload, number, asked.payload.stream(), lambda staged: checks.check_sha256(staged.sha256)
        )
        resp.set_header("ETag", part.etag)
        say_sums(resp, asked.payload)

    def _copy(self, asked: S3Request, resp: falcon.Response, upload: Upload, number: int) -> None:
        source = self._objects.source(asked)
        wanted = asked.headers("x-amz-copy-source-range")
        if wanted is None:
            part = self._uploads.copy_part(upload, number, source)
        else:
            match = _RANGE.match(wanted.strip())
            if match is None or not int(match.group(1)) <= int(match.group(2)) < source.size:
                raise S3Error(
                    "InvalidArgument",
                    f"x-amz-copy-source-range must be bytes=<first>-<last> within {source.size} bytes",
                )
            start, last = int(match.group(1)), int(match.group(2))
            length = last - start + 1
            content = self._reader.open(asked.caller, source, start, length)
            # No body of a request: what limits those does not concern it.
            part = self._uploads.put_part(upload, number, content, limit=length)
        say(resp, xml.document("CopyPartResult", {"LastModified": part.uploaded_at, "ETag": part.etag}))

    def complete(self, asked: S3Request, resp: falcon.Response) -> None:
        """CompleteMultipartUpload."""
        upload = self._upload(asked)
        wanted = xml.parsed(asked.payload.document(), "CompleteMultipartUpload")
        named = []
        for one in wanted.findall("Part"):
            number, etag = (one.findtext("PartNumber") or "").strip(), one.findtext("ETag")
            if not (number.isascii() and number.isdigit() and len(number) < 6) or etag is None:
                raise S3Error("MalformedXML", "each <Part> needs a PartNumber and an ETag")
            named.append((int(number), etag))
        if not named:
            raise S3Error("MalformedXML", "<CompleteMultipartUpload> names no part")
        bucket, stored = self._uploads.complete(asked.caller, upload, named, writing_rule(conditions(asked.headers)))
        if bucket.versioning:
            resp.set_header("x-amz-version-id", stored.version_id)
        members = {"Location": asked.resource, "Bucket": bucket.name, "Key": stored.key, "ETag": stored.etag}
        say(resp, xml.document("CompleteMultipartUploadResult", members))

    def abort(self, asked: S3Request, resp: falcon.Response) -> None:
        """AbortMultipartUpload."""
        self._uploads.abort(asked.caller, self._upload(asked))
        resp.status = 204

    def parts(self, asked: S3Request, resp: falcon.Response) -> None:
        """ListParts."""
        upload = self._upload(asked)
        after = asked.number("part-number-marker", 0, least=0, most=MAX_PART)
        most = asked.number("max-parts", _MOST, least=1, most=_MOST)
        found = self._uploads.parts(upload, after, most + 1)
        more = len(found) > most
        owner = {"ID": upload.created_by or upload.org_id}
        members: dict[str, xml.Node] = {
            "Bucket": upload.bucket,
            "Key": encoder(asked)(upload.key),
            "UploadId": upload.id,
            "Initiator": owner,
            "Owner": owner,
            "StorageClass": "STANDARD",
            "PartNumberMarker": after,
            "NextPartNumberMarker": found[most - 1].number if more else None,
            "MaxParts": most,
            "IsTruncated": more,
            "Part": [
                {"PartNumber": one.number, "LastModified": one.uploaded_at, "ETag": one.etag, "Size": one.size}
                for one in found[:most]
            ],
        }
        say(resp, xml.document("ListPartsResult", members))

    def uploads(self, asked: S3Request, resp: falcon.Response) -> None:
        """ListMultipartUploads; without a delimiter."""
        shown, query = encoder(asked), asked.query
        if query.get("delimiter"):
            raise S3Error("NotImplemented", "open uploads are listed without a delimiter")
        most = asked.number("max-uploads", _MOST, least=1, most=_MOST)
        prefix, key_marker = query.get("prefix", ""), query.get("key-marker", "")
        id_marker = query.get("upload-id-marker") or None
        found = self._uploads.listed(asked.caller, asked.bucket_name, prefix, key_marker, id_marker, most + 1)
        more = len(found) > most
        last = found[most - 1] if more else None
        members: dict[str, xml.Node] = {
            "Bucket": asked.bucket_name,
            "KeyMarker": shown(key_marker),
            "UploadIdMarker": id_marker or "",
            "NextKeyMarker": None if last is None else shown(last.key),
            "NextUploadIdMarker": None if last is None else last.id,
            "Prefix": shown(prefix),
            "MaxUploads": most,
            "EncodingType": query.get("encoding-type"),
            "IsTruncated": more,
            "Upload": [
                {
                    "Key": shown(one.key),
                    "UploadId": one.id,
                    "Initiator": {"ID": one.created_by or one.org_id},
                    "Owner": {"ID": one.created_by or one.org_id},
                    "StorageClass": "STANDARD",
                    "Initiated": one.created_at,
                }
                for one in found[:most]
            ],
        }
        say(resp, xml.document("ListMultipartUploadsResult", members))

    def _upload(self, asked: S3Request) -> Upload:
        return self._uploads.find(asked.caller, asked.bucket_name, asked.key_name, asked.query["uploadId"])
