"""Who may what: organisations, permissions, public buckets, policies."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from ..conftest import Member


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_organisations_do_not_meet(ann, bob):
    ann.bucket()
    bob.bucket()
    ann.put("docs/a", b"of ann")
    bob.put("docs/a", b"of bob")
    assert (ann.get("docs/a").content, bob.get("docs/a").content) == (b"of ann", b"of bob")
    theirs = ann.call("GET", "buckets/docs").json()["id"]
    assert code(bob.call("GET", f"buckets/{theirs}")) == (404, "bucket_not_found")
    assert code(bob.get(f"{theirs}/a")) == (404, "bucket_not_found")
    assert code(bob.call("DELETE", f"buckets/{theirs}?cascade=true")) == (404, "bucket_not_found")
    assert [one["id"] for one in bob.call("GET", "buckets").json()["buckets"]] != [theirs]


PERMISSIONS = [
    ("storage:docs:read", {"GET", "HEAD", "LIST"}),
    ("storage:*:read", {"GET", "HEAD", "LIST"}),
    ("storage:docs:write", {"PUT", "DELETE"}),
    ("storage:docs:delete", {"DELETE"}),
    ("storage:docs:admin", {"PATCH"}),
    ("storage:bucket:create", {"CREATE"}),
    ("storage:other:write", set()),
    ("storage:*", {"GET", "HEAD", "LIST", "PUT", "DELETE", "PATCH", "CREATE"}),
    ("data:*:*", set()),
]


@pytest.mark.parametrize(("permission", "may"), PERMISSIONS)
def test_permissions(ann, permission, may):
    ann.bucket()
    ann.put("docs/a")
    ann.put("docs/b")
    one = ann.colleague(permission)
    calls = {
        "GET": lambda: one.get("docs/a"),
        "HEAD": lambda: one.call("HEAD", "object/docs/a"),
        "LIST": lambda: one.call("GET", "buckets/docs/objects"),
        "PUT": lambda: one.call("PUT", "object/docs/a", body=b"x"),
        "DELETE": lambda: one.call("DELETE", "object/docs/b"),
        "PATCH": lambda: one.call("PATCH", "buckets/docs", body={"public": False}),
        "CREATE": lambda: one.call("POST", "buckets", body={"name": "more"}),
    }
    for name, call in calls.items():
        answer = call()
        if name in may:
            assert answer.status_code < 300, (name, answer.text)
        else:
            assert answer.status_code == 403, (name, answer.text)
            assert name == "HEAD" or answer.json()["error"]["code"] == "permission_denied"


def test_a_public_bucket_is_read_by_anyone_and_listed_by_nobody(ann, client):
    ann.bucket("site", public=True)
    ann.put("site/index.html", b"hi")
    assert client.get("/storage/v1/object/site/index.html").content == b"hi"
    assert client.head("/storage/v1/object/site/index.html").status_code == 200
    assert ann.colleague().get("site/index.html").content == b"hi"
    stranger = Member(client)
    assert code(stranger.get("site/index.html")) == (404, "bucket_not_found")
    for method, path in (
        ("PUT", "object/site/x"),
        ("DELETE", "object/site/index.html"),
        ("GET", "buckets/site/objects"),
        ("PATCH", "buckets/site"),
    ):
        assert code(client.request(method, f"/storage/v1/{path}")) == (401, "unauthorized")


def test_without_a_credential_a_private_bucket_is_like_none(ann, client):
    ann.bucket()
    ann.put("docs/a")
    for bucket in ("docs", "none"):
        answer = client.get(f"/storage/v1/object/{bucket}/a")
        assert code(answer) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_public_buckets_of_one_name_are_told_apart_by_the_organisation(ann, bob, client):
    for one, content in ((ann, b"of ann"), (bob, b"of bob")):
        one.bucket("site", public=True)
        one.put("site/a", content)
    answer = client.get("/storage/v1/object/site/a")
    assert code(answer) == (404, "bucket_not_found")
    assert answer.json()["error"]["hint"] == "Name the organisation with ?org= or X-Reactor-Org."
    assert client.get(f"/storage/v1/object/site/a?org={bob.org_id}").content == b"of bob"
    assert client.get("/storage/v1/object/site/a", headers={"X-Reactor-Org": ann.org_id}).content == b"of ann"


OWN_FOLDER = """
create policy own_read on storage.objects for select to reactor_authenticated
  using (bucket = 'docs' and (storage.foldername(key))[1] = (select auth.user_id())::text);
