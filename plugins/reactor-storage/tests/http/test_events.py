"""Events of objects that go with their bucket: each is told, in the transaction that removes it, to durable subscribers too."""

from __future__ import annotations

import pytest

from reactor_kernel.api import KERNEL_API, Delivery, PluginInfo, Subscription, hookimpl
from reactor_storage.plugin import StoragePlugin

from ..conftest import SECRET, TrustingAuth

# More than one of the steps in which a bucket is emptied.
MANY = 1100
WAYS = (("POST", "bucket/docs/empty"), ("DELETE", "buckets/docs?cascade=true"))


class Archive:
    info = PluginInfo(name="archive", version="1.0.0", api=KERNEL_API, summary="listens", after=("storage",))

    @hookimpl
    def reactor_subscriptions(self):
        yield Subscription("storage.object.removed", lambda event: None, Delivery.DURABLE, "archive-removed")


@pytest.fixture
def kernel(kernel_factory, root):
    section = {"signing_secret": SECRET, "fs_base_path": "files"}
    return kernel_factory(TrustingAuth, StoragePlugin, Archive, config={"storage": section}, root=root)


@pytest.fixture
def outbox(sql):
    """Return (org, bucket, key, version) of the removals that durable subscribers are told."""
    text = """select payload->>'org_id', payload->>'bucket', payload->>'key', payload->>'version_id'
      from _reactor_kernel.outbox_events where topic = 'storage.object.removed' order by payload->>'key' collate "C" """
    return lambda: sql(text)


def fill(ann, sql, many):
    """Put many objects into the bucket; return what is told when they go."""
    ann.put("docs/seed", b"x")
    sql(
        f"""with n as (select format('n/%s', i) as key, gen_random_uuid() as id, gen_random_uuid() as version_id
            from generate_series(2, {many}) i),
          v as (insert into _reactor_storage.versions (id, org_id, bucket, key, locator, size, etag, object_id)
            select n.version_id, v.org_id, 'docs', n.key, v.locator, 1, v.etag, n.id from n, _reactor_storage.versions v)
          insert into storage.objects (id, org_id, bucket, key, version_id, size, etag)
            select n.id, v.org_id, 'docs', n.key, n.version_id, 1, v.etag from n, _reactor_storage.versions v"""
    )
    return sql("select org_id::text, bucket, key, version_id::text from storage.objects order by key")


@pytest.mark.parametrize(("method", "path"), WAYS)
def test_each_object_that_goes_with_its_bucket_is_told(ann, sql, outbox, captured_events, method, path):
    ann.bucket()
    there = fill(ann, sql, MANY)
    assert len(there) == MANY
    assert ann.call(method, path).status_code in (200, 204)
    assert sql("select count(*) from storage.objects") == [("0",)]
    assert outbox() == there
    told = [(one.org_id, one.bucket, one.key, one.version_id) for one in captured_events.of("storage.object.removed")]
    assert sorted(told, key=lambda one: one[2].encode()) == there


@pytest.mark.parametrize(("method", "path"), WAYS)
def test_of_a_bucket_that_keeps_versions_what_was_there_is_told(ann, outbox, method, path):
    ann.bucket(versioning=True)
    ann.put("docs/a", b"one")
    current = ann.put("docs/a", b"two")["version_id"]
    deleted = ann.put("docs/b", b"one")["version_id"]
    ann.call("DELETE", "object/docs/b")
    assert [one[2:] for one in outbox()] == [("b", deleted)]
    assert ann.call(method, path).status_code in (200, 204)
    assert [one[2:] for one in outbox()] == [("a", current), ("b", deleted)]


def test_what_is_not_removed_is_not_told(ann, client, sql, outbox):
    ann.bucket()
    there = fill(ann, sql, MANY)
    sql("create function public.refuse() returns trigger language plpgsql as 'begin raise ''no''; end'")
    # The last key, so that steps before its own succeed.
    sql(
        "create trigger refuse before delete on storage.objects for each row when (old.key = 'seed') execute function refuse()"
    )
    answer = ann.call("POST", "bucket/docs/empty")
    assert answer.status_code >= 400
    left = sql("select org_id::text, bucket, key, version_id::text from storage.objects order by key")
    assert 0 < len(left) < MANY
    assert sorted(outbox() + left, key=lambda one: one[2].encode()) == there


@pytest.mark.parametrize(("method", "path"), WAYS)
def test_what_policies_keep_is_not_told(ann, sql, outbox, method, path):
    ann.bucket()
    ann.put("docs/mine")
    ann.put("docs/kept")
    sql("create policy most on storage.objects for delete to reactor_authenticated using (key <> 'kept')")
    answer = ann.call(method, path)
    assert [one[2] for one in outbox()] == ["mine"]
    assert sql("select key from storage.objects") == [("kept",)]
    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == (
        "a policy refuses to remove all objects of the bucket 'docs'; some are left"
    )
