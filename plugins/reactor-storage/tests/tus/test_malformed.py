"""What is malformed is refused, and changes nothing."""

from __future__ import annotations

import pytest

from .conftest import BODY, code, named


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"Tus_Resumable": None}, (412, "unsupported_tus_version")),
        ({"Tus_Resumable": "0.2.2"}, (412, "unsupported_tus_version")),
        ({"Upload_Length": None}, (400, "invalid_request")),
        ({"Upload_Length": "-1"}, (400, "invalid_request")),
        ({"Upload_Length": "1.5"}, (400, "invalid_request")),
        ({"Upload_Length": "1_0"}, (400, "invalid_request")),
        ({"Upload_Length": "9" * 30}, (400, "invalid_request")),
        ({"Upload_Length": "9" * 18}, (413, "object_too_large")),
        ({"Upload_Defer_Length": "1"}, (400, "invalid_request")),
        ({"Upload_Length": None, "Upload_Defer_Length": "2"}, (400, "invalid_request")),
        ({"Upload_Metadata": None}, (400, "invalid_request")),
        ({"Upload_Metadata": "bucketName ZG9jcw=="}, (400, "invalid_request")),
        ({"Upload_Metadata": "bucketName ZG9jcw, objectName YQ=="}, (400, "invalid_request")),
        ({"Upload_Metadata": "bucketName ZG9jcw==,objectName Y@=="}, (400, "invalid_request")),
        ({"Upload_Metadata": f"{named()},objectName YQ=="}, (400, "invalid_request")),
        ({"Upload_Metadata": f"{named()}, "}, (400, "invalid_request")),
        ({"Upload_Metadata": named(contentType=b"\xff")}, (400, "invalid_request")),
        ({"Upload_Metadata": named(metadata="[1]")}, (400, "invalid_request")),
        ({"Upload_Metadata": named(metadata="{" + '"a":{' * 5000)}, (400, "invalid_request")),
        ({"Upload_Metadata": named(objectname="x").replace("objectName", "x", 1)}, (400, "invalid_request")),
        ({"Upload_Concat": "whole"}, (400, "invalid_request")),
        ({"Upload_Concat": "final;"}, (400, "invalid_request")),
        ({"Upload_Concat": "final;/storage/v1/upload/resumable/no"}, (400, "invalid_request")),
        ({"Upload_Concat": "final;http://[bad"}, (400, "invalid_request")),
        (
            {"Upload_Concat": "final;/storage/v1/upload/resumable/019213f5-0000-7000-8000-000000000001"},
            (400, "invalid_request"),
        ),
        ({"Upload_Metadata": "bucketName ZG9jcw==", "Upload_Concat": "partial"}, (400, "invalid_request")),
    ],
)
def test_a_malformed_creation_is_refused(tus, sql, changed, refusal):
    answer = tus.call("POST", **{"Upload_Length": "1", "Upload_Metadata": named(), **changed})
    assert code(answer) == refusal
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert refusal[0] != 412 or answer.headers["Tus-Version"] == "1.0.0"
    assert sql("select count(*) from _reactor_storage.multipart_uploads") == [("0",)]


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"Tus_Resumable": None}, (412, "unsupported_tus_version")),
        ({"Tus_Resumable": "2.0.0"}, (412, "unsupported_tus_version")),
        ({"Content_Type": None}, (415, "unsupported_media_type")),
        ({"Content_Type": "application/octet-stream"}, (415, "unsupported_media_type")),
        ({"Upload_Offset": None}, (400, "invalid_request")),
        ({"Upload_Offset": "x"}, (400, "invalid_request")),
        ({"Upload_Offset": "-1"}, (400, "invalid_request")),
        ({"Upload_Offset": "0x0"}, (400, "invalid_request")),
        ({"Upload_Offset": "0"}, (409, "offset_mismatch")),
        ({"Upload_Offset": "3"}, (409, "offset_mismatch")),
        ({"Upload_Offset": "9" * 18}, (409, "offset_mismatch")),
        ({"Upload_Length": "5"}, (400, "invalid_request")),
        ({"Upload_Length": "x"}, (400, "invalid_request")),
        ({"Upload_Checksum": "sha1"}, (400, "invalid_request")),
        ({"Upload_Checksum": "sha1 eA=="}, (400, "invalid_request")),
        ({"Upload_Checksum": "crc32 eA=="}, (400, "invalid_request")),
        ({"Upload_Checksum": "sha1 @@@@"}, (400, "invalid_request")),
        ({"X_HTTP_Method_Override": "PURGE"}, (405, "method_not_allowed")),
    ],
)
def test_a_malformed_patch_is_refused(tus, files, changed, refusal):
    path = tus.begin(4)
    assert tus.patch(path, 0, b"12").status_code == 204
    sent = {"Upload_Offset": "2", "Content_Type": BODY, **changed}
    assert code(tus.call("PATCH", path, body=b"3", **sent)) == refusal
    assert tus.offset(path) == 2
    assert len(files()) == 1


@pytest.mark.parametrize(
    "id", ["no", "x" * 36, "019213f5-0000-7000-8000-000000000001", "%27", "019213f5-0000-7000-8000-00000000000g"]
)
def test_what_is_no_upload(tus, id):
    path = f"/storage/v1/upload/resumable/{id}"
    assert code(tus.patch(path, 0, b"1")) == (404, "upload_not_found")
    assert tus.call("HEAD", path).status_code == 404
    assert code(tus.call("DELETE", path)) == (404, "upload_not_found")


def test_bytes_of_a_creation_have_their_type(tus):
    sent = {"Upload_Length": "1", "Upload_Metadata": named(), "Content_Type": "text/plain"}
    assert code(tus.call("POST", body=b"1", **sent)) == (415, "unsupported_media_type")


def test_errors_speak_to_supabases_clients_too(tus):
    answer = tus.patch(tus.begin(4), 2, b"1").json()
    assert (answer["statusCode"], answer["message"]) == ("409", "the upload is at 0, not at 2")
    assert answer["error"]["details"] == {"offset": 0}