create policy own_write on storage.objects for insert to reactor_authenticated
  with check (bucket = 'docs' and (storage.foldername(key))[1] = (select auth.user_id())::text and storage.extension(key) = 'txt');
create policy own_update on storage.objects for update to reactor_authenticated
  using (owner_id = (select auth.user_id()));
create policy own_delete on storage.objects for delete to reactor_authenticated
  using (owner_id = (select auth.user_id()) and storage.filename(key) <> 'keep.txt');
"""


def test_policies_decide_on_each_object(ann, sql, kernel, files, stored_on):
    ann.bucket()
    eve = ann.colleague("storage:*")
    before = "of-nobody.txt"
    ann.put(f"docs/{before}")
    with kernel.database.begin() as tx:
        tx.connection.exec_driver_sql(OWN_FOLDER)
    mine, theirs = f"docs/{ann.user_id}/a.txt", f"docs/{eve.user_id}/a.txt"
    ann.put(mine, b"mine")
    eve.put(theirs, b"theirs")
    assert ann.get(mine).content == b"mine"
    for hidden in (theirs, f"docs/{before}"):
        assert code(ann.get(hidden)) == (404, "object_not_found")
        assert ann.call("HEAD", f"object/{hidden}").status_code == 404
        assert code(ann.call("DELETE", f"object/{hidden}")) == (404, "object_not_found")
        refused = ann.call("PUT", f"object/{hidden}", body=b"taken")
        assert code(refused) == (403, "policy_denied")
        assert refused.json()["error"]["message"] == f"a policy refuses to store {hidden.partition('/')[2]!r}"
    assert code(ann.call("PUT", f"object/docs/{ann.user_id}/a.exe", body=b"x")) == (403, "policy_denied")
    assert eve.get(theirs).content == b"theirs"
    listed = ann.call("GET", "buckets/docs/objects").json()["objects"]
    assert [one["key"] for one in listed] == [f"{ann.user_id}/a.txt"]
    assert ann.call("GET", "buckets/docs/objects?delimiter=/").json()["prefixes"] == [f"{ann.user_id}/"]
    ann.put(f"docs/{ann.user_id}/keep.txt")
    assert code(ann.call("DELETE", f"object/docs/{ann.user_id}/keep.txt")) == (403, "policy_denied")
    assert ann.call("DELETE", f"object/{mine}").status_code == 204
    # "content", which the backend fs keeps once, and "theirs".
    assert len(files()) == (2 if stored_on == "fs" else 3)


def test_the_shipped_policies_return_with_the_last_of_ones_own(ann, kernel):
    ann.bucket()
    ann.put("docs/a")
    for statement, status in (
        ("create policy none on storage.objects for select to reactor_authenticated using (false)", 404),
        ("drop policy none on storage.objects", 200),
    ):
        with kernel.database.begin() as tx:
            tx.connection.exec_driver_sql(statement)
        assert ann.get("docs/a").status_code == status


def test_sql_of_a_caller_sees_no_other_organisation(ann, bob, kernel):
    """What a project's own functions do as the caller is under the same policies."""
    from reactor_kernel.api import DbRole, Identity, IdentityKind, Statement

    ann.bucket()
    ann.put("docs/a")
    for one, seen in ((ann, 1), (bob, 0)):
        identity = Identity(
            kind=IdentityKind.USER, subject="u", db_role=DbRole.AUTHENTICATED, user_id=one.user_id, org_id=one.org_id,
            permissions=frozenset(("storage:*",)),
        )  # fmt: skip
        found, deleted = kernel.database.run(
            identity,
            [Statement("select key from storage.objects"), Statement("delete from storage.objects where false")],
        )
        assert len(found.rows) == seen
        assert deleted.affected == 0


HOSTILE = [
    "../docs/a", "..%2fdocs%2fa", "%2e%2e/a", "a/../a", "a/./b", "/etc/passwd", "//a", "a%00", "a%0a", "a%7f", "a\\..\\b", "%5c..%5ca",
    "a?x", "a#x", "a%3fx", "%252e%252e/a", "CON", "nul", ".multipart/x", ".tmp.x", "a/.tmp.1", "{a}", "$(id)", "`id`", "';--", '"a"',
    "%C0%AE%C0%AE/a", "%ff", "%ED%A0%80", "a%E2%80%AE", "%F0%9F%92%A9", "caf%C3%A9", "cafe%CC%81", "a" * 1024, "a" * 1025, "a/" * 512,
    " a", "a ", "a%20", "~root", "blobs/../../x",
]  # fmt: skip


