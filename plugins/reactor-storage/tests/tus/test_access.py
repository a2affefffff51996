"""Who may do what to an upload, when, and how long."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from ..conftest import SECRET, Member, TrustingAuth
from .conftest import Tus, code, named

NO_POLICY = "drop policy w on storage.objects"
REFUSES = "create policy w on storage.objects for insert to reactor_authenticated with check (false)"


@pytest.fixture
def run(kernel):
    def executed(statement):
        with kernel.database.begin() as tx:
            tx.connection.exec_driver_sql(statement)

    return executed


def test_an_upload_is_its_users_own(tus, ann, bob, files):
    bob.bucket()
    path = tus.begin(4)
    assert tus.patch(path, 0, b"12").status_code == 204
    same_user_elsewhere = Member(ann.client)
    same_user_elsewhere.user_id = ann.user_id
    for stranger in (bob, ann.colleague("*"), same_user_elsewhere):
        other = Tus(stranger)
        assert other.call("HEAD", path).status_code == 404
        assert code(other.patch(path, 2, b"34")) == (404, "upload_not_found")
        assert code(other.call("DELETE", path)) == (404, "upload_not_found")
        final = other.call("POST", Upload_Concat=f"final;{path}", Upload_Metadata=named("c"))
        assert code(final) == (404, "upload_not_found")
    assert tus.offset(path) == 2
    assert len(files()) == 1


def test_a_credential_is_needed(tus, client):
    path = tus.begin(4)
    for method, target in (("POST", tus.place), ("HEAD", path), ("PATCH", path), ("DELETE", path)):
        answer = client.request(method, f"/storage/v1/{target.removeprefix('/storage/v1/')}")
        assert answer.status_code == 401, method


def test_the_permission_is_asked_each_time(tus, ann):
    refused = Tus(ann.colleague("storage:docs:read")).call("POST", Upload_Length="1", Upload_Metadata=named())
    assert code(refused) == (403, "permission_denied")
    path = tus.begin(4)
    assert tus.patch(path, 0, b"12").status_code == 204
    ann.permissions = ("storage:docs:read",)
    assert code(tus.patch(path, 2, b"34")) == (403, "permission_denied")
    assert code(tus.call("DELETE", path)) == (403, "permission_denied")
    assert tus.call("HEAD", path).status_code == 403
    ann.permissions = ("storage:docs:write",)
    assert tus.patch(path, 2, b"34").status_code == 204


def test_space_for_partial_uploads_is_for_those_who_may_write_somewhere(tus, ann):
    asked = {"Upload_Length": "1", "Upload_Concat": "partial"}
    reader, writer = ann.colleague("storage:docs:read"), ann.colleague("storage:docs:write")
    assert code(Tus(reader).call("POST", **asked)) == (403, "permission_denied")
    assert code(Tus(ann.colleague("storage:else:write")).call("POST", **asked)) == (403, "permission_denied")
    assert code(Tus(reader).call("POST", Upload_Metadata=named(), **asked)) == (403, "permission_denied")
    assert Tus(writer).call("POST", **asked).status_code == 201


def test_a_policy_is_asked_at_the_beginning(tus, run):
    run(REFUSES)
    assert code(tus.call("POST", Upload_Length="1", Upload_Metadata=named())) == (403, "policy_denied")


def test_a_policy_is_asked_again_with_the_last_byte(tus, ann, run, files):
    path = tus.begin(4)
    assert tus.patch(path, 0, b"12").status_code == 204
    run(REFUSES)
    assert code(tus.patch(path, 2, b"34")) == (403, "policy_denied")
    assert tus.offset(path) == 2
    assert ann.get("docs/a/b.bin").status_code == 404
    run(NO_POLICY)
    assert tus.patch(path, 2, b"5").status_code == 204
    assert tus.patch(path, 3, b"6").status_code == 204
    assert ann.get("docs/a/b.bin").content == b"1256"
    assert len(files()) == 1


def test_what_is_there_is_replaced_only_on_demand(tus, ann):
    path = tus.begin(2)
    ann.put("docs/a/b.bin", b"meanwhile")
    assert code(tus.patch(path, 0, b"12")) == (409, "object_exists")
    assert tus.offset(path) == 0
    assert code(tus.call("POST", Upload_Length="2", Upload_Metadata=named())) == (409, "object_exists")
    path = tus.begin(2, X_Upsert="true")
    assert tus.patch(path, 0, b"12").status_code == 204
    assert ann.get("docs/a/b.bin").content == b"12"


def test_the_limits_of_bucket_and_server(ann, wire):
    ann.client = wire(max_object_size=100, max_upload_size=50)
    ann.bucket("small", file_size_limit=3, allowed_mime_types=["image/*"])
    ann.bucket()
    tus = Tus(ann)
    assert ann.client.options("/storage/v1/upload/resumable").headers["Tus-Max-Size"] == "100"
    image = named("x", "small", contentType="image/png")
    assert code(tus.call("POST", Upload_Length="4", Upload_Metadata=image)) == (413, "object_too_large")
    text = named("x", "small", contentType="text/plain")
    assert code(tus.call("POST", Upload_Length="1", Upload_Metadata=text)) == (415, "mime_type_not_allowed")
    deferred = tus.begin(None, Upload_Metadata=image)
    assert tus.patch(deferred, 0, b"123").status_code == 204
    assert code(tus.patch(deferred, 3, b"4")) == (413, "object_too_large")
    assert code(tus.patch(deferred, 3, b"", Upload_Length="4")) == (413, "object_too_large")
    for more in ({"Upload_Metadata": named()}, {"Upload_Metadata": None, "Upload_Concat": "partial"}):
        assert code(tus.call("POST", Upload_Length="101", **more)) == (413, "object_too_large")
    path = tus.begin(100)
    answer = tus.patch(path, 0, b"x" * 51)
    assert code(answer) == (413, "payload_too_large")
    assert answer.json()["error"]["message"] == "the request body is larger than the 50 bytes this route accepts"
    assert tus.patch(path, 0, b"x" * 50).status_code == 204


def test_a_limit_that_was_lowered_meanwhile_holds(tus, ann):
    path = tus.begin(4)
    assert tus.patch(path, 0, b"12").status_code == 204
    assert ann.call("PATCH", "buckets/docs", body={"file_size_limit": 3}).status_code == 200
    assert code(tus.patch(path, 2, b"34")) == (413, "object_too_large")
    assert tus.offset(path) == 2


def test_names_are_those_of_objects(tus):
    for said, refusal in (
        (named("../x"), (400, "invalid_key")),
        (named("x", "none"), (404, "bucket_not_found")),
        (named("x", ""), (400, "invalid_request")),
        (named(""), (400, "invalid_request")),
    ):
        assert code(tus.call("POST", Upload_Length="1", Upload_Metadata=said)) == refusal, said


def test_an_upload_lives_from_when_it_was_last_written_to(tus, sql):
    path = tus.begin(4)
    id = path.rpartition("/")[2]
    left = "select extract(epoch from expires_at - now())::int from _reactor_storage.multipart_uploads where id = $1"
    sql("update _reactor_storage.multipart_uploads set expires_at = now() + interval '1 hour' where id = $1", id)
    told = parsedate_to_datetime(tus.patch(path, 0, b"12").headers["Upload-Expires"])
    [(seconds,)] = sql(left, id)
    assert int(seconds) > 23 * 3600
    assert (told - datetime.now(UTC)).total_seconds() > 23 * 3600
    sql("update _reactor_storage.multipart_uploads set expires_at = now() where id = $1", id)
    assert code(tus.patch(path, 2, b"34")) == (404, "upload_not_found")
    assert tus.call("HEAD", path).status_code == 404
    assert code(tus.call("DELETE", path)) == (404, "upload_not_found")


class TestTheSweep:
    @pytest.fixture
    def kernel(self, boot):
        return boot(sweep_every_secs=1)

    def test_it_drops_what_has_expired(self, tus, ann, sql, files, live_server):
        left, done = tus.begin(4, "left"), tus.begin(1, "done")
        assert tus.patch(left, 0, b"12").status_code == 204
        assert tus.patch(done, 0, b"1").status_code == 204
        sql("update _reactor_storage.multipart_uploads set expires_at = now()")
        ends = time.monotonic() + 30
        while sql("select count(*) from _reactor_storage.multipart_uploads") != [("0",)] or len(files()) != 1:
            assert time.monotonic() < ends
            time.sleep(0.1)
        assert ann.get("docs/done").content == b"1"


def test_a_removed_bucket_takes_its_uploads_along(tus, ann, files):
    path = tus.begin(4)
    assert tus.patch(path, 0, b"12").status_code == 204
    assert ann.call("DELETE", "buckets/docs").status_code == 204
    ann.bucket()
    assert code(tus.patch(path, 2, b"34")) == (404, "upload_not_found")
    assert files() == []


class TestSignedUploads:
    @pytest.fixture
    def token(self, tus, ann):
        def sign(key="a/b.bin", **headers):
            answer = ann.call("POST", f"object/upload/sign/docs/{key}", body={}, **headers)
            assert answer.status_code == 200, answer.text
            return answer.json()["token"]

        return sign

    @pytest.fixture
    def signed(self, client):
        """Call without a credential, with a token."""

        class Nobody(Member):
            @property
            def headers(self):
                return {}

        return lambda token: Tus(Nobody(client), "upload/resumable/sign", X_Signature=token)

    def test_whoever_holds_the_token_uploads_its_object(self, token, signed, ann, sql):
        holder = signed(token())
        path = holder.begin(4)
        assert path.startswith("/storage/v1/upload/resumable/sign/")
        assert holder.patch(path, 0, b"12").status_code == 204
        assert holder.offset(path) == 2
        assert holder.patch(path, 2, b"34").status_code == 204
        assert ann.get("docs/a/b.bin").content == b"1234"
        assert sql("select owner_id from storage.objects") == [(ann.user_id,)]

    def test_and_no_other(self, token, signed, tus):
        holder, other = signed(token()), signed(token("c"))
        assert code(holder.call("POST", Upload_Length="1", Upload_Metadata=named("c"))) == (403, "invalid_signature")
        path, plain = holder.begin(4), tus.begin(4, "d")
        for wrong in (other, signed("nonsense")):
            assert code(wrong.patch(path, 0, b"1")) == (403, "invalid_signature")
            assert wrong.call("HEAD", path).status_code == 403
            assert code(wrong.call("DELETE", path)) == (403, "invalid_signature")
        assert code(holder.patch(path, 0, b"1", X_Signature=None)) == (400, "missing_signature")
        # An upload is continued the way it was begun.
        assert code(tus.patch(path.replace("/sign/", "/"), 0, b"1")) == (404, "upload_not_found")
        beside = plain.replace("/resumable/", "/resumable/sign/")
        assert code(signed(token("d")).patch(beside, 0, b"1")) == (404, "upload_not_found")
        assert holder.patch(path, 0, b"1234").status_code == 204

    def test_the_token_says_whether_it_may_replace(self, token, signed, ann):
        ann.put("docs/a/b.bin", b"there")
        refused = signed(token()).call("POST", Upload_Length="1", Upload_Metadata=named(), X_Upsert="true")
        assert code(refused) == (409, "object_exists")
        holder = signed(token(X_Upsert="true"))
        assert holder.patch(holder.begin(1), 0, b"1").status_code == 204
        assert ann.get("docs/a/b.bin").content == b"1"

    def test_concatenation(self, token, signed, ann):
        holder = signed(token())
        paths = [holder.begin(2, Upload_Concat="partial") for _ in range(2)]
        for path, content in zip(paths, (b"12", b"34"), strict=True):
            assert holder.patch(path, 0, content).status_code == 204
        answer = holder.call("POST", Upload_Concat=f"final;{' '.join(paths)}", Upload_Metadata=named())
        assert answer.status_code == 201, answer.text
        assert ann.get("docs/a/b.bin").content == b"1234"
        assert code(holder.call("POST", Upload_Length="1", Upload_Concat="partial")) == (403, "invalid_signature")

    def test_a_token_puts_together_what_was_begun_with_it_alone(self, token, signed, ann):
        holder, other = signed(token()), signed(token("c"))
        path = holder.begin(2, Upload_Concat="partial")
        assert holder.patch(path, 0, b"12").status_code == 204
        for way in (path, path.replace("/sign/", "/")):
            taken = other.call("POST", Upload_Concat=f"final;{way}", Upload_Metadata=named("c"))
            assert code(taken) == (404, "upload_not_found")
        assert ann.get("docs/c").status_code == 404
        final = holder.call("POST", Upload_Concat=f"final;{path}", Upload_Metadata=named())
        assert final.status_code == 201
        assert ann.get("docs/a/b.bin").content == b"12"


def test_cross_origin(kernel_factory, root):
    from reactor_storage.plugin import StoragePlugin

    origin = "https://app.example.com"
    config = {
        "storage": {"signing_secret": SECRET, "fs_base_path": "files"},
        "server": {"cors": {"allow_origins": [origin]}},
    }
    kernel = kernel_factory(TrustingAuth, StoragePlugin, config=config, root=root)
    with httpx.Client(transport=httpx.WSGITransport(app=kernel.app), base_url="http://reactor.test") as wire:
        ann = Member(wire)
        ann.bucket()
        asked = (
            "authorization,content-type,tus-resumable,upload-length,upload-metadata,upload-offset,x-upsert,x-signature"
        )
        preflight = wire.options(
            "/storage/v1/upload/resumable/x",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "PATCH",
                "Access-Control-Request-Headers": asked,
            },
        )
        assert preflight.status_code == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == origin
        assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
        assert preflight.headers["Access-Control-Allow-Headers"] == asked
        tus = Tus(ann, Origin=origin)
        answer = tus.call("POST", Upload_Length="3", Upload_Metadata=named())
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        sent = {name for name in answer.headers if name.startswith(("upload-", "tus-"))} | {"location"}
        assert sent == {"tus-resumable", "upload-offset", "upload-expires", "location"}
        assert sent <= {name.lower() for name in exposed}
        refused = tus.patch(answer.headers["Location"], 2, b"3")
        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (409, origin)
        told = wire.options("/storage/v1/upload/resumable", headers={"Origin": origin})
        assert told.headers["Tus-Version"] == "1.0.0"
        assert "Tus-Max-Size" in told.headers["Access-Control-Expose-Headers"]
