"""What TUS 1.0.0 says, extension by extension."""

from __future__ import annotations

import hashlib
from email.utils import parsedate_to_datetime

import pytest

from .conftest import BODY, Tus, code, digest, metadata, named


def test_what_the_server_can_do(client):
    answer = client.options("/storage/v1/upload/resumable")
    assert answer.status_code == 204
    told = {name: text for name, text in answer.headers.items() if name.startswith("tus-")}
    assert told == {
        "tus-resumable": "1.0.0",
        "tus-version": "1.0.0",
        "tus-extension": "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation",
        "tus-max-size": str(5 * 1024**4),
        "tus-checksum-algorithm": "sha1,sha256,md5",
    }
    assert client.options("/storage/v1/upload/resumable/any").headers["Tus-Version"] == "1.0.0"


def test_an_object_in_three_requests(tus, ann, files, sql):
    said = named("a/b.bin", contentType="video/mp4", cacheControl="60", metadata='{"a": [1]}', other="x")
    answer = tus.call("POST", Upload_Length="10", Upload_Metadata=said)
    path = answer.headers["Location"]
    assert (answer.status_code, answer.headers["Upload-Offset"], answer.content) == (201, "0", b"")
    assert path.startswith("/storage/v1/upload/resumable/")
    for offset, piece in ((0, b"0123"), (4, b"456"), (7, b"789")):
        assert ann.get("docs/a/b.bin").status_code == 404
        assert tus.offset(path) == offset
        done = tus.patch(path, offset, piece)
        assert (done.status_code, done.headers["Upload-Offset"]) == (204, str(offset + len(piece)))
        assert done.headers["Tus-Resumable"] == "1.0.0"
    read = ann.get("docs/a/b.bin")
    assert (read.content, read.headers["Content-Type"], read.headers["Cache-Control"]) == (
        b"0123456789",
        "video/mp4",
        "max-age=60",
    )
    assert read.headers["ETag"] == f'"{hashlib.sha256(b"0123456789").hexdigest()}"'
    assert ann.call("GET", "object/info/docs/a/b.bin").json()["metadata"] == {"a": [1]}
    assert len(files()) == 1
    assert sql("select count(*) from _reactor_storage.multipart_parts") == [("0",)]
    events = sql(
        "select event_type from _reactor_storage.audit_events where object_key = 'a/b.bin' order by event_type"
    )
    assert events == [("multipart.complete",), ("multipart.create",), ("object.put",)]


def test_the_state_is_told_by_head(tus):
    said = named("ü", other="x")
    path = tus.call("POST", Upload_Length="5", Upload_Metadata=said).headers["Location"]
    assert tus.patch(path, 0, b"12").status_code == 204
    state = tus.call("HEAD", path)
    told = {
        name: state.headers.get(name) for name in ("Upload-Offset", "Upload-Length", "Upload-Metadata", "Cache-Control")
    }
    assert told == {"Upload-Offset": "2", "Upload-Length": "5", "Upload-Metadata": said, "Cache-Control": "no-store"}
    assert (state.status_code, state.content, state.headers["Tus-Resumable"]) == (200, b"", "1.0.0")
    assert "Upload-Defer-Length" not in state.headers
    assert "Upload-Concat" not in state.headers
    parsedate_to_datetime(state.headers["Upload-Expires"])


def test_a_client_that_lost_the_last_answer_finds_it_complete(tus, ann):
    path = tus.begin(3)
    assert tus.patch(path, 0, b"123").status_code == 204
    state = tus.call("HEAD", path)
    assert (state.headers["Upload-Offset"], state.headers["Upload-Length"]) == ("3", "3")
    assert "Upload-Expires" not in state.headers
    assert tus.patch(path, 3, b"").status_code == 204
    assert code(tus.patch(path, 0, b"123")) == (409, "offset_mismatch")
    assert code(tus.patch(path, 3, b"4")) == (413, "object_too_large")
    assert tus.call("DELETE", path).status_code == 204
    assert tus.call("HEAD", path).status_code == 404
    assert ann.get("docs/a/b.bin").content == b"123"


