"""Versions and lifecycle rules through boto3."""

from __future__ import annotations

import hashlib

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from ..conftest import Member


@pytest.fixture
def ann(live_server):
    with httpx.Client(base_url=live_server.url) as wire:
        yield Member(wire)


def client_of(server, member):
    key = member.s3_key()
    return boto3.client(
        "s3",
        endpoint_url=f"{server.url}/storage/v1/s3",
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        region_name="eu-central-1",
        config=Config(retries={"max_attempts": 1}),
    )


@pytest.fixture
def s3(live_server, ann):
    return client_of(live_server, ann)


@pytest.fixture
def kept(s3):
    """A bucket that keeps versions."""
    s3.create_bucket(Bucket="docs")
    s3.put_bucket_versioning(Bucket="docs", VersioningConfiguration={"Status": "Enabled"})
    return "docs"


def refusal(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_one_version_of_an_object(s3, kept):
    at = {"Bucket": kept, "Key": "a b/ä.txt"}
    one = s3.put_object(**at, Body=b"one", Metadata={"n": "1"})["VersionId"]
    two = s3.put_object(**at, Body=b"two!")["VersionId"]
    assert s3.get_object(**at)["VersionId"] == two
    old = s3.get_object(**at, VersionId=one)
    assert (old["Body"].read(), old["VersionId"], old["Metadata"]) == (b"one", one, {"n": "1"})
    assert s3.get_object(**at, VersionId=one, Range="bytes=1-")["Body"].read() == b"ne"
    assert s3.head_object(**at, VersionId=one)["ContentLength"] == 3
    assert s3.get_object_tagging(**at, VersionId=one)["TagSet"] == []
    assert refusal(s3.get_object, **at, VersionId=one[:-1] + ("0" if one[-1] != "0" else "1")) == (404, "NoSuchVersion")
    assert refusal(s3.get_object, **at, VersionId="x") == (400, "InvalidArgument")
    assert refusal(s3.get_object, Bucket=kept, Key="other", VersionId=one) == (404, "NoSuchVersion")

    # Restoring, as S3's users do it.
    copied = s3.copy_object(**at, CopySource={**at, "VersionId": one}, MetadataDirective="REPLACE", Metadata={"n": "3"})
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.sha256(b"one").hexdigest()}"'
    assert s3.get_object(**at)["Body"].read() == b"one"
    s3.copy_object(Bucket=kept, Key="copy", CopySource={**at, "VersionId": two})
    assert s3.get_object(Bucket=kept, Key="copy")["Body"].read() == b"two!"


def test_deleting_and_undeleting(s3, kept):
    at = {"Bucket": kept, "Key": "a"}
    one = s3.put_object(**at, Body=b"one")["VersionId"]
    gone = s3.delete_object(**at)
    assert gone["DeleteMarker"] is True
    assert refusal(s3.get_object, **at) == (404, "NoSuchKey")
    listed = s3.list_object_versions(Bucket=kept)
    assert [(marker["VersionId"], marker["IsLatest"]) for marker in listed["DeleteMarkers"]] == [
        (gone["VersionId"], True)
    ]
    assert [(found["VersionId"], found["IsLatest"], found["Size"]) for found in listed["Versions"]] == [(one, False, 3)]
    undone = s3.delete_object(**at, VersionId=gone["VersionId"])
    assert (undone["DeleteMarker"], undone["VersionId"]) == (True, gone["VersionId"])
    assert s3.get_object(**at)["Body"].read() == b"one"
    dropped = s3.delete_object(**at, VersionId=one)
    assert (dropped.get("DeleteMarker"), dropped["VersionId"]) == (None, one)
    assert refusal(s3.head_object, **at) == (404, "404")
    assert "Versions" not in s3.list_object_versions(Bucket=kept)
    # What is not there is deleted, too.
    assert s3.delete_object(**at, VersionId=one)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refusal(s3.delete_object, **at, VersionId="x") == (400, "InvalidArgument")
    assert "DeleteMarker" not in s3.delete_object(**at)


