"""Texts of bodies that become headers of answers: what no header can carry is refused before it is kept."""

from __future__ import annotations

import base64

import pytest

LONG = "a" * 1025
BAD = {
    "a header more": "text/plain\r\nSet-Cookie: a=b",
    "an escape": "text/\x1b[0m",
    "the euro": "text/\u20ac",
    "long": LONG,
}


def tus(member, **named):
    names = {"bucketName": "docs", "objectName": "a", **named}
    said = ",".join(f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in names.items())
    sent = {"Tus_Resumable": "1.0.0", "Upload_Length": "0", "Upload_Metadata": said}
    return member.call("POST", "upload/resumable", **sent)


def form(member, **fields):
    return member.client.post(
        "/storage/v1/object/docs/a", files={"": b"content"}, data=fields, headers=member.headers | {"X-Upsert": "true"}
    )


def begin(member, contentType):
    return member.call("POST", "upload/docs/a", body={"content_type": contentType})


@pytest.mark.parametrize("send", [tus, form])
@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
@pytest.mark.parametrize(("field", "what"), [("contentType", "content type"), ("cacheControl", "Cache-Control")])
def test_it_is_not_kept(ann, sql, files, send, field, what, text):
    ann.bucket()
    answer = send(ann, **{field: text})
    refused(answer, what, text)
    assert ann.get("docs/a").status_code == 404
    assert sql("select count(*) from _reactor_storage.multipart_uploads") == [("0",)]
    assert files() == []


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_nor_at_the_beginning_of_an_upload_in_parts(ann, sql, text):
    ann.bucket()
    refused(begin(ann, text), "content type", text)
    assert sql("select count(*) from _reactor_storage.multipart_uploads") == [("0",)]


@pytest.mark.parametrize("send", [tus, form])
def test_what_a_header_can_carry_is_said_again(ann, send):
    ann.bucket()
    said = {"contentType": 'text/plain; charset="utf-8"', "cacheControl": "public, max-age=60"}
    assert send(ann, **said).status_code in (200, 201)
    read = ann.get("docs/a")
    assert (read.headers["Content-Type"], read.headers["Cache-Control"]) == tuple(said.values())


def refused(answer, what, text):
    error = answer.json()["error"]
    problem = "is longer than 1024 characters" if text == LONG else "holds a character that no header can carry"
    assert (answer.status_code, error["code"], error["message"]) == (400, "invalid_request", f"the {what} {problem}")