def test_bytes_with_the_creation(tus, ann):
    body = {"Content_Type": BODY, "Upload_Metadata": named()}
    answer = tus.call("POST", body=b"12", Upload_Length="4", **body)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "2")
    assert tus.patch(answer.headers["Location"], 2, b"34").status_code == 204
    assert ann.get("docs/a/b.bin").content == b"1234"
    again = tus.call("POST", body=b"56", Upload_Length="2", X_Upsert="true", **body)
    assert (again.status_code, again.headers["Upload-Offset"]) == (201, "2")
    assert ann.get("docs/a/b.bin").content == b"56"


def test_an_empty_object_needs_no_patch(tus, ann):
    path = tus.begin(0)
    assert tus.offset(path) == 0
    assert ann.get("docs/a/b.bin").content == b""


def test_a_folder_holds_no_bytes(tus, ann):
    assert code(tus.call("POST", Upload_Length="1", Upload_Metadata=named("f/"))) == (413, "object_too_large")
    tus.begin(0, "f/")
    assert ann.get("docs/f/").status_code == 200


def test_the_length_may_come_later(tus, ann):
    path = tus.begin(None)
    assert tus.patch(path, 0, b"12").status_code == 204
    state = tus.call("HEAD", path)
    assert (state.headers["Upload-Defer-Length"], "Upload-Length" in state.headers) == ("1", False)
    assert code(tus.patch(path, 2, b"", Upload_Length="1")) == (400, "invalid_request")
    assert tus.patch(path, 2, b"", Upload_Length="5").status_code == 204
    assert tus.call("HEAD", path).headers["Upload-Length"] == "5"
    assert code(tus.patch(path, 2, b"3", Upload_Length="6")) == (400, "invalid_request")
    assert code(tus.patch(path, 2, b"3456")) == (413, "object_too_large")
    assert tus.patch(path, 2, b"345", Upload_Length="5").status_code == 204
    assert ann.get("docs/a/b.bin").content == b"12345"


def test_the_length_may_come_behind_the_last_byte(tus, ann, files):
    path = tus.begin(None)
    assert tus.patch(path, 0, b"12").status_code == 204
    assert tus.patch(path, 2, b"34").status_code == 204
    assert tus.patch(path, 4, b"", Upload_Length="4").status_code == 204
    assert ann.get("docs/a/b.bin").content == b"1234"
    assert len(files()) == 1


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
def test_checksums(tus, ann, files, algorithm):
    path = tus.begin(4)
    assert tus.patch(path, 0, b"12", Upload_Checksum=digest(algorithm, b"12")).status_code == 204
    wrong = tus.patch(path, 2, b"34", Upload_Checksum=digest(algorithm, b"43"))
    assert (code(wrong), wrong.headers["Tus-Resumable"]) == ((460, "checksum_mismatch"), "1.0.0")
    assert tus.offset(path) == 2
    assert len(files()) == 1
    assert ann.get("docs/a/b.bin").status_code == 404
    assert tus.patch(path, 2, b"34", Upload_Checksum=digest(algorithm, b"34")).status_code == 204
    assert ann.get("docs/a/b.bin").content == b"1234"


def test_a_wrong_checksum_at_the_creation_leaves_nothing(tus, files, sql):
    body = {"Content_Type": BODY, "Upload_Metadata": named(), "Upload_Length": "4"}
    answer = tus.call("POST", body=b"12", Upload_Checksum=digest("sha1", b"21"), **body)
    assert code(answer) == (460, "checksum_mismatch")
    assert files() == []
    assert sql("select count(*) from _reactor_storage.multipart_uploads") == [("0",)]


def test_termination_drops_the_bytes(tus, files):
    path = tus.begin(4)
    assert tus.patch(path, 0, b"12").status_code == 204
    assert len(files()) == 1
    answer = tus.call("DELETE", path)
    assert (answer.status_code, answer.headers["Tus-Resumable"]) == (204, "1.0.0")
    assert files() == []
    assert code(tus.patch(path, 2, b"34")) == (404, "upload_not_found")
    assert tus.call("HEAD", path).status_code == 404
    assert code(tus.call("DELETE", path)) == (404, "upload_not_found")


