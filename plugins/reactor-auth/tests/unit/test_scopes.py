"""Sets of permission patterns, held against the kernel's matcher on every permission of a small alphabet."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor_auth import scopes
from reactor_kernel.api import ValidationError, grants

SEGMENTS = ("a", "b", "*")
# `*` among the wanted ones on purpose: some capabilities ask for it literally. A third letter stands for all the others.
WANTED = [":".join(parts) for length in range(1, 6) for parts in product(("a", "b", "c", "*"), repeat=length)]
patterns = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4).map(":".join)
sets = st.sets(patterns, max_size=4)


def matched(granted):
    return {wanted for wanted in WANTED if grants(granted, wanted)}


@settings(deadline=None, max_examples=300)
@given(sets, sets)
def test_an_intersection_matches_exactly_what_both_match(left, right):
    common = scopes.intersect(left, right)
    assert matched(common) == matched(left) & matched(right)
    assert all(scopes.problem_of(pattern) is None for pattern in common)


@settings(deadline=None, max_examples=300)
@given(patterns, patterns)
def test_a_pattern_is_covered_exactly_if_all_it_matches_is(wanted, granted):
    covered = matched([wanted]) <= matched([granted])
    assert (scopes.beyond([wanted], [granted]) == []) is covered


@settings(deadline=None, max_examples=300)
@given(sets, sets)
def test_what_is_not_beyond_matches_nothing_new(wanted, granted):
    held = [pattern for pattern in wanted if pattern not in scopes.beyond(wanted, granted)]
    assert matched(held) <= matched(granted)


@settings(deadline=None, max_examples=200)
@given(sets, sets, sets)
def test_narrowing_twice_is_narrowing_by_both(one, two, three):
    assert matched(scopes.intersect(scopes.intersect(one, two), three)) == matched(one) & matched(two) & matched(three)


@pytest.mark.parametrize(
    ("left", "right", "common"),
    [
        ({"*"}, {"data:todos:read"}, {"data:todos:read"}),
        ({"data:*:read"}, {"data:todos:*"}, {"data:todos:read"}),
        ({"data:*:read"}, {"data:todos:write"}, set()),
        ({"data:*"}, {"*"}, {"data:*"}),
        ({"*:read"}, {"data:*"}, {"data:read"}),
        ({"*:*:read"}, {"data:*"}, {"data:*:read"}),
        ({"a:*:c:*"}, {"*:b:*"}, {"a:b:c:*"}),
        ({"functions:*:*"}, {"functions:create"}, set()),
        (set(), {"*"}, set()),
    ],
)
def test_intersections(left, right, common):
    assert scopes.intersect(left, right) == common
    assert scopes.intersect(right, left) == common


@pytest.mark.parametrize(
    ("wanted", "granted"),
    [
        ("*", ["*:*", "data:*"]),
        ("data:*", ["data:*:*"]),
        ("data:*", ["data:*:read", "data:*:write"]),
        ("*:*", ["data:*"]),
        ("data:*:read", ["data:todos:*"]),
        ("data:*:*", ["data:todos:*", "data:*:read"]),
        ("data:todos:*", ["data:*:read"]),
    ],
)
def test_wildcards_that_would_widen(wanted, granted):
    assert scopes.beyond([wanted], granted) == [wanted]


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("", "must be segments without spaces, joined by colons, such as data:todos:read"),
        ("data:", "must be segments without spaces, joined by colons, such as data:todos:read"),
        ("a::b", "must be segments without spaces, joined by colons, such as data:todos:read"),
        ("a b", "must be segments without spaces, joined by colons, such as data:todos:read"),
        ("a\nb", "must be segments without spaces, joined by colons, such as data:todos:read"),
        ("data:to*:read", "must have * as a whole segment only, such as data:*:read"),
        ("**", "must have * as a whole segment only, such as data:*:read"),
        ("a" * 201, "must not be longer than 200 characters"),
        (":".join("a" * 11), "must not have more than 10 segments"),
    ],
)
def test_what_is_no_pattern(pattern, problem):
    with pytest.raises(ValidationError) as refusal:
        scopes.demand(["data:*", pattern], "scopes")
    assert refusal.value.fields == {"scopes[1]": [problem]}


def test_patterns_are_sorted_and_said_once():
    assert scopes.demand(["b", "a", "b", "größe:*"], "scopes") == ("a", "b", "größe:*")
    with pytest.raises(ValidationError):
        scopes.demand([f"a{number}" for number in range(101)], "scopes")
