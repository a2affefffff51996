"""Lifecycle rules: what is accepted, and what they end."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor_kernel.api import Statement, uuid7
from reactor_storage import queries
from reactor_storage.errors import InvalidLifecycle
from reactor_storage.lifecycle import checked_rules
from reactor_storage.model import LifecycleRule

NOW = datetime.now(UTC)


@pytest.fixture
def kernel(boot, frozen_clock):
    frozen_clock.set(NOW)
    return boot(sweep_every_secs=1)


@pytest.fixture
def later(frozen_clock):
    """Let days go by."""

    def go(days):
        # Of a moment more than whole days, because what was stored was stored after NOW.
        frozen_clock.set(NOW + timedelta(days=days, hours=1))

    return go


def until(condition, seconds=20):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"did not become true within {seconds} s"
        time.sleep(0.1)


def keys(member, bucket="docs"):
    return [one["key"] for one in member.call("GET", f"buckets/{bucket}/objects").json()["objects"]]


def put_all(member, *names):
    for name in names:
        member.put(f"docs/{name}", name.encode())


# -- what is accepted -------------------------------------------------------------------------------------------------


def test_rules_are_kept_as_they_were_sent(ann):
    both = {"id": "both", "expire_days": 1, "noncurrent_days": 36500}
    rules = [{"prefix": "tmp/", "expire_days": 7}, {"noncurrent_days": 30}, both]
    made = ann.bucket(lifecycle=rules)
    assert made["lifecycle"] == rules
    assert ann.call("GET", "buckets/docs").json()["lifecycle"] == rules
    assert ann.call("PATCH", "buckets/docs", body={"lifecycle": []}).json()["lifecycle"] == []


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({}, "lifecycle rule 1 says neither expire_days nor noncurrent_days"),
        ({"prefix": "a/"}, "lifecycle rule 1 says neither expire_days nor noncurrent_days"),
        ({"expire_days": 0}, "lifecycle rule 1 has days that are not from 1 to 36500"),
        ({"expire_days": 1, "noncurrent_days": -1}, "lifecycle rule 1 has days that are not from 1 to 36500"),
        ({"expire_days": 36501}, "lifecycle rule 1 has days that are not from 1 to 36500"),
        ({"prefix": "x" * 1025, "expire_days": 1}, "lifecycle rule 1 has a prefix of more than 1024 bytes"),
        ({"prefix": "a\u0007", "expire_days": 1}, "lifecycle rule 1 has a prefix with which no key can begin"),
        ({"prefix": "/a", "expire_days": 1}, "lifecycle rule 1 has a prefix with which no key can begin"),
        ({"expire_days": 1.5}, "the body cannot be used: Expected `int | null`, got `float` - at `$.lifecycle[0].expire_days`"),
        ({"expire_days": True}, "the body cannot be used: Expected `int | null`, got `bool` - at `$.lifecycle[0].expire_days`"),
        ({"days": 1}, "the body cannot be used: Object contains unknown field `days` - at `$.lifecycle[0]`"),
        ({"expire_days": 1, "tags": {}}, "the body cannot be used: Object contains unknown field `tags` - at `$.lifecycle[0]`"),
    ],
)  # fmt: skip
def test_rules_that_are_refused(ann, rule, says):
    ann.bucket()
    answer = ann.call("PATCH", "buckets/docs", body={"lifecycle": [rule]})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == ("invalid_request", says)
    assert ann.call("POST", "buckets", body={"name": "other", "lifecycle": [rule]}).status_code == 400
    assert ann.call("GET", "buckets/docs").json()["lifecycle"] == []


def test_at_most_a_hundred_rules(ann):
    rule = {"expire_days": 1}
    assert len(ann.bucket(lifecycle=[rule] * 100)["lifecycle"]) == 100
    answer = ann.call("PATCH", "buckets/docs", body={"lifecycle": [rule] * 101})
    assert answer.json()["error"]["message"] == "a bucket has at most 100 lifecycle rules, not 101"


DAYS = st.none() | st.integers(-10, 40000)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.builds(LifecycleRule, prefix=st.text(max_size=8), expire_days=DAYS, noncurrent_days=DAYS), max_size=3)
)
def test_what_is_accepted_can_be_kept_to(rules):
    try:
        accepted = checked_rules(rules)
    except InvalidLifecycle:
        return
    assert accepted == rules
    for rule in accepted:
        given_days = [days for days in (rule.expire_days, rule.noncurrent_days) if days is not None]
        assert given_days
        assert all(NOW - timedelta(days=days) < NOW for days in given_days)
        assert "\x00" not in rule.prefix


# -- what they end ----------------------------------------------------------------------------------------------------


def test_objects_end_with_their_bytes(ann, files, later, live_server, sql, captured_events):
    ann.bucket(lifecycle=[{"prefix": "tmp/", "expire_days": 7}, {"prefix": "logs/", "expire_days": 30}])
    put_all(ann, "keep", "tmp", "tmp/a", "tmp/b/c", "tmp0", "logs/x")
    later(6)
    time.sleep(2.5)
    assert len(keys(ann)) == 6
    later(7)
    until(lambda: keys(ann) == ["keep", "logs/x", "tmp", "tmp0"])
    until(lambda: len(files()) == 4)
    later(30)
    until(lambda: keys(ann) == ["keep", "tmp", "tmp0"])
    # As if somebody had deleted them, and said why.
    removed = [one.key for one in captured_events.of("storage.object.removed")]
    assert sorted(removed) == ["logs/x", "tmp/a", "tmp/b/c"]
    trail = sql(
        """select object_key, actor_user_id, request_id, org_id::text, details->'lifecycle'->>'prefix'
          from _reactor_storage.audit_events where event_type = 'object.delete' order by object_key"""
    )
    assert trail == [
        ("logs/x", None, "storage-lifecycle", ann.org_id, "logs/"),
        ("tmp/a", None, "storage-lifecycle", ann.org_id, "tmp/"),
        ("tmp/b/c", None, "storage-lifecycle", ann.org_id, "tmp/"),
    ]
    assert sql("select count(*) from _reactor_storage.versions") == [("3",)]


def test_other_buckets_and_organisations_are_left_alone(ann, bob, later, live_server):
    ann.bucket(lifecycle=[{"expire_days": 1}])
    ann.bucket("other")
    bob.bucket()
    put_all(ann, "a")
    put_all(bob, "a")
    ann.put("other/a")
    later(400)
    until(lambda: keys(ann) == [])
    time.sleep(1.5)
    assert (keys(ann, "other"), keys(bob)) == (["a"], ["a"])


def test_in_a_bucket_that_keeps_versions_objects_end_twice(ann, files, later, live_server, sql):
    ann.bucket(versioning=True, lifecycle=[{"prefix": "a", "expire_days": 1, "noncurrent_days": 10}])
    ann.put("docs/a", b"one")
    ann.put("docs/a", b"two")
    ann.put("docs/keep", b"1")
    ann.put("docs/keep", b"2")
    later(2)
    until(lambda: keys(ann) == ["keep"])
    listed = ann.call("GET", "versions/docs/a").json()["versions"]
    assert [one["delete_marker"] for one in listed] == [True, False, False]
    assert listed[0]["created_by"] is None
    assert len(files()) == 4
    later(11)
    until(lambda: sql("select key from _reactor_storage.versions order by 1") == [("keep",), ("keep",)])
    until(lambda: len(files()) == 2)
    gone = sql(
        """select details->>'delete_marker' from _reactor_storage.audit_events
          where event_type = 'version.delete' and object_key = 'a' order by 1"""
    )
    assert gone == [("false",), ("false",), ("true",)]


def test_earlier_versions_end_and_the_current_one_stays(ann, later, live_server, sql):
    ann.bucket(versioning=True, lifecycle=[{"noncurrent_days": 5}])
    ann.put("docs/a", b"one")
    current = ann.put("docs/a", b"two")["version_id"]
    ann.put("docs/b", b"one")
    ann.call("DELETE", "object/docs/b")
    later(6)
    until(lambda: sql("select id from _reactor_storage.versions") == [(current,)])
    assert ann.get("docs/a").content == b"two"


def test_a_note_that_still_hides_a_version_stays(ann, later, live_server, sql):
    ann.bucket(versioning=True)
    old = ann.put("docs/a", b"one")["version_id"]
    ann.call("DELETE", "object/docs/a")
    # As if the content had been the current one until a moment ago, and the note were old.
    sql("update _reactor_storage.versions set superseded_at = now() + interval '365 days' where id = $1", old)
    ann.call("PATCH", "buckets/docs", body={"lifecycle": [{"noncurrent_days": 1}]})
    ann.put("docs/b", b"1")
    ann.put("docs/b", b"2")
    later(2)
    until(lambda: sql("select count(*) from _reactor_storage.versions where key = 'b'") == [("1",)])
    assert len(ann.call("GET", "versions/docs/a").json()["versions"]) == 2
    assert ann.get("docs/a").status_code == 404


def test_more_than_a_batch_in_one_sweep(ann, later, live_server, sql):
    ann.bucket(lifecycle=[{"expire_days": 1}])
    ann.put("docs/seed", b"x")
    sql(
        """with n as (select format('n/%s', i) as key, gen_random_uuid() as id, gen_random_uuid() as version_id
            from generate_series(1, 1203) i),
          v as (insert into _reactor_storage.versions (id, org_id, bucket, key, locator, size, etag, object_id)
            select n.version_id, v.org_id, 'docs', n.key, v.locator, 1, v.etag, n.id from n, _reactor_storage.versions v)
          insert into storage.objects (id, org_id, bucket, key, version_id, size, etag)
            select n.id, v.org_id, 'docs', n.key, n.version_id, 1, v.etag from n, _reactor_storage.versions v"""
    )
    assert ann.call("GET", "usage").json()["objects"] == 1204
    later(2)
    until(lambda: keys(ann) == [], 60)
    assert sql("select count(*) from _reactor_storage.versions") == [("0",)]
    until(lambda: sql("select count(*) from _reactor_storage.blobs") == [("0",)])
    assert sql("select count(*) from _reactor_storage.audit_events where event_type = 'object.delete'") == [("1204",)]


def test_policies_do_not_hold_the_platform_back(ann, later, live_server, sql):
    ann.bucket(lifecycle=[{"expire_days": 1}])
    ann.put("docs/a")
    sql("create policy none on storage.objects for delete to reactor_authenticated using (false)")
    assert ann.call("DELETE", "object/docs/a").status_code == 403
    later(2)
    until(lambda: sql("select count(*) from storage.objects") == [("0",)])


def test_what_is_replaced_at_the_last_moment_stays(kernel, ann, later, live_server, sql):
    ann.bucket(lifecycle=[{"expire_days": 1}])
    ann.put("docs/a", b"old")
    with kernel.database.begin() as tx:
        tx.run(queries.one_at_a_time(ann.org_id, [("docs", "a")]))
        later(2)
        # The sweep has found the object and waits for the key.
        until(lambda: sql("select count(*) from pg_locks where locktype = 'advisory' and not granted") != [("0",)])
        # What a PUT does while it holds it.
        new = str(uuid7())
        renamed = "update _reactor_storage.versions set id = $1, created_at = now() + interval '9 days'"
        tx.run([Statement(renamed, (new,)), Statement("update storage.objects set version_id = $1", (new,))])
    time.sleep(2.5)
    assert ann.get("docs/a").content == b"old"
    later(11)
    until(lambda: keys(ann) == [])
