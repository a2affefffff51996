"""The system roles grant what the contract says."""

from __future__ import annotations

import pytest

from reactor_auth.permissions import PERMISSIONS, SYSTEM_ROLES
from reactor_kernel.api import grants

ROLES = {role.name: role.permissions for role in SYSTEM_ROLES}


@pytest.mark.parametrize(
    ("role", "wanted", "granted"),
    [
        ("owner", "anything:at:all", True),
        ("admin", "functions:create", True),
        ("admin", "jobs:create", True),
        ("admin", "sites:create", True),
        ("admin", "storage:bucket:create", True),
        ("admin", "data:rpc:f:invoke", True),
        ("admin", "auth:members:write", True),
        ("admin", "auth:audit:read", True),
        ("admin", "auth:orgs:write", False),
        ("admin", "*", False),
        ("member", "data:todos:read", True),
        ("member", "data:todos:write", False),
        ("member", "functions:hello:invoke", True),
        ("member", "functions:create", False),
        ("member", "auth:members:write", False),
    ],
)
def test_grants(role, wanted, granted):
    assert grants(ROLES[role], wanted) is granted


def test_every_permission_of_this_plugin_is_explained():
    assert all(name.startswith("auth:") and meaning for name, meaning in PERMISSIONS.items())
