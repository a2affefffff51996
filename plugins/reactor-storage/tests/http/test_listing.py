"""Listings: order, prefixes, pages."""

from __future__ import annotations

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
