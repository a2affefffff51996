"""Amazon's Python client, unchanged, against a live server."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from datetime import UTC, datetime, timedelta

import boto3
import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from reactor_kernel.testing.server import live

from ..conftest import Member

MIB = 1024 * 1024


@pytest.fixture
def ann(live_server):
    with httpx.Client(base_url=live_server.url) as wire:
        yield Member(wire)


def client_of(server, key, region="us-east-1", **config):
    return boto3.client(
        "s3",
        endpoint_url=f"{server.url}/storage/v1/s3",
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        region_name=region,
        config=Config(retries={"max_attempts": 1}, **config),
    )


@pytest.fixture
def s3(live_server, ann):
    return client_of(live_server, ann.s3_key())


def refusal(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def etag(content):
    return f'"{hashlib.sha256(content).hexdigest()}"'


def test_buckets(s3):
    s3.create_bucket(Bucket="docs")
    s3.create_bucket(Bucket="more", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == ["docs", "more"]
    assert s3.head_bucket(Bucket="docs")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.get_bucket_location(Bucket="docs")["LocationConstraint"] == "local"
    assert "Status" not in s3.get_bucket_versioning(Bucket="docs")
    s3.put_bucket_versioning(Bucket="more", VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket="more")["Status"] == "Enabled"
    assert refusal(s3.create_bucket, Bucket="docs") == (409, "BucketAlreadyOwnedByYou")
    assert refusal(s3.head_bucket, Bucket="none") == (404, "404")
    assert refusal(s3.list_objects_v2, Bucket="none") == (404, "NoSuchBucket")
    s3.put_object(Bucket="docs", Key="a", Body=b"a")
    assert refusal(s3.delete_bucket, Bucket="docs") == (409, "BucketNotEmpty")
    s3.delete_bucket(Bucket="more")
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == ["docs"]
    assert refusal(s3.get_bucket_policy, Bucket="docs") == (501, "NotImplemented")


def test_objects(s3):
    s3.create_bucket(Bucket="docs")
    key = "päge/a b+c&d=e~(1)'%41.txt"
    stored = s3.put_object(
        Bucket="docs", Key=key, Body=b"Hello World", ContentType="text/plain", CacheControl="max-age=5",
        ContentDisposition='attachment; filename="x"', ContentEncoding="identity", Metadata={"who": "ann", "n": "1"},
    )  # fmt: skip
    assert stored["ETag"] == etag(b"Hello World")
    found = s3.get_object(Bucket="docs", Key=key)
    assert found["Body"].read() == b"Hello World"
    assert (found["ContentType"], found["CacheControl"], found["ContentDisposition"], found["ContentEncoding"]) == (
        "text/plain", "max-age=5", 'attachment; filename="x"', "identity",
    )  # fmt: skip
    assert found["Metadata"] == {"who": "ann", "n": "1"}
    head = s3.head_object(Bucket="docs", Key=key)
    assert (head["ContentLength"], head["ETag"], head["Metadata"]) == (11, stored["ETag"], found["Metadata"])
    part = s3.get_object(Bucket="docs", Key=key, Range="bytes=6-")
    assert (part["Body"].read(), part["ContentRange"]) == (b"World", "bytes 6-10/11")
    assert refusal(s3.get_object, Bucket="docs", Key=key, Range="bytes=11-") == (416, "InvalidRange")
    assert refusal(s3.get_object, Bucket="docs", Key=key, IfNoneMatch=stored["ETag"]) == (304, "304")
    assert refusal(s3.get_object, Bucket="docs", Key=key, IfMatch='"other"') == (412, "PreconditionFailed")
    assert refusal(s3.get_object, Bucket="docs", Key="none") == (404, "NoSuchKey")
    assert refusal(s3.head_object, Bucket="docs", Key="none") == (404, "404")
    said = s3.get_object(Bucket="docs", Key=key, ResponseContentType="text/html", ResponseCacheControl="no-store")
    assert (said["ContentType"], said["CacheControl"]) == ("text/html", "no-store")
    assert s3.get_object_tagging(Bucket="docs", Key=key)["TagSet"] == []

    copied = s3.copy_object(Bucket="docs", Key="copy", CopySource={"Bucket": "docs", "Key": key})
    assert copied["CopyObjectResult"]["ETag"] == stored["ETag"]
    assert s3.head_object(Bucket="docs", Key="copy")["Metadata"] == {"who": "ann", "n": "1"}
    s3.copy_object(
        Bucket="docs", Key="copy", CopySource={"Bucket": "docs", "Key": "copy"}, MetadataDirective="REPLACE",
        Metadata={"x": "y"}, ContentType="text/css",
    )  # fmt: skip
    head = s3.head_object(Bucket="docs", Key="copy")
    assert (head["Metadata"], head["ContentType"]) == ({"x": "y"}, "text/css")
    itself = {"Bucket": "docs", "Key": "copy"}
    assert refusal(s3.copy_object, Bucket="docs", Key="copy", CopySource=itself) == (400, "InvalidRequest")
    source = {"Bucket": "docs", "Key": "copy", "CopySource": {"Bucket": "docs", "Key": key}}
    assert refusal(s3.copy_object, **source, CopySourceIfNoneMatch=stored["ETag"]) == (412, "PreconditionFailed")
    s3.delete_object(Bucket="docs", Key="copy")
    assert s3.delete_object(Bucket="docs", Key="copy")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refusal(s3.get_object, Bucket="docs", Key="copy") == (404, "NoSuchKey")
    s3.put_object(Bucket="docs", Key="folder/", Body=b"")
    assert refusal(s3.put_object, Bucket="docs", Key="folder/", Body=b"x") == (413, "EntityTooLarge")
    assert refusal(s3.put_object, Bucket="docs", Key="a//b", Body=b"x") == (400, "InvalidArgument")
    assert refusal(s3.put_object, Bucket="docs", Key="x", Body=b"x", ACL="public-read") == (501, "NotImplemented")
    assert refusal(s3.put_object, Bucket="docs", Key="x", Body=b"x", Tagging="a=b") == (501, "NotImplemented")


def test_conditional_writes(s3):
    s3.create_bucket(Bucket="docs")
    first = s3.put_object(Bucket="docs", Key="a", Body=b"1", IfNoneMatch="*")
    assert refusal(s3.put_object, Bucket="docs", Key="a", Body=b"2", IfNoneMatch="*") == (412, "PreconditionFailed")
    s3.put_object(Bucket="docs", Key="a", Body=b"2", IfMatch=first["ETag"])
    assert refusal(s3.put_object, Bucket="docs", Key="a", Body=b"3", IfMatch=first["ETag"]) == (
        412,
        "PreconditionFailed",
    )
    # Also without its quotes.
    s3.put_object(Bucket="docs", Key="a", Body=b"3", IfMatch=etag(b"2").strip('"'))
    assert s3.get_object(Bucket="docs", Key="a")["Body"].read() == b"3"


def test_listings(s3):
    s3.create_bucket(Bucket="docs")
    keys = [*(f"a/{n:02}" for n in range(12)), "b c", "d/é/1", "e&<f>"]
    for key in keys:
        s3.put_object(Bucket="docs", Key=key, Body=key.encode())
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="docs", PaginationConfig={"PageSize": 4})
    assert [one["Key"] for page in pages for one in page["Contents"]] == sorted(keys, key=str.encode)
    pages = s3.get_paginator("list_objects").paginate(Bucket="docs", PaginationConfig={"PageSize": 4})
    assert [one["Key"] for page in pages for one in page["Contents"]] == sorted(keys, key=str.encode)
    page = s3.list_objects_v2(Bucket="docs", Delimiter="/")
    assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["a/", "d/"]
    assert [(one["Key"], one["Size"], one["ETag"]) for one in page["Contents"]] == [
        ("b c", 3, etag(b"b c")), ("e&<f>", 5, etag(b"e&<f>")),
    ]  # fmt: skip
    assert (page["KeyCount"], page["IsTruncated"]) == (4, False)
    pages = list(
        s3.get_paginator("list_objects").paginate(Bucket="docs", Delimiter="/", PaginationConfig={"PageSize": 1})
    )
    assert [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", ())] == ["a/", "d/"]
    page = s3.list_objects_v2(Bucket="docs", Prefix="a/", StartAfter="a/09", FetchOwner=True)
    assert [one["Key"] for one in page["Contents"]] == ["a/10", "a/11"]
    assert page["Contents"][0]["Owner"]["ID"]
    assert s3.list_objects_v2(Bucket="docs", MaxKeys=0)["KeyCount"] == 0
    assert refusal(s3.list_objects_v2, Bucket="docs", ContinuationToken="?") == (400, "InvalidArgument")

    gone = s3.delete_objects(Bucket="docs", Delete={"Objects": [{"Key": "e&<f>"}, {"Key": "none"}, {"Key": "d/é/1"}]})
    assert sorted(one["Key"] for one in gone["Deleted"]) == ["d/é/1", "e&<f>", "none"]
    assert "Errors" not in gone
    assert "Deleted" not in s3.delete_objects(Bucket="docs", Delete={"Objects": [{"Key": "b c"}], "Quiet": True})
    assert s3.list_objects_v2(Bucket="docs")["KeyCount"] == 12


def test_uploads_in_parts(s3, sql, stored_on):
    s3.create_bucket(Bucket="docs")
    content = os.urandom(12 * MIB + 17)
    s3.upload_fileobj(io.BytesIO(content), "docs", "large.bin", ExtraArgs={"Metadata": {"a": "b"}},
                      Config=TransferConfig(multipart_chunksize=5 * MIB, multipart_threshold=5 * MIB))  # fmt: skip
    head = s3.head_object(Bucket="docs", Key="large.bin")
    assert (head["ETag"], head["ContentLength"], head["Metadata"]) == (etag(content), len(content), {"a": "b"})
    into = io.BytesIO()
    s3.download_fileobj("docs", "large.bin", into)
    assert into.getvalue() == content
    assert sql("select count(*) from _reactor_storage.multipart_parts") == [("0",)]
    assert sql("select count(*) from _reactor_storage.blobs") == [("1",)]

    s3.copy({"Bucket": "docs", "Key": "large.bin"}, "docs", "copied.bin",
            Config=TransferConfig(multipart_chunksize=5 * MIB, multipart_threshold=5 * MIB))  # fmt: skip
    assert s3.head_object(Bucket="docs", Key="copied.bin")["ETag"] == etag(content)

    upload = s3.create_multipart_upload(Bucket="docs", Key="by hand")["UploadId"]
    place = {"Bucket": "docs", "Key": "by hand", "UploadId": upload}
    whole = s3.upload_part_copy(PartNumber=1, CopySource={"Bucket": "docs", "Key": "large.bin"}, **place)
    s3.upload_part(PartNumber=2, Body=b"replaced", **place)
    last = s3.upload_part(PartNumber=2, Body=b"end", **place)
    assert last["ETag"] == etag(b"end")
    listed = s3.list_parts(**place)["Parts"]
    assert [(one["PartNumber"], one["Size"]) for one in listed] == [(1, len(content)), (2, 3)]
    pages = s3.get_paginator("list_parts").paginate(**place, PaginationConfig={"PageSize": 1})
    assert [one["PartNumber"] for page in pages for one in page["Parts"]] == [1, 2]
    assert [one["UploadId"] for one in s3.list_multipart_uploads(Bucket="docs")["Uploads"]] == [upload]
    first = {"PartNumber": 1, "ETag": whole["CopyPartResult"]["ETag"]}
    second = {"PartNumber": 2, "ETag": last["ETag"]}

    def complete(*parts):
        return s3.complete_multipart_upload(MultipartUpload={"Parts": list(parts)}, **place)

    assert refusal(complete, second, first) == (400, "InvalidPartOrder")
    assert refusal(complete, first, second | {"ETag": '"0"'}) == (400, "InvalidPart")
    assert refusal(complete, first, second, {"PartNumber": 3, "ETag": last["ETag"]}) == (400, "InvalidPart")
    assert complete(first, second)["ETag"] == etag(content + b"end")
    assert refusal(complete, first, second) == (404, "NoSuchUpload")
    assert s3.get_object(Bucket="docs", Key="by hand", Range="bytes=-4")["Body"].read() == content[-1:] + b"end"

    upload = s3.create_multipart_upload(Bucket="docs", Key="small")["UploadId"]
    place = {"Bucket": "docs", "Key": "small", "UploadId": upload}
    named = [{"PartNumber": n, "ETag": s3.upload_part(PartNumber=n, Body=b"x" * n, **place)["ETag"]} for n in (1, 2)]
    assert refusal(complete, *named) == (400, "EntityTooSmall")
    s3.abort_multipart_upload(**place)
    assert refusal(s3.list_parts, **place) == (404, "NoSuchUpload")
    assert sql("select count(*) from _reactor_storage.multipart_uploads") == [("0",)]
    # The backend fs keeps large.bin and copied.bin once.
    assert sql("select count(*) from _reactor_storage.blobs") == [("2" if stored_on == "fs" else "3",)]


def test_presigned_urls(live_server, ann):
    # For us-east-1 boto3 still presigns by Signature V2 unless told otherwise.
    s3 = client_of(live_server, ann.s3_key(), signature_version="s3v4")
    s3.create_bucket(Bucket="docs")
    place = {"Bucket": "docs", "Key": "a b/ü.txt"}
    url = s3.generate_presigned_url("put_object", Params={**place, "ContentType": "text/plain"}, ExpiresIn=60)
    assert httpx.put(url, content=b"by link", headers={"Content-Type": "text/plain"}).status_code == 200
    assert httpx.put(url, content=b"by link", headers={"Content-Type": "text/html"}).status_code == 403
    url = s3.generate_presigned_url("get_object", Params={**place, "ResponseContentDisposition": "inline"})
    read = httpx.get(url)
    assert (read.content, read.headers["Content-Disposition"]) == (b"by link", "inline")
    assert httpx.get(url + "&versionId=x").status_code == 403
    assert httpx.head(url).status_code == 403
    assert httpx.head(s3.generate_presigned_url("head_object", Params=place)).status_code == 200


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"])
def test_checksums(s3, algorithm):
    s3.create_bucket(Bucket="docs")
    stored = s3.put_object(Bucket="docs", Key="a", Body=b"content", ChecksumAlgorithm=algorithm)
    assert stored[f"Checksum{algorithm}"]
    size = {"CRC32": 4, "CRC32C": 4, "SHA1": 20, "SHA256": 32, "CRC64NVME": 8}[algorithm]
    wrong = {f"Checksum{algorithm}": base64.b64encode(bytes(size)).decode()}
    assert refusal(s3.put_object, Bucket="docs", Key="b", Body=b"content", **wrong)[1] in (
        "BadDigest",
        "InvalidRequest",
    )
    assert refusal(s3.head_object, Bucket="docs", Key="b") == (404, "404")
    assert s3.get_object(Bucket="docs", Key="a", ChecksumMode="ENABLED")["ChecksumSHA256"]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "local"])
def test_any_region(live_server, ann, region):
    s3 = client_of(live_server, ann.s3_key(), region)
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket="docs", **place)
    s3.put_object(Bucket="docs", Key="a", Body=b"a")


def test_keys_end(live_server, ann):
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    lasting, ending = ann.s3_key(name="lasting"), ann.s3_key(name="ending", expires_at=soon)
    assert "secret_access_key" not in ann.call("GET", "s3-credentials").text
    s3 = client_of(live_server, lasting)
    s3.create_bucket(Bucket="docs")
    assert ann.call("DELETE", f"s3-credentials/{lasting['id']}").status_code == 204
    assert refusal(s3.list_buckets) == (403, "InvalidAccessKeyId")
    listed = ann.call("GET", "s3-credentials").json()["credentials"]
    assert [one["access_key_id"] for one in listed] == [ending["access_key_id"]]


def test_a_body_over_the_limit_of_a_request(boot):
    with live(boot(max_upload_size=MIB)) as server, httpx.Client(base_url=server.url) as wire:
        ann = Member(wire)
        s3 = client_of(server, ann.s3_key())
        s3.create_bucket(Bucket="docs")
        s3.put_object(Bucket="docs", Key="a", Body=bytes(MIB))
        assert refusal(s3.put_object, Bucket="docs", Key="b", Body=bytes(MIB + 1))[0] == 413
