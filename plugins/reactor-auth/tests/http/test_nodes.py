"""Several nodes on one database: what one changes, the others know at once."""

from __future__ import annotations

import time

import httpx
import pytest

from reactor_auth.plugin import AuthPlugin


@pytest.fixture
def node(kernel_factory, reactor_config, reactor_database_url, api):
    """A second kernel that hears notifications."""
    from reactor_kernel.testing.server import live

    kernel = kernel_factory(AuthPlugin, config=reactor_config, database_url=reactor_database_url)
    with live(kernel) as server, httpx.Client(base_url=server.url) as client:
        yield client


def eventually(check, seconds=10.0):
    """Wait until `check()` holds; notifications need no more than a moment."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)


def get(node, person, path, **headers):
    return node.get(f"/auth/v1{path}", headers={"Authorization": f"Bearer {person.access_token}", **headers})


def test_a_logout_here_ends_the_session_there(api, ann, node):
    assert get(node, ann, "/user").status_code == 200
    ann.post("/logout")
    eventually(lambda: get(node, ann, "/user").status_code == 401)


def test_a_deleted_user_is_refused_there(api, ann, node):
    assert get(node, ann, "/user").status_code == 200
    ann.delete("/user")
    eventually(lambda: get(node, ann, "/user").status_code == 403)


def test_a_removed_member_is_refused_there(api, ann, bob, node):
    org = ann.make_org("acme")
    api.join(org, bob)
    roles = {"X-Reactor-Org": "acme"}
    assert get(node, bob, "/roles", **roles).status_code == 200
    ann.delete(f"/orgs/acme/members/{bob.id}")
    eventually(lambda: get(node, bob, "/permissions/ctx", **roles).status_code == 403)


def test_a_renamed_organisation_is_known_there(api, ann, node):
    ann.make_org("acme")
    assert get(node, ann, "/permissions/ctx", **{"X-Reactor-Org": "acme"}).status_code == 200
    ann.patch("/orgs/acme", {"slug": "new"})
    eventually(lambda: get(node, ann, "/permissions/ctx", **{"X-Reactor-Org": "acme"}).status_code == 404)
    assert get(node, ann, "/permissions/ctx", **{"X-Reactor-Org": "new"}).status_code == 200


def test_membership_is_read_again_after_thirty_seconds_even_unheard(frozen_clock, api, ann, bob):
    """`api`'s kernel runs no listener, and the row is changed behind its back."""
    org = ann.make_org("acme")
    api.join(org, bob)
    assert bob.get("/roles", org="acme").status_code == 200
    api.sql("DELETE FROM _reactor_auth.memberships WHERE user_id = $1", bob.id)
    frozen_clock.advance(seconds=30)
    api.refused(
        bob.get("/permissions/ctx", org="acme"),
        403,
        "not_org_member",
        "The caller is not a member of this organisation.",
    )
