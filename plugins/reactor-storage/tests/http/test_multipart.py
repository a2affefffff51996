"""Uploads in parts by id."""

from __future__ import annotations

import hashlib

import pytest

MIB = 1024 * 1024
PARTS = [b"a" * (5 * MIB), b"b" * (5 * MIB), b"c" * 10]


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def begin(member, key="docs/a%2Fb.bin", **body):
    answer = member.call("POST", f"upload/{key}", body=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["upload_id"]


def send(member, upload, number, content, key="docs/a%2Fb.bin"):
    return member.call("PUT", f"upload/{key}/part?upload_id={upload}&part_number={number}", body=content)


def complete(member, upload, parts, key="docs/a%2Fb.bin", **headers):
    listed = [{"part_number": number, "etag": etag} for number, etag in parts]
    return member.call("POST", f"upload/{key}/complete?upload_id={upload}", body={"parts": listed}, **headers)


def test_an_object_in_parts(ann, files):
    ann.bucket()
    upload = begin(ann, content_type="video/mp4")
    etags = [(number, send(ann, upload, number, content).headers["ETag"]) for number, content in enumerate(PARTS, 1)]
    assert ann.get("docs/a/b.bin").status_code == 404
    answer = complete(ann, upload, etags)
    whole = b"".join(PARTS)
    assert (answer.status_code, answer.json()["key"], answer.json()["size"]) == (200, "a/b.bin", len(whole))
    assert answer.json()["etag"] == f'"{hashlib.sha256(whole).hexdigest()}"'
    read = ann.get("docs/a/b.bin")
    assert (read.content == whole, read.headers["Content-Type"]) == (True, "video/mp4")
    assert len(files()) == 1
    assert code(complete(ann, upload, etags)) == (404, "multipart_not_found")


def test_the_spelling_of_a_readme(ann):
    ann.bucket()
    upload = begin(ann)
    etag = ann.call("PUT", f"upload/docs/a%2Fb.bin/part?uploadId={upload}&partNumber=1", body=b"x").json()["etag"]
    assert complete(ann, upload, [(1, etag)]).status_code == 200


def test_what_is_refused_leaves_the_upload_open(ann, files):
    ann.bucket()
    upload = begin(ann)
    one, two = (send(ann, upload, number, b"x" * number).json()["etag"] for number in (1, 2))
    for parts, refusal in (
        ([(1, one), (2, two)], (400, "part_too_small")),
        ([(2, two), (1, one)], (400, "invalid_part")),
        ([(1, two)], (400, "invalid_part")),
        ([(3, one)], (400, "invalid_part")),
        ([], (400, "invalid_request")),
    ):
        assert code(complete(ann, upload, parts)) == refusal, parts
    again = send(ann, upload, 1, b"again").json()["etag"]
    assert len(files()) == 2
    assert complete(ann, upload, [(1, again)]).status_code == 200
    assert ann.get("docs/a/b.bin").content == b"again"
    assert len(files()) == 1


@pytest.mark.parametrize("number", ["0", "10001", "-1", "x", "1.5"])
def test_numbers_of_parts(ann, number):
    ann.bucket()
    assert code(send(ann, begin(ann), number, b"x")) == (400, "invalid_request")


def test_uploads_of_others_and_of_other_keys(ann, bob, files):
    ann.bucket()
    bob.bucket()
    upload = begin(ann)
    etag = send(ann, upload, 1, b"x").json()["etag"]
    assert code(send(bob, upload, 1, b"y")) == (404, "multipart_not_found")
    assert code(complete(bob, upload, [(1, etag)])) == (404, "multipart_not_found")
    assert code(send(ann, upload, 2, b"y", key="docs/other")) == (404, "multipart_not_found")
    assert code(ann.call("PUT", "upload/docs/a/part?upload_id=no&part_number=1", body=b"x")) == (400, "invalid_request")
    assert code(send(ann.colleague("storage:docs:read"), upload, 1, b"y")) == (403, "permission_denied")
    assert len(files()) == 1


def test_aborting_drops_the_parts(ann, files):
    ann.bucket()
    upload = begin(ann)
    send(ann, upload, 1, b"x")
    assert len(files()) == 1
    assert ann.call("DELETE", f"upload/docs/a%2Fb.bin/abort?upload_id={upload}").status_code == 204
    assert files() == []
    assert code(send(ann, upload, 1, b"x")) == (404, "multipart_not_found")


def test_policies_and_limits_are_those_of_the_object(ann, kernel):
    ann.bucket(allowed_mime_types=["image/*"], file_size_limit=3)
    assert code(ann.call("POST", "upload/docs/a", body={"content_type": "text/plain"})) == (
        415,
        "mime_type_not_allowed",
    )
    upload = begin(ann, "docs/a", content_type="image/png")
    etag = send(ann, upload, 1, b"1234", key="docs/a").json()["etag"]
    assert code(complete(ann, upload, [(1, etag)], key="docs/a")) == (413, "object_too_large")
    with kernel.database.begin() as tx:
        tx.connection.exec_driver_sql(
            "create policy w on storage.objects for insert to reactor_authenticated with check (false)"
        )
    assert code(ann.call("POST", "upload/docs/a", body={"content_type": "image/png"})) == (403, "policy_denied")