def test_partial_uploads_become_one_object(tus, ann, files):
    parts = []
    for content in (b"12", b"", b"345"):
        path = tus.begin(len(content), Upload_Metadata=None, Upload_Concat="partial")
        if content:
            assert tus.patch(path, 0, content).status_code == 204
        parts.append(path)
    state = tus.call("HEAD", parts[0])
    assert (state.headers["Upload-Concat"], state.headers["Upload-Offset"]) == ("partial", "2")
    urls = f"{parts[2]} http://reactor.test{parts[0]} {parts[1]} {parts[0]}"
    answer = tus.call("POST", Upload_Concat=f"final;{urls}", Upload_Metadata=named(contentType="text/plain"))
    assert answer.status_code == 201, answer.text
    read = ann.get("docs/a/b.bin")
    assert (read.content, read.headers["Content-Type"]) == (b"3451212", "text/plain")
    state = tus.call("HEAD", answer.headers["Location"])
    told = [state.headers[name] for name in ("Upload-Concat", "Upload-Offset", "Upload-Length")]
    assert told == [f"final;{urls}", "7", "7"]
    assert code(tus.patch(answer.headers["Location"], 7, b"")) == (403, "upload_is_final")
    assert [tus.call("HEAD", path).status_code for path in parts] == [404, 404, 404]
    assert len(files()) == 1


def test_what_cannot_be_concatenated(tus, ann, files):
    partial = tus.begin(2, Upload_Metadata=None, Upload_Concat="partial")
    assert tus.patch(partial, 0, b"1").status_code == 204
    whole = tus.begin(2, "whole")
    for url, refusal in (
        (partial, (400, "invalid_concatenation")),
        (whole, (400, "invalid_concatenation")),
        ("/storage/v1/upload/resumable/019213f5-0000-7000-8000-000000000001", (404, "upload_not_found")),
        ("https://example.com/else", (400, "invalid_request")),
    ):
        answer = tus.call("POST", Upload_Concat=f"final;{url}", Upload_Metadata=named())
        assert code(answer) == refusal, url
    assert tus.patch(partial, 1, b"2").status_code == 204
    ann.put("docs/a/b.bin")
    final = {"Upload_Concat": f"final;{partial}", "Upload_Metadata": named()}
    assert code(tus.call("POST", **final)) == (409, "object_exists")
    assert tus.call("POST", X_Upsert="true", **final).status_code == 201
    assert code(tus.call("POST", X_Upsert="true", **final)) == (404, "upload_not_found")
    assert ann.get("docs/a/b.bin").content == b"12"


def test_a_method_that_a_proxy_does_not_let_through(tus, ann):
    path = tus.begin(3)
    sent = {"X_HTTP_Method_Override": "PATCH", "Upload_Offset": "0", "Content_Type": BODY}
    assert tus.call("POST", path, body=b"12", **sent).status_code == 204
    state = tus.call("POST", path, X_HTTP_Method_Override="HEAD")
    assert (state.status_code, state.headers["Upload-Offset"]) == (200, "2")
    assert code(tus.call("POST", path)) == (405, "method_not_allowed")
    assert code(tus.call("POST", X_HTTP_Method_Override="PATCH")) == (405, "method_not_allowed")
    assert tus.call("POST", path, X_HTTP_Method_Override="DELETE").status_code == 204
    assert tus.call("HEAD", path).status_code == 404


def test_the_collection_answers_with_a_slash_at_its_end(tus):
    answer = Tus(tus.member, "upload/resumable/").call("POST", Upload_Length="1", Upload_Metadata=named())
    assert answer.status_code == 201
    assert tus.patch(answer.headers["Location"], 0, b"1").status_code == 204


def test_metadata_without_values_and_of_no_interest(tus, ann):
    said = f"{named('k')},empty,filename {metadata(x='ä').split()[1]}"
    path = tus.begin(1, Upload_Metadata=said)
    assert tus.call("HEAD", path).headers["Upload-Metadata"] == said
    assert tus.patch(path, 0, b"1").status_code == 204
    assert ann.get("docs/k").content == b"1"
