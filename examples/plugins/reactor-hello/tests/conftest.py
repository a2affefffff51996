"""What `kernel` boots in these tests: hello, and two callers of different organisations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reactor_hello.plugin import HelloPlugin
from reactor_kernel.api import DbRole, Identity, IdentityKind
from reactor_kernel.testing import fake_identities

ORG_A = "019213f5-0000-7000-8000-00000000000a"
ORG_B = "019213f5-0000-7000-8000-00000000000b"


def _user(name: str, org: str, *permissions: str) -> Identity:
    return Identity(
        kind=IdentityKind.USER,
        subject=f"user_{name}",
        db_role=DbRole.AUTHENTICATED,
        user_id=name,
        org_id=org,
        permissions=frozenset(permissions),
    )


Callers = fake_identities(
    {
        "ann": _user("ann", ORG_A, "hello:*"),
        "ben": _user("ben", ORG_B, "hello:*"),
        "reader": _user("reader", ORG_A, "hello:read"),
    }
)


@pytest.fixture
def reactor_plugins() -> list[type]:
    return [HelloPlugin, Callers]


@pytest.fixture
def reactor_config() -> Mapping[str, Any]:
    return {"hello": {"greeting": "Ahoy", "keep_days": 7, "seal_key": "0123456789abcdef"}}
