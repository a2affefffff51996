"""S3 down, slow, wrong or away, seen over HTTP: the contract's code, nothing half written, and no restart needed afterwards."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from xml.etree import ElementTree

import httpx
import pytest

from reactor_kernel.testing import ADMIN_TOKEN

from ..conftest import Member
from ..s3_server import S3Server

pytestmark = pytest.mark.thorough

MIB = 1024 * 1024
LARGE = bytes(range(256)) * (12 * MIB // 256)


@pytest.fixture
def stored_on():
    return "s3"


@pytest.fixture
def kernel(boot, proxy, frozen_clock):
    # What is younger than a day is left to its upload, and a day passes when `frozen_clock` says so.
    frozen_clock.set(datetime.now(UTC))
    return boot(s3_endpoint=proxy.url, s3_timeout_secs=1, sweep_every_secs=1)


def refused(answer):
    error = answer.json()["error"]
    assert answer.json()["ok"] is False
    return answer.status_code, error["code"], error["message"]


UNAVAILABLE = (503, "unavailable", "the content could not be kept or read; nothing was changed")
FAILED = (500, "internal_error", "the content could not be kept or read; nothing was changed")


def keys(member):
    return [one["key"] for one in member.call("GET", "buckets/docs/objects").json()["objects"]]


def health(client):
    answer = client.get("/health")
    [found] = [one for one in answer.json()["capabilities"] if one["name"] == "storage"]
    return answer.status_code, found.get("error")


def probed(client):
    answer = client.get("/_admin/doctor", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    [found] = [one for one in answer.json()["checks"] if one["name"].endswith("storage: backend")]
    return found


def test_s3_is_down_and_comes_back(ann, proxy, in_bucket):
    ann.bucket()
    ann.put("docs/there", b"content")
    before = in_bucket()
    proxy.fail("down")
    for answer in (
        ann.call("PUT", "object/docs/new", body=b"new"),
        ann.call("PUT", "object/docs/there", body=b"other"),
        ann.call("POST", "object/docs/new", body=b"new"),
        ann.get("docs/there"),
        ann.get("docs/there", Range="bytes=0-2"),
    ):
        assert refused(answer) == UNAVAILABLE
        assert answer.headers["Retry-After"] == "5"
        assert "ETag" not in answer.headers
        assert "Content-Range" not in answer.headers
    assert keys(ann) == ["there"]
    assert ann.call("HEAD", "object/docs/there").status_code == 200
    proxy.mend()
    assert ann.get("docs/there").content == b"content"
    assert in_bucket() == before
    ann.put("docs/new", b"new")
    assert keys(ann) == ["new", "there"]


def test_s3_does_not_answer(ann, proxy):
    ann.bucket()
    proxy.fail("silent")
    assert refused(ann.call("PUT", "object/docs/new", body=b"new")) == UNAVAILABLE
    proxy.mend()
    assert ann.get("docs/new").status_code == 404
    ann.put("docs/new", b"new")


def test_an_object_is_removed_while_s3_is_down_and_its_content_by_the_sweep(
    ann, proxy, in_bucket, frozen_clock, live_server
):
    ann.bucket()
    ann.put("docs/a", b"content")
    proxy.fail("down")
    assert ann.call("DELETE", "object/docs/a").status_code == 204
    assert ann.get("docs/a").status_code == 404
    assert len(in_bucket()) == 1
    proxy.mend()
    until(lambda: in_bucket() == [])


def test_one_outage_is_waited_for_once(ann, proxy, in_bucket, caplog):
    ann.bucket()
    names = [str(number) for number in range(12)]
    for name in names:
        ann.put(f"docs/{name}", b"content")
    proxy.fail("down")
    gone = ann.call("DELETE", "object/docs", body={"prefixes": names}).json()
    assert len(gone) == 12
    said = [one.getMessage() for one in caplog.records if "until the next sweep" in one.getMessage()]
    host = proxy.url.removeprefix("http://")
    reason = f"S3 at {host} cannot be reached to remove a content: ConnectionClosedError"
    assert said == [f"12 contents stay until the next sweep: {reason}"]
    assert len(in_bucket()) == 12
    proxy.mend()
    swept = ann.client.post("/storage/v1/_admin/gc", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert (swept.json()["unreferenced"], in_bucket()) == (12, [])


def test_what_broken_uploads_leave_is_swept_after_a_day_and_nothing_else(
    ann, proxy, in_bucket, frozen_clock, live_server
):
    ann.bucket()
    ann.put("docs/small", b"small")
    ann.put("docs/large", LARGE)
    kept = in_bucket()

    proxy.cut("up", 3 * MIB, then_down=True)
    assert refused(ann.call("PUT", "object/docs/large", body=LARGE + b"more")) == UNAVAILABLE
    proxy.mend()
    left = [name for name in in_bucket() if name not in kept]
    assert [name.partition(" of ")[0] for name in left] == ["upload"]
    frozen_clock.advance(hours=25)
    until(lambda: in_bucket() == kept)
    assert (ann.get("docs/small").content, ann.get("docs/large").content) == (b"small", LARGE)


def test_parts_are_refused_and_the_upload_goes_on_afterwards(ann, proxy):
    ann.bucket()
    upload = ann.call("POST", "upload/docs/a", body={}).json()["upload_id"]
    place = f"upload/docs/a/part?upload_id={upload}"
    one = ann.call("PUT", f"{place}&part_number=1", body=LARGE[: 5 * MIB]).json()["etag"]
    proxy.fail("down")
    assert refused(ann.call("PUT", f"{place}&part_number=2", body=b"end")) == UNAVAILABLE
    proxy.mend()
    two = ann.call("PUT", f"{place}&part_number=2", body=b"end").json()["etag"]
    parts = {"parts": [{"part_number": 1, "etag": one}, {"part_number": 2, "etag": two}]}
    complete = f"upload/docs/a/complete?upload_id={upload}"
    proxy.fail("down")
    assert refused(ann.call("POST", complete, body=parts)) == UNAVAILABLE
    assert ann.get("docs/a").status_code == 404
    proxy.mend()
    assert ann.call("POST", complete, body=parts).status_code == 200
    assert ann.get("docs/a").content == LARGE[: 5 * MIB] + b"end"


def test_a_download_that_breaks_off_does_not_look_whole(ann, proxy, live_server):
    ann.bucket()
    ann.put("docs/a", LARGE)
    address = f"{live_server.url}/storage/v1/object/docs/a"
    proxy.cut("down", 3 * MIB)
    assert httpx.get(address, headers=ann.headers).content == LARGE
    proxy.cut("down", MIB, times=99)
    with httpx.stream("GET", address, headers=ann.headers) as answer:
        assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(len(LARGE)))
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
    proxy.mend()
    assert httpx.get(address, headers=ann.headers).content == LARGE


def test_clients_of_the_s3_endpoint_are_told_in_its_words(ann, proxy):
    from ..s3.conftest import Signed

    ann.bucket()
    signed = Signed(ann.client, ann.s3_key())
    proxy.fail("down")
    answer = signed.call("PUT", "docs/a", b"content")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert ElementTree.fromstring(answer.content).findtext("Code") == "ServiceUnavailable"
    proxy.mend()
    assert signed.call("PUT", "docs/a", b"content").status_code == 200


def test_doctor_and_health_say_so_and_recover(client, proxy, kernel):
    assert probed(client)["message"] == "s3: a content was written, read and removed"
    assert health(client) == (200, None)
    proxy.fail("down")
    host = proxy.url.removeprefix("http://")
    reason = f"s3: S3 at {host} cannot be reached to write a content: ConnectionClosedError"
    assert probed(client)["message"] == reason
    ill = (503, "contents cannot be kept or read on s3; see reactor doctor")
    until(lambda: health(client) == ill, 40)
    proxy.mend()
    assert probed(client)["message"] == "s3: a content was written, read and removed"
    until(lambda: health(client) == (200, None))


def test_a_bucket_that_is_missing_is_named_until_it_is_there(boot, s3_server, caplog):
    kernel = boot(s3_bucket="reactor-missing")
    with httpx.Client(transport=httpx.WSGITransport(app=kernel.app), base_url="http://reactor.test") as client:
        ann = Member(client)
        ann.bucket()
        assert refused(ann.call("PUT", "object/docs/a", body=b"content")) == FAILED
        said = probed(client)["message"]
        host = s3_server.url.removeprefix("http://")
        refusal = f"S3 at {host} refuses to write a content in the bucket 'reactor-missing': NoSuchBucket (404)"
        assert said == f"s3: {refusal}; make the bucket, or correct [storage] s3_bucket"
        assert refusal in caplog.text
        assert keys(ann) == []
        s3_server.client.create_bucket(
            Bucket="reactor-missing", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        ann.put("docs/a", b"content")
        assert ann.get("docs/a").content == b"content"


def test_wrong_credentials_are_a_failure_that_names_none(boot, monkeypatch, caplog, s3_settings):
    strict = S3Server()
    try:
        bucket = strict.bucket()
        httpx.post(f"{strict.url}/moto-api/reset-auth", content=b"0").raise_for_status()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONGWRONGWRONG1")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-nobody-sees")
        kernel = boot(s3_endpoint=strict.url, s3_bucket=bucket)
        with httpx.Client(transport=httpx.WSGITransport(app=kernel.app), base_url="http://reactor.test") as client:
            ann = Member(client)
            ann.bucket()
            answer = ann.call("PUT", "object/docs/a", body=b"content")
            assert refused(answer) == FAILED
            said = probed(client)["message"]
            assert said.endswith("InvalidAccessKeyId (403); check AWS_ACCESS_KEY_ID or the profile")
            assert keys(ann) == []
            for text in (answer.text, said, caplog.text):
                assert "nobody-sees" not in text
                assert "AKIAWRONG" not in text
    finally:
        strict.stop()


def until(condition, seconds=20):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"did not become true within {seconds} s"
        time.sleep(0.2)