def test_versions_are_listed_by_key_and_newest_first(s3, kept):
    made = {}
    for key in ("a", "b/1", "b/2", "c&<d>"):
        made[key] = [s3.put_object(Bucket=kept, Key=key, Body=key.encode() * n)["VersionId"] for n in (1, 2)]
    s3.delete_object(Bucket=kept, Key="b/2")
    everything = [(key, id) for key in sorted(made) for id in made[key][::-1]]
    listed = s3.list_object_versions(Bucket=kept)
    assert [(one["Key"], one["VersionId"]) for one in listed["Versions"]] == everything
    assert [one["Key"] for one in listed["DeleteMarkers"]] == ["b/2"]
    assert [one["IsLatest"] for one in listed["Versions"]] == [True, False, True, False, False, False, True, False]
    assert not listed["IsTruncated"]
    for size in (1, 2, 3, 8):
        pages = list(
            s3.get_paginator("list_object_versions").paginate(Bucket=kept, PaginationConfig={"PageSize": size})
        )
        found = [(one["Key"], one["VersionId"]) for page in pages for one in page.get("Versions", ())]
        assert found == everything
        assert sum(len(page.get("DeleteMarkers", ())) for page in pages) == 1
        assert len(pages) == -(-9 // size)
    listed = s3.list_object_versions(Bucket=kept, Prefix="b/", KeyMarker="b/1")
    assert {one["Key"] for one in listed["Versions"]} == {"b/2"}
    listed = s3.list_object_versions(Bucket=kept, Prefix="c")
    assert [one["Key"] for one in listed["Versions"]] == ["c&<d>"] * 2
    for size in (1, 2, 1000):
        pages = list(
            s3.get_paginator("list_object_versions").paginate(
                Bucket=kept, Delimiter="/", PaginationConfig={"PageSize": size}
            )
        )
        assert [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", ())] == ["b/"]
        assert [one["Key"] for page in pages for one in page.get("Versions", ())] == ["a", "a", "c&<d>", "c&<d>"]
    assert s3.list_object_versions(Bucket=kept, MaxKeys=0).get("Versions") is None
    assert refusal(s3.list_object_versions, Bucket=kept, VersionIdMarker="x", KeyMarker="a") == (400, "InvalidArgument")
    assert refusal(s3.list_object_versions, Bucket="none") == (404, "NoSuchBucket")


def test_a_bucket_is_emptied_page_by_page(s3, kept, sql):
    """As every script for it does: each page is deleted before the next one is asked for."""
    for key in ("a", "b", "c"):
        for n in range(3):
            s3.put_object(Bucket=kept, Key=key, Body=f"{n}".encode())
        s3.delete_object(Bucket=kept, Key=key)
    assert refusal(s3.delete_bucket, Bucket=kept) == (409, "BucketNotEmpty")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=kept, PaginationConfig={"PageSize": 5}):
        entries = [
            {"Key": one["Key"], "VersionId": one["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for one in page.get(kind, ())
        ]
        gone = s3.delete_objects(Bucket=kept, Delete={"Objects": entries})
        assert len(gone["Deleted"]) == len(entries)
        assert "Errors" not in gone
    assert sql("select count(*) from _reactor_storage.versions") == [("0",)]
    assert sql("select count(*) from _reactor_storage.blobs") == [("0",)]
    s3.delete_bucket(Bucket=kept)


def test_deleting_many(s3, kept):
    one = s3.put_object(Bucket=kept, Key="a", Body=b"1")["VersionId"]
    two = s3.put_object(Bucket=kept, Key="a", Body=b"2")["VersionId"]
    s3.put_object(Bucket=kept, Key="b", Body=b"3")
    entries = [{"Key": "a", "VersionId": one}, {"Key": "a", "VersionId": "x"}, {"Key": "b"}, {"Key": "none"}]
    gone = s3.delete_objects(Bucket=kept, Delete={"Objects": entries})
    assert [(found["Key"], found.get("VersionId"), found.get("DeleteMarker")) for found in gone["Deleted"]] == [
        ("a", one, None), ("b", None, True), ("none", None, None),
    ]  # fmt: skip
    assert [(found["Key"], found["VersionId"], found["Code"]) for found in gone["Errors"]] == [
        ("a", "x", "InvalidArgument")
    ]
    marker = gone["Deleted"][1]["DeleteMarkerVersionId"]
    assert [found["VersionId"] for found in s3.list_object_versions(Bucket=kept)["DeleteMarkers"]] == [marker]
    assert s3.head_object(Bucket=kept, Key="a")["VersionId"] == two


def test_who_may_not_delete_for_good(live_server, ann, s3, kept, sql):
    one = s3.put_object(Bucket=kept, Key="a", Body=b"1")["VersionId"]
    writer = client_of(live_server, ann.colleague("storage:docs:read", "storage:docs:write"))
    assert refusal(writer.delete_object, Bucket=kept, Key="a", VersionId=one) == (403, "AccessDenied")
    gone = writer.delete_objects(Bucket=kept, Delete={"Objects": [{"Key": "a", "VersionId": one}]})
    assert [found["Code"] for found in gone["Errors"]] == ["AccessDenied"]
    # Policies hide versions as they hide the object, also when it was deleted.
    sql("""create policy own on storage.objects for select to reactor_authenticated
      using (owner_id = (select auth.user_id())::uuid)""")
    for _ in range(2):
        assert "Versions" not in writer.list_object_versions(Bucket=kept)
        assert "DeleteMarkers" not in writer.list_object_versions(Bucket=kept)
        assert refusal(writer.get_object, Bucket=kept, Key="a", VersionId=one) == (404, "NoSuchVersion")
        assert len(s3.list_object_versions(Bucket=kept)["Versions"]) == 1
        s3.delete_object(Bucket=kept, Key="a")


def test_a_bucket_that_keeps_none(s3):
    s3.create_bucket(Bucket="plain")
    assert "VersionId" not in s3.put_object(Bucket="plain", Key="a", Body=b"1")
    assert "VersionId" not in s3.get_object(Bucket="plain", Key="a")
    s3.put_object(Bucket="plain", Key="a", Body=b"2")
    listed = s3.list_object_versions(Bucket="plain")
    assert [(one["Key"], one["IsLatest"]) for one in listed["Versions"]] == [("a", True)]
    assert s3.get_object(Bucket="plain", Key="a", VersionId="null")["Body"].read() == b"2"
    s3.delete_object(Bucket="plain", Key="a", VersionId="null")
    assert refusal(s3.head_object, Bucket="plain", Key="a") == (404, "404")
    mfa = {"Status": "Enabled", "MFADelete": "Enabled"}
    assert refusal(s3.put_bucket_versioning, Bucket="plain", VersioningConfiguration=mfa) == (501, "NotImplemented")


def rule(**fields):
    return {"ID": "one", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}} | fields


def test_lifecycle_rules(s3, ann):
    s3.create_bucket(Bucket="docs")
    assert refusal(s3.get_bucket_lifecycle_configuration, Bucket="docs") == (404, "NoSuchLifecycleConfiguration")
    rules = [
        {"ID": "one", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 7}},
        {
            "ID": "two",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
        },
    ]
    s3.put_bucket_lifecycle_configuration(Bucket="docs", LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket="docs")["Rules"] == rules
    assert ann.call("GET", "buckets/docs").json()["lifecycle"] == [
        {"id": "one", "prefix": "tmp/", "expire_days": 7},
        {"id": "two", "noncurrent_days": 30},
    ]
    # As older clients write it, and without a name.
    older = {"Status": "Enabled", "Prefix": "x", "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket="docs", LifecycleConfiguration={"Rules": [older]})
    [found] = s3.get_bucket_lifecycle_configuration(Bucket="docs")["Rules"]
    assert (found["ID"], found["Filter"]) == ("rule-1", {"Prefix": "x"})
    s3.delete_bucket_lifecycle(Bucket="docs")
    assert refusal(s3.get_bucket_lifecycle_configuration, Bucket="docs") == (404, "NoSuchLifecycleConfiguration")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (rule(Status="Disabled"), (501, "NotImplemented")),
        (rule(Filter={"Tag": {"Key": "a", "Value": "b"}}), (501, "NotImplemented")),
        (rule(Filter={"And": {"Prefix": "a", "ObjectSizeGreaterThan": 1}}), (501, "NotImplemented")),
        (rule(Expiration={"ExpiredObjectDeleteMarker": True}), (501, "NotImplemented")),
        (rule(Expiration={"Date": "2030-01-01T00:00:00Z"}), (501, "NotImplemented")),
        (rule(Transitions=[{"Days": 1, "StorageClass": "GLACIER"}]), (501, "NotImplemented")),
        (rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}), (501, "NotImplemented")),
        (
            rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 3}),
            (501, "NotImplemented"),
        ),
        (rule(Expiration={"Days": 0}), (400, "InvalidArgument")),
        (rule(Expiration={"Days": 99999}), (400, "InvalidRequest")),
        ({"ID": "one", "Status": "Enabled", "Filter": {}}, (400, "InvalidRequest")),
    ],
)
def test_lifecycle_rules_that_are_refused(s3, wanted, code):
    s3.create_bucket(Bucket="docs")
    configuration = {"Rules": [wanted]}
    assert refusal(s3.put_bucket_lifecycle_configuration, Bucket="docs", LifecycleConfiguration=configuration) == code
    assert refusal(s3.get_bucket_lifecycle_configuration, Bucket="docs") == (404, "NoSuchLifecycleConfiguration")


