"""Objects over HTTP: store, read, list, remove."""

from __future__ import annotations

import hashlib

import pytest


def test_what_is_stored_is_read(ann, files, stored_on):
    ann.bucket()
    answer = ann.call("PUT", "object/docs/a/hello.txt", body=b"Hello", Content_Type="text/plain")
    etag = f'"{hashlib.sha256(b"Hello").hexdigest()}"'
    assert (answer.status_code, answer.headers["ETag"]) == (200, etag)
    stored = answer.json()
    assert (stored["key"], stored["etag"], stored["size"], stored["Key"]) == (
        "a/hello.txt",
        etag,
        5,
        "docs/a/hello.txt",
    )
    read = ann.get("docs/a/hello.txt")
    assert (read.status_code, read.content, read.headers["Content-Type"]) == (200, b"Hello", "text/plain")
    assert read.headers["ETag"] == etag
    assert read.headers["Accept-Ranges"] == "bytes"
    assert read.headers["Content-Length"] == "5"
    head = ann.call("HEAD", "object/docs/a/hello.txt")
    assert head.status_code == 200
    ignored = {"date", "x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in ignored} == {
        k: v for k, v in read.headers.items() if k not in ignored
    }
    digest = hashlib.sha256(b"Hello").hexdigest()
    [file] = files()
    assert "hello" not in file
    assert stored_on != "fs" or file == f"blobs/{digest[:2]}/{digest[2:4]}/{digest}"


def test_a_new_content_replaces_the_old_and_its_bytes(ann, files, sql):
    ann.bucket()
    first = ann.put("docs/a", b"one")
    second = ann.put("docs/a", b"two")
    assert first["id"] == second["id"]
    assert first["version_id"] != second["version_id"]
    assert ann.get("docs/a").content == b"two"
    assert len(files()) == 1
    assert sql("select count(*) from _reactor_storage.versions") == [("1",)]


def test_equal_contents_are_kept_as_long_as_one_needs_them(ann, files, stored_on):
    ann.bucket()
    ann.put("docs/a", b"same")
    ann.put("docs/b", b"same")
    assert len(files()) == (1 if stored_on == "fs" else 2)
    assert ann.call("DELETE", "object/docs/a").status_code == 204
    assert ann.get("docs/b").content == b"same"
    assert ann.call("DELETE", "object/docs/b").status_code == 204
    assert files() == []


def test_an_object_that_is_not_there(ann):
    ann.bucket()
    for method in ("GET", "DELETE"):
        answer = ann.call(method, "object/docs/nothing")
        assert answer.status_code == 404
        error = answer.json()["error"]
        assert error["code"] == "object_not_found"
        assert error["message"] == "there is no object 'nothing' in the bucket 'docs'"
        assert error["details"] == {"bucket": "docs", "key": "nothing"}
    missing = ann.get("other/nothing")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "bucket_not_found")


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("a//b", "holds an empty segment"),
        ("a\\b", r"holds the character \\, which is not allowed"),
        ("a%01b", r"holds the character \x01, which is not allowed"),
        ("x" * 1025, "is longer than 1024 bytes"),
        ("%C3%A4" * 513, "is longer than 1024 bytes"),
    ],
)
def test_keys_that_are_refused(ann, files, key, says):
    ann.bucket()
    answer = ann.call("PUT", f"object/docs/{key}", body=b"x")
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "invalid_key"
    assert says in answer.json()["error"]["message"]
    assert files() == []


@pytest.mark.parametrize("key", ["../secret", "a/../../b", "%2e%2e/secret", "a/%2E%2E/b", "%2E/a", "a%00b"])
def test_paths_that_climb_or_are_no_text_reach_nothing(ann, files, key):
    ann.bucket()
    answer = ann.client.request("PUT", f"/storage/v1/object/docs/{key}", content=b"x", headers=ann.headers)
    assert answer.status_code in (400, 404, 405), answer.text
    assert files() == []


def test_a_key_is_kept_as_it_was_sent(ann):
    ann.bucket()
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    ann.put(f"docs/{composed}", b"one")
    ann.put(f"docs/{decomposed}", b"two")
    assert (ann.get(f"docs/{composed}").content, ann.get(f"docs/{decomposed}").content) == (b"one", b"two")
    assert ann.get("docs/CAFÉ").status_code == 404


def test_a_folder_marker_holds_no_bytes(ann):
    ann.bucket()
    ann.put("docs/a/", b"")
    answer = ann.call("PUT", "object/docs/b/", body=b"x")
    assert answer.status_code == 413
    assert answer.json()["error"]["message"] == "'b/' names a folder, which holds no bytes"


