"""Listings: order, prefixes, pages."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

KEYS = ["a", "a b", "a/1", "a/2", "a/b/3", "a0", "b/", "b/x", "c%_d", "cAd", "é", "z/y/x", "𝄞"]


def pages(member, **query):
    found, prefixes, cursor = [], [], None
    while True:
        asked = "&".join(f"{name}={value}" for name, value in {**query, "cursor": cursor}.items() if value is not None)
        answer = member.call("GET", f"buckets/docs/objects?{asked}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [one["key"] for one in page["objects"]]
        prefixes += page["prefixes"]
        assert page["has_more"] == (page["cursor"] is not None)
        if not page["has_more"]:
            return found, prefixes
        assert len(page["objects"]) + len(page["prefixes"]) == query["limit"]
        from urllib.parse import quote

        cursor = quote(page["cursor"], safe="")


def expected(keys, prefix, delimiter):
    found, prefixes = [], []
    for key in sorted(keys, key=str.encode):
        if key.startswith(prefix):
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            if at < 0:
                found.append(key)
            elif (common := key[: at + len(delimiter)]) not in prefixes:
                prefixes.append(common)
    return found, prefixes


def test_pages_show_everything_once_in_order(ann):
    from urllib.parse import quote

    ann.bucket()
    for key in KEYS:
        ann.put(f"docs/{quote(key)}", b"" if key.endswith("/") else b"x")
    for limit in (1, 2, 3, 1000):
        for delimiter in ("", "/", "b", "/b"):
            for prefix in ("", "a", "a/", "b/", "c%_", "c", "zz", "é", "𝄞"):
                query = {"limit": limit, "prefix": quote(prefix), "delimiter": quote(delimiter)}
                assert pages(ann, **query) == expected(KEYS, prefix, delimiter), query


def test_limits_of_a_page(ann):
    ann.bucket()
    for limit in ("0", "1001", "-1", "x"):
        answer = ann.call("GET", f"buckets/docs/objects?limit={limit}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4))
def test_what_lies_after_a_prefix(prefix):
    from reactor_storage.queries import after_all

    behind = after_all(prefix)
    for tail in ("", "a", "\U0010ffff" * 3):
        assert behind is None or (prefix + tail).encode() < behind.encode()
    assert behind is None or not behind.startswith(prefix)


def test_a_folder_costs_by_what_is_shown_and_not_by_what_is_below_it(ann, sql):
    """Documents of all objects below a folder were put together, to be dropped: of a gigabyte Postgres refuses to."""
    ann.bucket()
    ann.put("docs/b", b"shown")
    sql(
        """insert into storage.objects (id, org_id, bucket, key, size, etag, version_id, metadata)
          select gen_random_uuid(), org_id, bucket, 'a/' || n, size, etag, version_id, jsonb_build_object('a', repeat('a', 60000))
          from storage.objects, generate_series(1, 19000) n"""
    )
    for sort in ({}, {"column": "created_at", "order": "desc"}):
        answer = ann.call("POST", "object/list/docs", body={"sortBy": sort} if sort else {})
        assert answer.status_code == 200, answer.text
        assert [(one["name"], one["id"] is None) for one in answer.json()] == [("a", True), ("b", False)]
        assert answer.json()[1]["metadata"]["size"] == 5


def test_entries_of_a_folder_are_sorted_and_searched(ann):
    ann.bucket()
    for key in ("f/b", "f/a/x", "f/a", "f/B", "f/a-b", "f/", "g"):
        ann.put(f"docs/{key}", b"" if key.endswith("/") else key.encode())

    def listed(**body):
        answer = ann.call("POST", "object/list/docs", body={"prefix": "f", **body})
        assert answer.status_code == 200, answer.text
        return [(one["name"], one["metadata"] and one["metadata"]["size"]) for one in answer.json()]

    every = [("B", 3), ("a", 3), ("a", None), ("a-b", 5), ("b", 3)]
    assert listed() == every
    assert listed(sortBy={"column": "name", "order": "desc"}) == [*every[:2:-1], *every[1:3], every[0]]
    assert listed(sortBy={"column": "created_at", "order": "asc"}) == [
        ("b", 3),
        ("a", None),
        ("a", 3),
        ("B", 3),
        ("a-b", 5),
    ]
    assert listed(search="b") == [("B", 3), ("b", 3)]
    assert listed(limit=2, offset=1) == every[1:3]


def test_a_folder_costs_one_step_whatever_is_below_it(ann, sql):
    """Each step was a filter over all that lies before it, so that a folder more cost as much as all rows before it."""
    ann.bucket()
    ann.put("docs/z", b"shown")
    sql(
        """insert into storage.objects (id, org_id, bucket, key, size, etag, version_id)
          select gen_random_uuid(), org_id, bucket, n % 5 || '/' || n, size, etag, version_id
          from storage.objects, generate_series(1, 10000) n"""
    )
    sql("vacuum analyze storage.objects")

    def looked_at():
        counted = """select coalesce(sum(idx_scan), 0), coalesce(sum(idx_tup_read), 0) from pg_stat_user_indexes
          where schemaname = 'storage' and relname = 'objects'"""
        [(scans, rows)] = sql(counted)
        return int(scans), int(rows)

    def settled():
        """Wait until the server's processes have told what they counted."""
        until, last = time.monotonic() + 30, looked_at()
        while time.monotonic() < until:
            time.sleep(3)
            if (now := looked_at()) == last:
                return now
            last = now
        raise AssertionError("the counters move on")

    before = settled()
    found = ann.call("GET", "buckets/docs/objects?delimiter=/").json()
    assert (found["prefixes"], [one["key"] for one in found["objects"]]) == ([f"{n}/" for n in range(5)], ["z"])
    until = time.monotonic() + 30
    while (after := looked_at())[0] < before[0] + 6:
        assert time.monotonic() < until, "nobody tells what was counted"
        time.sleep(0.5)
        ann.call("GET", "usage")
    assert after[1] - before[1] < 1000