def test_lifecycle_rules_are_for_who_administers_the_bucket(live_server, ann, s3):
    s3.create_bucket(Bucket="docs")
    writer = client_of(live_server, ann.colleague("storage:docs:read", "storage:docs:write"))
    wanted = {"Bucket": "docs", "LifecycleConfiguration": {"Rules": [rule()]}}
    assert refusal(writer.put_bucket_lifecycle_configuration, **wanted) == (403, "AccessDenied")
    assert refusal(writer.get_bucket_lifecycle_configuration, Bucket="docs") == (403, "AccessDenied")
    assert refusal(writer.delete_bucket_lifecycle, Bucket="docs") == (403, "AccessDenied")


def test_a_parameter_on_the_wrong_level_does_nothing_else(s3, kept, ann, signing):
    signed = signing(ann)
    s3.put_object(Bucket=kept, Key="a", Body=b"1")
    for method, path in (("DELETE", "docs/a?lifecycle"), ("DELETE", "docs?versions"), ("GET", "docs/a?versions")):
        assert signed.call(method, path).status_code == 501
    assert s3.get_object(Bucket=kept, Key="a")["Body"].read() == b"1"


def test_an_earlier_version_is_copied_onto_its_object(ann, signing):
    """The way in which S3's clients make one current again."""
    ann.bucket(versioning=True)
    s3 = signing(ann)
    first = s3.call("PUT", "docs/a", b"one", x_amz_meta_a="b").headers["x-amz-version-id"]
    s3.call("PUT", "docs/a", b"two")
    answer = s3.call("PUT", "docs/a", x_amz_copy_source=f"docs/a?versionId={first}")
    assert answer.status_code == 200, answer.text
    found = s3.call("GET", "docs/a")
    assert (found.content, found.headers["x-amz-meta-a"]) == (b"one", "b")
    assert found.headers["x-amz-version-id"] == answer.headers["x-amz-version-id"] != first
    onto_itself = s3.call("PUT", "docs/a", x_amz_copy_source="docs/a")
    assert (onto_itself.status_code, "<Code>InvalidRequest</Code>" in onto_itself.text) == (400, True)