def test_limits_of_a_bucket(ann, files):
    ann.bucket(file_size_limit=4, allowed_mime_types=["image/*", "text/plain"])
    ann.put("docs/a", b"1234", Content_Type="image/png")
    long = ann.call("PUT", "object/docs/b", body=b"12345", Content_Type="text/plain; charset=utf-8")
    assert (long.status_code, long.json()["error"]["code"]) == (413, "object_too_large")
    assert long.json()["error"]["message"] == "the bucket 'docs' accepts objects of up to 4 bytes"
    kind = ann.call("PUT", "object/docs/b", body=b"1", Content_Type="application/pdf")
    assert (kind.status_code, kind.json()["error"]["code"]) == (415, "mime_type_not_allowed")
    assert len(files()) == 1


def test_a_body_over_the_limit_of_the_server(wire):
    from ..conftest import Member

    ann = Member(wire(max_upload_size=10))
    ann.bucket()
    ann.put("docs/a", b"1234567890")
    answer = ann.call("PUT", "object/docs/a", body=b"12345678901")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")
    assert ann.get("docs/a").content == b"1234567890"


@pytest.mark.parametrize(
    ("header", "right", "wrong"),
    [
        ("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==", "XUFAKrxLKna5cZ2REBfFkA=="),
        (
            "Digest",
            "sha-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
            "sha-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCA=",
        ),
        (
            "Repr-Digest",
            "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:",
            "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCA=:",
        ),
        (
            "x-amz-checksum-sha256",
            "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
            "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCA=",
        ),
    ],
)
def test_a_checksum_is_checked(ann, files, header, right, wrong):
    ann.bucket()
    ann.put("docs/a", b"hello", **{header: right})
    answer = ann.call("PUT", "object/docs/a", body=b"hello", **{header: wrong})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "checksum_mismatch")
    garbled = ann.call(
        "PUT", "object/docs/a", body=b"hello", **{header: "sha-256=:AAAA:" if "Repr" in header else "sha-256=AAAA"}
    )
    assert (garbled.status_code, garbled.json()["error"]["code"]) == (400, "invalid_request")
    assert len(files()) == 1


def test_a_form_cannot_name_its_type_after_the_check(ann, files):
    ann.bucket(allowed_mime_types=["image/*"])
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\nbytes\r\n'
        b'--x\r\nContent-Disposition: form-data; name="contentType"\r\n\r\ntext/html\r\n--x--\r\n'
    )
    refused = ann.call("POST", "object/docs/a.png", body=form, Content_Type="multipart/form-data; boundary=x")
    assert (refused.status_code, refused.json()["error"]["code"]) == (415, "mime_type_not_allowed")
    assert (ann.get("docs/a.png").status_code, files()) == (404, [])


def test_metadata_and_cache_control_come_back(ann):
    ann.bucket()
    ann.put("docs/a", b"x", X_Metadata="eyJhIjogMX0=", Cache_Control="max-age=60")
    assert ann.get("docs/a").headers["Cache-Control"] == "max-age=60"
    (found,) = ann.call("GET", "buckets/docs/objects").json()["objects"]
    assert (found["metadata"], found["cache_control"]) == ({"a": 1}, "max-age=60")
    bad = ann.call("PUT", "object/docs/a", body=b"x", X_Metadata="no")
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "media_type",
    [
        "text/html", "TEXT/HTML ; charset=utf-8", "text/plain, text/html", "text/plain;a=b,text/html", "image/svg+xml",
        "application/atom+xml", "text/xml", "multipart/x-mixed-replace; boundary=x", "no type at all", "text/html;image/png",
    ],
)  # fmt: skip
def test_pages_do_not_run_scripts_on_this_origin(ann, media_type):
    ann.bucket()
    ann.put("docs/a", b"<script>", Content_Type=media_type)
    answer = ann.get("docs/a")
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Security-Policy"].endswith("sandbox")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("media_type", ["image/png", "text/plain; charset=utf-8", "video/mp4", "application/pdf"])
def test_what_runs_nothing_is_shown_as_it_is(ann, media_type):
    ann.bucket()
    ann.put("docs/a", b"x", Content_Type=media_type)
    assert "Content-Security-Policy" not in ann.get("docs/a").headers


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("?download", 'attachment; filename="my file.txt"'),
        ("?download=other.txt", 'attachment; filename="other.txt"'),
        ("?download=%E2%82%AC%22.txt", "attachment; filename=\"__.txt\"; filename*=UTF-8''%E2%82%AC%22.txt"),
        ("?download=a%0d%0aX:%20y", "attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
    ],
)
def test_a_download_is_saved_under_a_name(ann, query, value):
    ann.bucket()
    ann.put("docs/b/my file.txt")
    assert ann.get(f"docs/b/my%20file.txt{query}").headers["Content-Disposition"] == value
