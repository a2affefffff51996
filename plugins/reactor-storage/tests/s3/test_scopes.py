"""What scopes and permissions grant together, against the platform's own matcher."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor_kernel.api import grants, permission_matches
from reactor_storage.s3.scopes import common, within

_SEGMENT = st.sampled_from(["a", "b", "*"])
_PATTERN = st.lists(_SEGMENT, min_size=1, max_size=4).map(":".join)
_PERMISSION = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5).map(":".join)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(one=_PATTERN, other=_PATTERN, wanted=_PERMISSION)
def test_what_both_grant_is_what_is_common(one, other, wanted):
    meet = common(one, other)
    both = permission_matches(one, wanted) and permission_matches(other, wanted)
    assert (meet is not None and permission_matches(meet, wanted)) is both


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scopes=st.lists(_PATTERN, max_size=3), held=st.lists(_PATTERN, max_size=3), wanted=_PERMISSION)
def test_a_key_never_grants_more_than_either(scopes, held, wanted):
    assert grants(within(scopes, held), wanted) is (grants(scopes, wanted) and grants(held, wanted))


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("*", "storage:*", "storage:*"),
        ("storage:*", "storage:*:read", "storage:*:read"),
        ("storage:docs:*", "storage:*:read", "storage:docs:read"),
        ("storage:*", "data:*", None),
        ("storage:docs", "storage:docs:read", None),
    ],
)
def test_examples(one, other, meet):
    assert common(one, other) == common(other, one) == meet
