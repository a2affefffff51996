"""Second factors over two nodes of one project: codes count once, enforcement holds at once and everywhere."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

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


def enrol(person, frozen_clock):
    from pyotp import TOTP

    made = person.post("/factors", {"factor_type": "totp"}).json()
    totp = TOTP(made["totp"]["secret"])
    answer = person.post(f"/factors/{made['id']}/verify", {"code": totp.at(frozen_clock.now())})
    assert answer.status_code == 200, answer.text
    frozen_clock.advance(seconds=30)
    return made["id"], totp, answer.json()["recovery_codes"]


def test_a_code_and_a_recovery_code_count_once_over_two_nodes(frozen_clock, api, ann, node):
    factor_id, totp, codes = enrol(ann, frozen_clock)
    people = [api.sign_in("ann@example.com") for _ in range(4)]

    def spend(path, code):
        def attempt(turn):
            headers = {"Authorization": f"Bearer {people[turn % 4].access_token}"}
            if turn % 2:
                return node.post(f"/auth/v1{path}", headers=headers, json={"code": code})
            return api.call("POST", path, headers=headers, json={"code": code})

        with ThreadPoolExecutor(12) as pool:
            return sorted(answer.status_code for answer in pool.map(attempt, range(12)))

    # A step before, the step itself, a step after; each once, and none of them again.
    for steps in (-1, 0, 1):
        frozen_code = totp.at(frozen_clock.now(), counter_offset=steps)
        expected = [401] * 12 if steps == -1 else [200] + [401] * 11
        assert spend(f"/factors/{factor_id}/verify", frozen_code) == expected
    for code in codes[:2]:
        assert spend("/factors/recovery", code) == [200] + [401] * 11
    assert ann.get("/factors").json()["recovery_codes_left"] == 8


def test_enforcement_reaches_the_other_node_at_once(frozen_clock, api, ann, bob, node):
    org = ann.make_org("acme")
    api.join(org, bob)

    def there(path, token=None):
        headers = {"Authorization": f"Bearer {token or bob.access_token}", "X-Reactor-Org": "acme"}
        answer = node.get(f"/auth/v1{path}", headers=headers)
        return answer.status_code, answer.json().get("error", {}).get("code") if answer.status_code >= 400 else None

    closed, opened = (403, "mfa_required"), (200, None)
    assert there("/permissions") == opened
    assert ann.patch("/orgs/acme", {"mfa_required_roles": ["member"]}).status_code == 200
    eventually(lambda: there("/permissions") == closed)
    assert there("/orgs/acme/members") == closed
    assert there("/factors") == opened

    # Enrolled there, verified here: both doors open, also for the token from before.
    _, _, codes = enrol(bob, frozen_clock)
    eventually(lambda: there("/permissions") == opened)
    assert there("/orgs/acme/members") == opened
    second = api.sign_in("bob@example.com")
    assert there("/permissions", second.access_token) == closed
    assert second.post("/factors/recovery", {"code": codes[0]}).status_code == 200
    eventually(lambda: there("/permissions", second.access_token) == opened)

    # Removed here, closed there, for every session of the user.
    [factor] = bob.get("/factors").json()["factors"]
    assert bob.delete(f"/factors/{factor['id']}").status_code == 204
    eventually(lambda: there("/permissions") == closed and there("/permissions", second.access_token) == closed)
    assert ann.patch("/orgs/acme", {"mfa_required_roles": []}).status_code == 200
    eventually(lambda: there("/permissions") == opened)