def test_hostile_keys_reach_no_other_object(ann, bob, files, root, sql):
    ann.bucket()
    ann.put("docs/a", b"of ann")
    bob.bucket()
    outside = sorted(str(path) for path in root.rglob("*") if path.is_file() and "files" not in path.parts)
    for key in HOSTILE:
        path = f"docs/{key}" if "%" in key else f"docs/{quote(key)}"
        answer = bob.call("PUT", f"object/{path}", body=b"of bob")
        assert answer.status_code in (200, 400, 404, 405, 413), (key, answer.text)
        got = bob.get(path)
        assert (got.status_code, got.content) == (200, b"of bob") or got.status_code in (400, 404, 405), (key, got.text)
    assert ann.get("docs/a").content == b"of ann"
    assert sql("select count(*) from storage.objects where org_id = $1", ann.org_id) == [("1",)]
    assert [(str(len(files())),)] == sql("select count(*) from _reactor_storage.blobs")
    # On S3 below the project's id; of no key anything.
    assert [name for name in files() if not re.fullmatch(r"([0-9a-f-]{36}/)?blobs/[0-9a-f/-]+", name)] == []
    assert sorted(str(path) for path in root.rglob("*") if path.is_file() and "files" not in path.parts) == outside


def test_a_bucket_made_again_holds_nothing_of_the_old(ann, files):
    ann.bucket()
    ann.put("docs/a")
    assert code(ann.call("DELETE", "buckets/docs")) == (409, "bucket_not_empty")
    assert ann.call("DELETE", "buckets/docs?cascade=true").status_code == 204
    assert files() == []
    ann.bucket()
    assert code(ann.get("docs/a")) == (404, "object_not_found")
    assert ann.call("GET", "buckets/docs/objects").json()["objects"] == []


def test_a_policy_that_fails_does_not_concern_a_public_bucket(ann, sql):
    ann.bucket(public=True)
    ann.bucket("private")
    ann.put("docs/a", b"for all")
    ann.put("private/a", b"for some")
    sql("create policy broken on storage.objects for select using (1 / (length(key) - length(key)) > 0)")
    assert ann.get("docs/a").content == b"for all"
    assert ann.get("private/a").status_code == 500
    assert code(ann.get("docs/b")) == (404, "object_not_found")


def test_conditions_tell_nothing_of_what_policies_hide(ann, kernel):
    """A content could be guessed by its ETag, and a time be found by halving."""
    ann.bucket()
    eve = ann.colleague("storage:*")
    etag = ann.put("docs/a", b"yes")["etag"]
    with kernel.database.begin() as tx:
        tx.connection.exec_driver_sql(
            "create policy r on storage.objects for select to reactor_authenticated using (owner_id = auth.user_id())"
        )
    other = etag.replace(etag[1:5], "0000")
    past, future = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
    for method in ("DELETE", "PUT"):
        for name, right, wrong in (
            ("If_Match", etag, other),
            ("If_None_Match", etag, other),
            ("If_Unmodified_Since", future, past),
        ):
            answers = [eve.call(method, "object/docs/a", body=b"x", **{name: value}) for value in (right, wrong)]
            assert code(answers[0]) == code(answers[1]), (method, name)
            if method == "DELETE":
                absent = eve.call("DELETE", "object/docs/absent", **{name: right})
                assert code(absent) == code(answers[0]), name
    assert code(eve.call("DELETE", "object/docs/a", If_None_Match="*")) == (404, "object_not_found")
    assert ann.get("docs/a", If_Match=etag).content == b"yes"
    assert ann.call("PUT", "object/docs/a", body=b"x", If_Match=other).status_code == 412
    assert ann.call("PUT", "object/docs/a", body=b"new", If_Match=etag).status_code == 200


def test_a_row_that_names_a_version_of_another_organisation_shows_nothing_of_it(ann, bob, sql):
    """Functions of the project may write rows as the caller."""
    for one in (ann, bob):
        one.bucket()
    theirs = ann.put("docs/a", b"of ann")["version_id"]
    bob.put("docs/a", b"of bob")
    sql("update storage.objects set version_id = $1 where org_id = $2", theirs, bob.org_id)
    assert code(bob.get("docs/a")) == (404, "object_not_found")
