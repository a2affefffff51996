"""Earlier versions: listing, reading, restoring, removing, and who may."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor_kernel.api import uuid7

from ..conftest import Member

OWN = """create policy own on storage.objects for {} to reactor_authenticated
  {} (owner_id = (select auth.user_id())::uuid)"""


def versions(member, path, **query):
    answer = member.call("GET", f"versions/{path}?" + "&".join(f"{name}={value}" for name, value in query.items()))
    assert answer.status_code == 200, answer.text
    return answer.json()["versions"]


def ids(member, path):
    return [one["version_id"] for one in versions(member, path)]


def restore(member, path, version_id, **headers):
    return member.call("POST", f"restore/{path}", body={"version_id": version_id}, **headers)


def refused(answer):
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def wire_of():
    """Return a client of a kernel, in process."""
    opened = []

    def make(kernel):
        transport = httpx.WSGITransport(app=kernel.app, raise_app_exceptions=True, remote_addr="127.0.0.1")
        opened.append(httpx.Client(transport=transport, base_url="http://reactor.test"))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def three(ann):
    """An object of three contents; returns the ids of its versions, oldest first."""
    ann.bucket(versioning=True)
    contents = (b"one", b"two!", b"three")
    return [ann.put("docs/a/b.txt", text, Content_Type=f"text/x-{n}")["version_id"] for n, text in enumerate(contents)]


def own_policies(sql):
    for command, clause in (("select", "using"), ("insert", "with check"), ("update", "using"), ("delete", "using")):
        sql(OWN.format(command, clause).replace("policy own", f"policy own_{command}"))


def test_versions_are_listed_newest_first(ann, three):
    listed = versions(ann, "docs/a/b.txt")
    assert [one["version_id"] for one in listed] == three[::-1]
    assert [one["is_latest"] for one in listed] == [True, False, False]
    assert [(one["size"], one["content_type"], one["delete_marker"]) for one in listed] == [
        (5, "text/x-2", False), (4, "text/x-1", False), (3, "text/x-0", False),
    ]  # fmt: skip
    assert {one["created_by"] for one in listed} == {ann.user_id}
    assert listed[0]["etag"] == ann.get("docs/a/b.txt").headers["ETag"]
    assert ann.call("DELETE", "object/docs/a/b.txt").status_code == 204
    marker, *rest = versions(ann, "docs/a/b.txt")
    assert (marker["delete_marker"], marker["is_latest"], marker["size"], marker["etag"]) == (True, True, 0, None)
    assert [one["version_id"] for one in rest] == three[::-1]
    assert not any(one["is_latest"] for one in rest)
    # The note is an earlier version itself once the object is there again.
    ann.put("docs/a/b.txt", b"four")
    assert [(one["delete_marker"], one["is_latest"]) for one in versions(ann, "docs/a/b.txt")][:2] == [
        (False, True), (True, False),
    ]  # fmt: skip


def test_pages(ann, three):
    first = ann.call("GET", "versions/docs/a/b.txt?limit=2").json()
    assert ([one["version_id"] for one in first["versions"]], first["has_more"]) == (three[:0:-1], True)
    rest = ann.call("GET", f"versions/docs/a/b.txt?limit=2&cursor={first['cursor']}").json()
    assert ([one["version_id"] for one in rest["versions"]], rest["has_more"], rest["cursor"]) == (three[:1], False, None)  # fmt: skip
    # The last of a page may have been removed before the next one is asked for.
    assert ann.call("DELETE", f"object/docs/a/b.txt?version_id={first['cursor']}").status_code == 204
    assert ann.call("GET", f"versions/docs/a/b.txt?cursor={first['cursor']}").json()["versions"] == rest["versions"]
    for query in ("limit=0", "limit=1001", "limit=x", "cursor=x"):
        assert refused(ann.call("GET", f"versions/docs/a/b.txt?{query}")) == (400, "invalid_request")


def test_an_object_without_versions(ann):
    ann.bucket(versioning=True)
    assert refused(ann.call("GET", "versions/docs/none")) == (404, "object_not_found")
    assert refused(ann.call("GET", "versions/none/none")) == (404, "bucket_not_found")
    assert refused(ann.call("GET", "versions/docs/a%5Cb")) == (400, "invalid_key")


def test_a_version_is_read_like_an_object(ann, three):
    old = f"docs/a/b.txt?version_id={three[1]}"
    answer = ann.get(old)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"two!", "text/x-1")
    assert ann.get(old, Range="bytes=1-2").content == b"wo"
    assert ann.get(old, Range="bytes=4-").status_code == 416
    assert ann.get(old, If_None_Match=answer.headers["ETag"]).status_code == 304
    assert ann.get(old, If_Match='"other"').status_code == 412
    head = ann.call("HEAD", f"object/{old}")
    assert (head.status_code, head.headers["Content-Length"], head.headers["ETag"]) == (
        200,
        "4",
        answer.headers["ETag"],
    )
    assert parsedate_to_datetime(head.headers["Last-Modified"])
    assert ann.get(f"docs/a/b.txt?version_id={three[2]}").content == b"three"
    ann.call("DELETE", "object/docs/a/b.txt")
    assert ann.get("docs/a/b.txt").status_code == 404
    assert ann.get(old).content == b"two!"
    marker = ids(ann, "docs/a/b.txt")[0]
    for other in (marker, str(uuid7()), "1", "", three[1].upper()):
        answer = ann.get(f"docs/a/b.txt?version_id={other}")
        assert refused(answer) == (404, "version_not_found")
    assert (
        answer.json()["error"]["message"]
        == f"there is no version {three[1].upper()!r} of 'a/b.txt' in the bucket 'docs'"
    )
    # A version is one of its own key only.
    ann.put("docs/other", b"other")
    assert ann.get(f"docs/other?version_id={three[1]}").status_code == 404


def test_restoring_moves_no_byte(ann, three, files, sql):
    kept = files()
    answer = restore(ann, "docs/a/b.txt", three[0])
    assert answer.status_code == 200
    made = answer.json()
    assert (made["restored_version_id"], made["size"], answer.headers["ETag"]) == (three[0], 3, made["etag"])
    read = ann.get("docs/a/b.txt")
    assert (read.content, read.headers["Content-Type"], files()) == (b"one", "text/x-0", kept)
    assert ids(ann, "docs/a/b.txt") == [made["version_id"], *three[::-1]]
    told = "select details->>'restored' from _reactor_storage.audit_events where event_type = 'object.restore'"
    assert sql(told) == [(three[0],)]
    assert refused(restore(ann, "docs/a/b.txt", three[1], If_Match='"other"')) == (412, "precondition_failed")
    assert refused(restore(ann, "docs/a/b.txt", str(uuid7()))) == (404, "version_not_found")
    assert refused(ann.call("POST", "restore/docs/a/b.txt", body={})) == (400, "invalid_request")


def test_a_deleted_object_is_the_same_again(ann, three):
    before = ann.call("GET", "object/info/docs/a/b.txt").json()
    ann.call("DELETE", "object/docs/a/b.txt")
    assert restore(ann, "docs/a/b.txt", ids(ann, "docs/a/b.txt")[0]).status_code == 404
    helper = ann.colleague("storage:docs:read", "storage:docs:write")
    assert restore(helper, "docs/a/b.txt", three[2]).status_code == 200
    after = ann.call("GET", "object/info/docs/a/b.txt").json()
    assert (after["id"], after["owner"], after["etag"]) == (before["id"], ann.user_id, before["etag"])
    assert ann.get("docs/a/b.txt").content == b"three"


def test_an_earlier_version_is_removed_for_good(ann, three, files, sql):
    assert ann.call("DELETE", f"object/docs/a/b.txt?version_id={three[0]}").status_code == 204
    assert ids(ann, "docs/a/b.txt") == three[:0:-1]
    assert len(files()) == 2
    assert ann.get("docs/a/b.txt").content == b"three"
    assert sql(
        """select object_key, actor_user_id::text, details->>'version_id' from _reactor_storage.audit_events
          where event_type = 'version.delete'"""
    ) == [("a/b.txt", ann.user_id, three[0])]
    assert refused(ann.call("DELETE", f"object/docs/a/b.txt?version_id={three[0]}")) == (404, "version_not_found")
    newest = f"object/docs/a/b.txt?version_id={three[2]}"
    assert refused(ann.call("DELETE", newest, If_Match='"other"')) == (412, "precondition_failed")


def test_behind_the_current_version_is_the_one_before(ann, three, files):
    one = ann.call("GET", "object/info/docs/a/b.txt").json()
    for left, content in ((2, b"two!"), (1, b"one")):
        assert ann.call("DELETE", f"object/docs/a/b.txt?version_id={three[left]}").status_code == 204
        read = ann.get("docs/a/b.txt")
        assert (read.content, read.headers["Content-Type"]) == (content, f"text/x-{left - 1}")
        assert versions(ann, "docs/a/b.txt")[0]["is_latest"]
    found = ann.call("GET", "object/info/docs/a/b.txt").json()
    assert (found["id"], found["created_at"], found["size"]) == (one["id"], one["created_at"], 3)
    assert ann.call("DELETE", f"object/docs/a/b.txt?version_id={three[0]}").status_code == 204
    assert ann.get("docs/a/b.txt").status_code == 404
    assert ann.call("GET", "versions/docs/a/b.txt").status_code == 404
    assert files() == []


def test_without_its_note_a_deleted_object_is_there_again(ann, three):
    ann.call("DELETE", "object/docs/a/b.txt")
    marker = ids(ann, "docs/a/b.txt")[0]
    assert ann.call("DELETE", f"object/docs/a/b.txt?version_id={marker}").status_code == 204
    assert ann.get("docs/a/b.txt").content == b"three"
    assert ids(ann, "docs/a/b.txt") == three[::-1]


def test_what_was_kept_stays_when_the_bucket_keeps_no_more(ann, three, files):
    ann.call("PATCH", "buckets/docs", body={"versioning": False})
    # Made while the bucket kept versions, it is kept; made afterwards, it is not.
    ann.put("docs/a/b.txt", b"four")
    ann.put("docs/a/b.txt", b"five")
    assert ids(ann, "docs/a/b.txt")[1:] == three[::-1]
    ann.call("DELETE", "object/docs/a/b.txt")
    assert [one["delete_marker"] for one in versions(ann, "docs/a/b.txt")] == [True, False, False, False]
    assert len(files()) == 3
    ann.put("docs/new", b"new")
    ann.call("DELETE", "object/docs/new")
    assert ann.call("GET", "versions/docs/new").status_code == 404
    assert len(files()) == 3


def test_permissions(ann, bob, three):
    old = f"object/docs/a/b.txt?version_id={three[0]}"
    reader, writer = ann.colleague("storage:docs:read"), ann.colleague("storage:docs:read", "storage:docs:write")
    assert reader.call("GET", old).content == b"one"
    assert refused(restore(reader, "docs/a/b.txt", three[0])) == (403, "permission_denied")
    assert refused(reader.call("DELETE", old)) == (403, "permission_denied")
    # Who may write may delete an object, which is kept; a version is gone.
    assert refused(writer.call("DELETE", old)) == (403, "permission_denied")
    assert ann.colleague("storage:docs:delete").call("DELETE", old).status_code == 204
    blind = ann.colleague("storage:docs:write")
    assert refused(blind.call("GET", "versions/docs/a/b.txt")) == (403, "permission_denied")
    assert refused(blind.call("GET", old)) == (403, "permission_denied")
    assert refused(restore(blind, "docs/a/b.txt", three[1])) == (403, "permission_denied")
    assert refused(bob.call("GET", "versions/docs/a/b.txt")) == (404, "bucket_not_found")
    bob.bucket(versioning=True)
    bob.put("docs/a/b.txt", b"bob's")
    for answer in (bob.get(f"docs/a/b.txt?version_id={three[1]}"), restore(bob, "docs/a/b.txt", three[1])):
        assert refused(answer) == (404, "version_not_found")
    assert refused(bob.call("DELETE", f"object/docs/a/b.txt?version_id={three[1]}")) == (404, "version_not_found")
    assert ids(ann, "docs/a/b.txt") == three[:0:-1]


def test_a_public_bucket_shows_what_is_and_not_what_was(ann, three, client):
    ann.call("PATCH", "buckets/docs", body={"public": True})
    path = f"/storage/v1/object/docs/a/b.txt?org={ann.org_id}&version_id="
    assert client.get(path + three[2]).content == b"three"
    assert refused(client.get(path + three[1])) == (401, "unauthorized")
    assert refused(client.get(path + str(uuid7()))) == (401, "unauthorized")
    assert client.get(f"/storage/v1/versions/docs/a/b.txt?org={ann.org_id}").status_code == 401
    assert refused(ann.colleague("storage:other:read").get(f"docs/a/b.txt?version_id={three[1]}")) == (
        403,
        "permission_denied",
    )
    assert ann.get(f"docs/a/b.txt?version_id={three[1]}").content == b"two!"


def test_a_signed_url_is_for_the_current_version(ann, three, client):
    url = ann.call("POST", "sign/docs/a/b.txt").json()["url"]
    assert client.get(url).content == b"three"
    assert client.get(f"{url}&version_id={three[0]}").status_code == 401
    assert client.get(f"{url}&version_id={three[2]}").status_code == 401
    assert client.delete(f"{url}&version_id={three[0]}").status_code == 401


def test_who_sees_an_object_sees_its_versions(ann, three, sql):
    own_policies(sql)
    colleague = ann.colleague("*")
    old = f"docs/a/b.txt?version_id={three[0]}"
    assert ann.get(old).content == b"one"
    for deleted in (False, True):
        if deleted:
            assert ann.call("DELETE", "object/docs/a/b.txt").status_code == 204
        assert refused(colleague.get(old)) == (404, "version_not_found")
        assert refused(restore(colleague, "docs/a/b.txt", three[0])) == (404, "version_not_found")
        assert refused(colleague.call("GET", "versions/docs/a/b.txt")) == (404, "object_not_found")
        assert refused(colleague.call("DELETE", f"object/{old}")) == (404, "version_not_found")
    assert ann.get(old).content == b"one"
    assert len(ids(ann, "docs/a/b.txt")) == 4
    # Nothing was changed by asking.
    assert ann.get("docs/a/b.txt").status_code == 404
    assert sql("select count(*) from storage.objects") == [("0",)]
    assert restore(ann, "docs/a/b.txt", three[0]).status_code == 200


def test_the_next_owner_of_a_key_does_not_see_what_another_kept_there(ann, three, sql):
    own_policies(sql)
    ann.call("DELETE", "object/docs/a/b.txt")
    colleague = ann.colleague("*")
    colleague.put("docs/a/b.txt", b"colleague's")
    assert len(ids(colleague, "docs/a/b.txt")) == 1
    assert refused(colleague.get(f"docs/a/b.txt?version_id={three[2]}")) == (404, "version_not_found")
    assert refused(restore(colleague, "docs/a/b.txt", three[2])) == (404, "version_not_found")
    assert refused(colleague.call("DELETE", f"object/docs/a/b.txt?version_id={three[2]}")) == (404, "version_not_found")
    # Ann sees her own and not what is there now; she cannot put hers in its place.
    assert ids(ann, "docs/a/b.txt")[1:] == three[::-1]
    assert ann.get(f"docs/a/b.txt?version_id={three[2]}").content == b"three"
    assert refused(restore(ann, "docs/a/b.txt", three[2])) == (403, "policy_denied")
    assert colleague.get("docs/a/b.txt").content == b"colleague's"


def test_a_policy_refuses_to_restore_and_to_remove(ann, three, sql):
    for command, clause in (("insert", "with check"), ("update", "using"), ("delete", "using")):
        sql(f"create policy none_{command} on storage.objects for {command} to reactor_authenticated {clause} (false)")
    assert refused(restore(ann, "docs/a/b.txt", three[0])) == (403, "policy_denied")
    answer = ann.call("DELETE", f"object/docs/a/b.txt?version_id={three[0]}")
    assert refused(answer) == (403, "policy_denied")
    assert answer.json()["error"]["message"] == "a policy refuses to remove a version of 'a/b.txt'"
    assert ids(ann, "docs/a/b.txt") == three[::-1]


def test_each_change_is_told_once(kernel, ann, captured_events, sql):
    def told():
        found = [(one.topic.rpartition(".")[2], one.payload.key) for one in captured_events.all()]
        captured_events.__init__()
        return found

    ann.bucket(versioning=True)
    first = ann.put("docs/a", b"one")["version_id"]
    assert told() == [("stored", "a")]
    second = ann.put("docs/a", b"two")["version_id"]
    assert told() == [("stored", "a")]
    body = {"bucketId": "docs", "sourceKey": "a", "destinationKey": "b"}
    assert ann.call("POST", "object/copy", body=body).status_code == 200
    assert told() == [("stored", "b")]
    body = {"bucketId": "docs", "sourceKey": "b", "destinationKey": "c"}
    assert ann.call("POST", "object/move", body=body).status_code == 200
    assert sorted(told()) == [("removed", "b"), ("stored", "c")]
    assert restore(ann, "docs/a", first).status_code == 200
    assert told() == [("stored", "a")]
    assert ann.call("DELETE", "object/docs/a").status_code == 204
    assert told() == [("removed", "a")]
    # Of an earlier version nobody learns that it goes; of the current one, what is in its place.
    assert ann.call("DELETE", f"object/docs/a?version_id={second}").status_code == 204
    assert told() == []
    marker, current, oldest = ids(ann, "docs/a")
    assert ann.call("DELETE", f"object/docs/a?version_id={marker}").status_code == 204
    assert told() == [("stored", "a")]
    assert ann.call("DELETE", f"object/docs/a?version_id={current}").status_code == 204
    assert told() == [("stored", "a")]
    assert ann.call("DELETE", f"object/docs/a?version_id={oldest}").status_code == 204
    assert told() == [("removed", "a")]
    # What is refused is not told.
    assert ann.call("PUT", "object/docs/c", body=b"x", If_None_Match="*").status_code == 412
    sql("create policy none on storage.objects for insert to reactor_authenticated with check (false)")
    assert ann.call("PUT", "object/docs/d", body=b"x").status_code == 403
    assert told() == []


def test_versions_of_a_key_ascend_though_a_clock_is_behind(ann, sql):
    ann.bucket(versioning=True)
    ann.put("docs/a", b"one")
    # As if another node, whose clock is a day ahead, had written it.
    ahead = str(uuid7(int(time.time() * 1000) + 86_400_000))
    sql("update _reactor_storage.versions set id = $1", ahead)
    sql("update storage.objects set version_id = $1", ahead)
    second = ann.put("docs/a", b"two")["version_id"]
    assert second > ahead
    ann.call("DELETE", "object/docs/a")
    third = ann.put("docs/a", b"three")["version_id"]
    listed = versions(ann, "docs/a")
    assert [listed[at]["version_id"] for at in (0, 2, 3)] == [third, second, ahead]
    assert [one["is_latest"] for one in listed] == [True, False, False, False]


STEPS = st.lists(
    st.tuples(st.sampled_from(("put", "put", "delete", "restore", "drop", "drop")), st.integers(0, 9)), max_size=14
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(STEPS)
def test_any_sequence_of_changes(ann, steps):
    """What is listed and read is what a list of contents, newest first and None for a deletion, says."""
    ann.call("POST", "buckets", body={"name": "docs", "versioning": True})
    path, kept = f"docs/{uuid7()}", []
    for number, (step, at) in enumerate(steps):
        id, content = kept[at % len(kept)] if kept else (str(uuid7()), None)
        if step == "put":
            kept.insert(0, (ann.put(path, b"%d" % number)["version_id"], b"%d" % number))
        elif step == "delete":
            there = bool(kept) and kept[0][1] is not None
            assert ann.call("DELETE", f"object/{path}").status_code == (204 if there else 404)
            if there:
                kept.insert(0, (ids(ann, path)[0], None))
        elif step == "restore":
            answer = restore(ann, path, id)
            assert answer.status_code == (404 if content is None else 200)
            if content is not None:
                kept.insert(0, (answer.json()["version_id"], content))
        else:
            there = bool(kept)
            assert ann.call("DELETE", f"object/{path}?version_id={id}").status_code == (204 if there else 404)
            kept = [one for one in kept if one[0] != id]
        current = ann.get(path)
        assert (current.content if current.status_code == 200 else None) == (kept[0][1] if kept else None)
        if kept:
            listed = versions(ann, path)
            assert [(one["version_id"], one["delete_marker"]) for one in listed] == [
                (id, text is None) for id, text in kept
            ]
            assert [one["is_latest"] for one in listed] == [True] + [False] * (len(kept) - 1)
        else:
            assert ann.call("GET", f"versions/{path}").status_code == 404
    for id, content in kept:
        answer = ann.get(f"{path}?version_id={id}")
        assert (answer.content if answer.status_code == 200 else None) == content


def test_restoring_while_others_write_and_remove(live_server, sql, root, files, stored_on):
    """Whatever the order, each version that is listed can be read, and the counted bytes are those that are kept."""
    with httpx.Client(base_url=live_server.url, timeout=60) as wire:
        ann = Member(wire)
        ann.bucket(versioning=True)
        contents = {ann.put("docs/a", text.encode())["version_id"]: text for text in "abcdef"}
        start, known = threading.Barrier(4), list(contents)

        def write():
            start.wait()
            return [ann.call("PUT", "object/docs/a", body=f"w{n}".encode()).status_code for n in range(8)]

        def bring_back():
            start.wait()
            return [restore(ann, "docs/a", id).status_code for id in known for _ in range(2)]

        def drop():
            start.wait()
            return [ann.call("DELETE", f"object/docs/a?version_id={id}").status_code for id in known]

        def delete():
            start.wait()
            return [ann.call("DELETE", "object/docs/a").status_code for _ in range(8)]

        with ThreadPoolExecutor(4) as pool:
            runs = [pool.submit(task) for task in (write, bring_back, drop, delete)]
            written, restored, dropped, deleted = (run.result() for run in runs)
        assert set(written) == {200}
        assert set(restored) <= {200, 404}
        assert set(dropped) == {204}
        assert set(deleted) <= {204, 404}
        listed = versions(ann, "docs/a", limit=1000)
        assert [one["is_latest"] for one in listed] == [True] + [False] * (len(listed) - 1)
        for one in listed:
            if not one["delete_marker"]:
                assert ann.get(f"docs/a?version_id={one['version_id']}").status_code == 200
        current = ann.get("docs/a")
        assert (current.status_code == 404) == listed[0]["delete_marker"]
        if stored_on == "fs":
            kept = {path.name for path in (root / "files").rglob("*") if path.is_file()}
            assert kept == {one["etag"].strip('"') for one in listed if one["etag"]}
        assert sql("select count(*) from _reactor_storage.blobs") == [(str(len(files())),)]


def test_durable_subscribers_are_told_in_the_transaction(kernel_factory, root, wire_of):
    from reactor_kernel.api import KERNEL_API, Delivery, PluginInfo, Statement, Subscription, hookimpl
    from reactor_storage.plugin import StoragePlugin

    from ..conftest import SECRET, TrustingAuth

    class Archive:
        info = PluginInfo(name="archive", version="1.0.0", api=KERNEL_API, summary="listens", after=("storage",))

        @hookimpl
        def reactor_subscriptions(self):
            for topic in ("storage.object.stored", "storage.object.removed"):
                yield Subscription(topic, lambda event: None, Delivery.DURABLE, f"archive-{topic.rpartition('.')[2]}")

    section = {"signing_secret": SECRET, "fs_base_path": "files"}
    kernel = kernel_factory(TrustingAuth, StoragePlugin, Archive, config={"storage": section}, root=root)
    ann = Member(wire_of(kernel))

    def outbox():
        text = "select topic, payload->>'key' from _reactor_kernel.outbox_events order by id"
        (result,) = kernel.database.run(None, [Statement(text)])
        return [(row[0].decode().rpartition(".")[2], row[1].decode()) for row in result.rows]

    ann.bucket(versioning=True)
    version = ann.put("docs/a", b"one")["version_id"]
    ann.call("DELETE", "object/docs/a")
    restore(ann, "docs/a", version)
    body = {"bucketId": "docs", "sourceKey": "a", "destinationKey": "b"}
    ann.call("POST", "object/copy", body=body)
    assert outbox() == [("stored", "a"), ("removed", "a"), ("stored", "a"), ("stored", "b")]
    # What is rolled back is not told.
    assert ann.call("POST", "object/copy", body=body).status_code == 409
    assert restore(ann, "docs/a", version, If_Match='"other"').status_code == 412
    assert len(outbox()) == 4
