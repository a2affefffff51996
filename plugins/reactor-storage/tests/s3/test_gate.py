"""Who gets through: altered, late and foreign signatures, keys that end, what a key may."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from botocore.awsrequest import AWSRequest

from reactor_storage.plugin import StoragePlugin

from ..conftest import SECRET, Member, TrustingAuth
from .conftest import BASE, Signed, error, refused, sha256

WRONG = "the signature calculated here is not the one sent; check the secret access key and how the request is signed"
NO_KEY = (403, "InvalidAccessKeyId", "the access key id does not exist here, has expired or was revoked")


@pytest.fixture
def s3(ann, signing):
    ann.bucket()
    ann.put("docs/a", b"of ann")
    return signing(ann)


def test_altered_requests(s3, ann, files):
    request = s3.signed("PUT", "docs/b?x=1", b"content", x_amz_meta_a="1")
    base = dict(request.headers.items())
    signature = base["Authorization"]
    for changed in (
        {"Authorization": signature[:-1] + ("0" if signature[-1] != "0" else "1")},
        {"Authorization": signature.replace("us-east-1", "us-east-2")},
        {"x_amz_meta_a": "2"},
        {"X_Amz_Date": base["X-Amz-Date"][:-2] + ("0Z" if base["X-Amz-Date"][-2] != "0" else "1Z")},
        {"Host": "other.test"},
        {"X_Amz_Content_SHA256": "UNSIGNED-PAYLOAD"},
    ):
        assert error(s3.send(request, **changed)) == (403, "SignatureDoesNotMatch", WRONG), changed
    for url in ("docs/c?x=1", "docs/b?x=2", "docs/b", "docs/b?x=1&x-id=PutObject"):
        moved = AWSRequest("PUT", f"{BASE}/{url}", headers=base, data=b"content")
        assert refused(s3.send(moved)) == (403, "SignatureDoesNotMatch"), url
    assert (
        refused(s3.send(AWSRequest("DELETE", request.url, headers=base, data=b"content")))[1] == "SignatureDoesNotMatch"
    )
    assert error(s3.send(request, body=b"CONTENT")) == (
        400, "XAmzContentSHA256Mismatch", f"x-amz-content-sha256 is not the body's, which is {sha256(b'CONTENT')}",
    )  # fmt: skip
    assert error(s3.send(request, x_amz_acl="private")) == (
        403, "AccessDenied", "the header x-amz-acl was sent and is not signed",
    )  # fmt: skip
    assert s3.send(request).status_code == 200
    assert len(files()) == 2


def test_both_ways_to_sign_at_once_and_none(s3, client, ann):
    url = s3.presigned("GET", "docs/a")
    request = s3.signed("GET", "docs/a")
    assert client.get(url).content == b"of ann"
    assert refused(client.get(url, headers=dict(request.headers.items()))) == (400, "InvalidArgument")
    assert refused(client.get(f"{BASE}/docs/a")) == (403, "AccessDenied")
    assert refused(client.get(f"{BASE}/")) == (403, "AccessDenied")
    assert refused(client.put(f"{BASE}/docs/a", content=b"x")) == (403, "AccessDenied")
    # A token of the platform signs nothing here.
    assert refused(client.get(f"{BASE}/docs/a", headers=ann.headers)) == (400, "InvalidRequest")
    ann.bucket("site", public=True)
    ann.put("site/index.html", b"hi")
    assert client.get(f"{BASE}/site/index.html").content == b"hi"
    assert refused(client.get(f"{BASE}/site?list-type=2")) == (403, "AccessDenied")
    assert refused(client.put(f"{BASE}/site/x", content=b"x")) == (403, "AccessDenied")
    v2 = f"{BASE}/docs/a?AWSAccessKeyId=x&Signature=y&Expires=9999999999"
    assert error(client.get(v2))[1:] == ("InvalidRequest", "Signature V2 is not supported; use AWS4-HMAC-SHA256")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_clocks_that_are_apart(frozen_clock, s3, at, minutes):
    at(frozen_clock.now() + timedelta(minutes=minutes))
    late = "the request was signed more than 15 minutes from the server's time"
    assert error(s3.call("GET", "docs/a")) == (403, "RequestTimeTooSkewed", late)
    at(frozen_clock.now() + timedelta(minutes=minutes * 14 / 16))
    assert s3.call("GET", "docs/a").content == b"of ann"


def test_presigned_urls_end(frozen_clock, s3, at, client):
    at(frozen_clock.now())
    url = s3.presigned("GET", "docs/a", 60)
    put = s3.presigned("PUT", "docs/b", 60)
    assert client.put(put, content=b"by link").status_code == 200
    assert client.head(s3.presigned("HEAD", "docs/b")).headers["Content-Length"] == "7"
    for changed in (url.replace("docs/a", "docs/b"), url.replace("Expires=60", "Expires=600"), url[:-1], url + "&a=b"):
        assert refused(client.get(changed)) == (403, "SignatureDoesNotMatch")
    assert refused(client.delete(url)) == (403, "SignatureDoesNotMatch")
    for changed in ("Expires=0", "Expires=604801", "Expires=x"):
        assert refused(client.get(url.replace("Expires=60", changed))) == (400, "AuthorizationQueryParametersError")
    assert refused(client.get(url.replace("X-Amz-Date", "X-Amz-Day"))) == (400, "AuthorizationQueryParametersError")
    frozen_clock.advance(seconds=61)
    assert error(client.get(url)) == (403, "AccessDenied", "the presigned URL has expired")
    assert error(client.put(put, content=b"x")) == (403, "AccessDenied", "the presigned URL has expired")


def test_organisations_do_not_meet(s3, ann, bob, signing):
    theirs = signing(bob)
    assert refused(theirs.call("GET", "docs/a")) == (404, "NoSuchBucket")
    bob.bucket()
    assert refused(theirs.call("GET", "docs/a")) == (404, "NoSuchKey")
    assert refused(theirs.call("GET", f"{ann.call('GET', 'buckets/docs').json()['id']}/a")) == (404, "NoSuchBucket")
    assert theirs.call("PUT", "docs/a", b"of bob").status_code == 200
    assert s3.call("GET", "docs/a").content == b"of ann"
    upload = s3.call("POST", "docs/big?uploads").text.partition("<UploadId>")[2].partition("<")[0]
    assert refused(theirs.call("PUT", f"docs/big?partNumber=1&uploadId={upload}", b"x")) == (404, "NoSuchUpload")
    assert refused(theirs.call("DELETE", f"docs/big?uploadId={upload}")) == (404, "NoSuchUpload")
    assert refused(s3.call("PUT", f"docs/other?partNumber=1&uploadId={upload}", b"x")) == (404, "NoSuchUpload")
    assert refused(s3.call("GET", "docs/a", x_amz_expected_bucket_owner=bob.org_id)) == (403, "AccessDenied")
    assert s3.call("GET", "docs/a", x_amz_expected_bucket_owner=ann.org_id).status_code == 200
    assert refused(theirs.call("PUT", "docs/x", x_amz_copy_source="docs/none")) == (404, "NoSuchKey")
    assert bob.call("DELETE", f"s3-credentials/{ann.s3_key()['id']}").status_code == 404


def test_a_key_may_what_its_scopes_and_its_owner_may(frozen_clock, s3, ann, client, at):
    at(frozen_clock.now())
    reading = Signed(client, ann.s3_key(scopes=["storage:docs:read"]))
    assert reading.call("GET", "docs/a").content == b"of ann"
    assert error(reading.call("PUT", "docs/b", b"x")) == (
        403, "AccessDenied", "this needs the permission storage:docs:write",
    )  # fmt: skip
    assert refused(reading.call("DELETE", "docs/a")) == (403, "AccessDenied")
    assert refused(reading.call("PUT", "more")) == (403, "AccessDenied")
    eve = ann.colleague("storage:docs:read", "storage:docs:write")
    key = eve.s3_key()
    assert key["scopes"] == ["storage:docs:read", "storage:docs:write"]
    theirs = Signed(client, key)
    assert theirs.call("PUT", "docs/b", b"x").status_code == 200
    eve.permissions = ("storage:docs:read", "data:*")
    eve.get("docs/a")
    frozen_clock.advance(seconds=31)
    at(frozen_clock.now())
    assert refused(theirs.call("PUT", "docs/b", b"y")) == (403, "AccessDenied")
    assert theirs.call("GET", "docs/b").content == b"x"
    eve.permissions = ()
    eve.get("docs/a")
    frozen_clock.advance(seconds=31)
    at(frozen_clock.now())
    assert error(theirs.call("GET", "docs/b")) == NO_KEY


def test_credentials(frozen_clock, ann, bob, client, sql, at):
    at(frozen_clock.now())
    ends = (frozen_clock.now() + timedelta(hours=1)).isoformat()
    made = ann.s3_key(name="backup", scopes=["storage:*:write", "storage:*:read"], expires_at=ends)
    assert list(made) == [
        "id", "name", "access_key_id", "org_id", "scopes", "created_at", "expires_at", "last_used_at", "secret_access_key",
    ]  # fmt: skip
    assert (made["name"], made["org_id"], made["scopes"]) == (
        "backup",
        ann.org_id,
        ["storage:*:read", "storage:*:write"],
    )
    stored = sql("select secret from _reactor_storage.s3_credentials")[0][0]
    assert stored.startswith("vault:v1:")
    s3 = Signed(client, made)
    assert refused(s3.call("GET", "none?list-type=2")) == (404, "NoSuchBucket")
    (listed,) = ann.call("GET", "s3-credentials").json()["credentials"]
    assert listed["last_used_at"] is not None
    assert {name: made[name] for name in listed if name != "last_used_at"} == {
        name: value for name, value in listed.items() if name != "last_used_at"
    }
    assert bob.call("GET", "s3-credentials").json() == {"credentials": []}
    assert ann.colleague("*").call("GET", "s3-credentials").json() == {"credentials": []}
    frozen_clock.advance(hours=1)
    at(frozen_clock.now())
    assert error(s3.call("GET", "")) == NO_KEY
    other = Signed(client, ann.s3_key())
    assert other.call("GET", "").status_code == 200
    key = ann.call("GET", "s3-credentials").json()["credentials"][1]["id"]
    assert ann.call("DELETE", f"s3-credentials/{key}").status_code == 204
    assert error(other.call("GET", "")) == NO_KEY
    assert error(Signed(client, made | {"access_key_id": "RKNONE"}).call("GET", "")) == NO_KEY
    events = sql("select event_type, details ->> 'name' from _reactor_storage.audit_events order by ts")
    assert events == [
        ("s3_credential.create", "backup"),
        ("s3_credential.create", "a key"),
        ("s3_credential.revoke", None),
    ]


BAD_KEYS = [
    ({"name": " "}, 400, "invalid_request", "name must be 1 to 200 printable characters"),
    ({"name": "a", "scopes": []}, 400, "invalid_request", "scopes is empty"),
    ({"name": "a", "scopes": ["data:*"]}, 400, "invalid_request", "'data:*' is no permission of storage"),
    ({"name": "a", "scopes": ["storage:docs:write"]}, 403, "permission_denied", "you do not hold storage:docs:write"),
    ({"name": "a", "scopes": ["storage:*:read"]}, 403, "permission_denied", "you do not hold storage:*:read"),
    ({"name": "a", "scopes": ["*"]}, 403, "permission_denied", "you do not hold *"),
    ({"name": "a", "expires_at": "2001-01-01T00:00:00Z"}, 400, "invalid_request", "expires_at lies in the past"),
]


@pytest.mark.parametrize(("body", "status", "code", "message"), BAD_KEYS)
def test_keys_that_are_not_given(ann, body, status, code, message):
    answer = ann.colleague("storage:docs:read").call("POST", "s3-credentials", body=body).json()["error"]
    assert (answer["status"], answer["code"], answer["message"]) == (status, code, message)


def test_keys_need_a_caller(client):
    assert client.get("/storage/v1/s3-credentials").status_code == 401
    assert Member(client, permissions=("data:*",)).call("POST", "s3-credentials", body={"name": "a"}).status_code == 403


def test_the_region_where_one_is_set(wire):
    client = wire(s3_api_region="eu-west-9", s3_api_host="s3.test")
    ann = Member(client)
    key = ann.s3_key()
    wrong = Signed(client, key)
    assert error(wrong.call("GET", "")) == (
        400, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-west-9'",
    )  # fmt: skip
    s3 = Signed(client, key, "eu-west-9")
    body = b"<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>"
    assert error(s3.call("PUT", "docs", body)) == (400, "InvalidLocationConstraint", "the only region is eu-west-9")
    assert s3.call("PUT", "docs").status_code == 200
    assert "<LocationConstraint xmlns=" in s3.call("GET", "docs?location").text
    assert ">eu-west-9</LocationConstraint>" in s3.call("GET", "docs?location").text
    # Virtual style: the host names the bucket.
    virtual = "http://docs.s3.test:8000/storage/v1/s3"
    assert s3.send(s3.signed("PUT", "x/a", b"one", base=virtual)).status_code == 200
    assert s3.send(s3.signed("GET", "x/a", base=virtual)).content == b"one"
    assert "<Key>x/a</Key>" in s3.send(s3.signed("GET", "?list-type=2", base=virtual)).text
    assert s3.send(s3.signed("GET", "docs/x/a", base="http://s3.test/storage/v1/s3")).content == b"one"


POLICIES = """
create policy seen on storage.objects for select to reactor_authenticated using (key not like 'hidden/%');
create policy removable on storage.objects for delete to reactor_authenticated using (key not like 'kept/%');
"""


def test_policies_decide_on_each_object(s3, ann, kernel):
    for key in ("hidden/a", "kept/a", "open/a"):
        assert s3.call("PUT", f"docs/{key}", b"x").status_code == 200
    with kernel.database.begin() as tx:
        tx.connection.exec_driver_sql(POLICIES.replace("%", "%%"))
    assert refused(s3.call("GET", "docs/hidden/a")) == (404, "NoSuchKey")
    assert s3.call("HEAD", "docs/hidden/a").status_code == 404
    assert refused(s3.call("PUT", "docs/copy", x_amz_copy_source="/docs/hidden/a")) == (404, "NoSuchKey")
    assert refused(s3.call("PUT", "docs/hidden/a", b"y")) == (403, "AccessDenied")
    assert "hidden" not in s3.call("GET", "docs?list-type=2").text
    assert error(s3.call("DELETE", "docs/kept/a")) == (
        403, "AccessDenied",
        "a policy refuses to remove 'kept/a'. reactor data explain-access storage.objects shows which clause.",
    )  # fmt: skip
    names = "".join(f"<Object><Key>{key}/a</Key></Object>" for key in ("hidden", "kept", "open"))
    answer = s3.call("POST", "docs?delete", f"<Delete>{names}</Delete>".encode())
    assert "<Deleted><Key>hidden/a</Key></Deleted><Deleted><Key>open/a</Key></Deleted>" in answer.text
    assert "<Error><Key>kept/a</Key><Code>AccessDenied</Code>" in answer.text
    listed = s3.call("GET", "docs").text
    assert "<Key>kept/a</Key>" in listed
    assert "open/a" not in listed


def test_a_chosen_type_does_not_let_an_object_act_as_a_page(ann, s3, client):
    ann.put("docs/a", b"<script>", Content_Type="text/plain")
    answer = s3.call("GET", "docs/a?response-content-type=text%2Fhtml")
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["Content-Security-Policy"].endswith("sandbox")
    ann.bucket("open", public=True)
    ann.put("open/a", b"<script>", Content_Type="text/plain")
    assert refused(client.get(f"{BASE}/open/a?response-content-type=text/html")) == (400, "InvalidRequest")


def test_large_contents_wait_for_a_place_among_the_streams(kernel_factory, root):
    """A refusal for lack of a place says nothing of the contents, which caches and clients would believe."""
    config = {"storage": {"signing_secret": SECRET, "fs_base_path": "files"}, "server": {"max_streams": 1}}
    kernel = kernel_factory(TrustingAuth, StoragePlugin, config=config, root=root)
    transport = httpx.WSGITransport(app=kernel.app, raise_app_exceptions=True, remote_addr="127.0.0.1")
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        member = Member(client)
        member.bucket()
        content = bytes(17 * 1024 * 1024)
        member.put("docs/film", content, Cache_Control="public, max-age=31536000")
        s3 = Signed(client, member.s3_key())
        of_contents = {"etag", "last-modified", "cache-control", "accept-ranges", "content-encoding"}
        with client.stream("GET", f"{member.prefix}/object/docs/film", headers=member.headers) as first:
            assert (first.status_code, of_contents & {*first.headers}) == (200, of_contents - {"content-encoding"})
            plain, of_s3 = member.get("docs/film"), s3.call("GET", "docs/film")
        assert (plain.status_code, plain.json()["error"]["message"]) == (503, "too many open streams")
        assert error(of_s3) == (503, "ServiceUnavailable", "too many open streams")
        for answer in (plain, of_s3):
            assert (of_contents & {*answer.headers}, answer.headers["Retry-After"]) == (set(), "1")
        assert s3.call("GET", "docs/film").content == content
