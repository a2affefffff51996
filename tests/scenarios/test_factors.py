"""Second factors over two server processes on one database: codes count once, enforcement holds at once and everywhere."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.thorough]
STEP = 30
# How long a test may take between two codes: the clock is the servers' own, so a step must not end meanwhile.
ROOM = 15


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"]) if answer.status_code >= 400 else "ok"


class App:
    """An authenticator app enrolled at one process and verified at the other, by the code of the step before."""

    def __init__(self, pair: Any, token: str) -> None:
        from pyotp import TOTP

        begun = pair.one.call("POST", "/factors", token, json={"factor_type": "totp"})
        assert begun.status_code == 201, begun.text
        self.path = f"/factors/{begun.json()['id']}"
        self._totp = TOTP(begun.json()["totp"]["secret"])
        while STEP - time.time() % STEP < ROOM:
            time.sleep(0.1)
        self.began = datetime.now(UTC)
        verified = pair.two.call("POST", f"{self.path}/verify", token, json={"code": self.code(-1)})
        assert verified.status_code == 200, verified.text
        self.recovery_codes: list[str] = verified.json()["recovery_codes"]

    def code(self, steps: int) -> str:
        """The code of some steps after the one in which the app was verified."""
        return self._totp.at(self.began, counter_offset=steps)


def test_a_code_and_a_recovery_code_count_once_over_two_processes(start_pair: Any) -> None:
    pair = start_pair(AUTH__LIMITS__SECOND_FACTOR_PER_USER=0)
    ann = pair.one.sign_up("ann@example.com")
    app = App(pair, ann["access_token"])
    people = [node.sign_in("ann@example.com") for node in pair.nodes * 2]
    assert all(person["mfa_required"] for person in people)

    def spend(path: str, given: str) -> Counter[str]:
        """Present a code twelve times at once, in four sessions, at both processes."""

        def attempt(turn: int) -> str:
            person, node = people[turn % 4], pair.nodes[turn // 4 % 2]
            return code(node.call("POST", path, person["access_token"], json={"code": given}))

        with ThreadPoolExecutor(12) as pool:
            return Counter(pool.map(attempt, range(12)))

    once, never = Counter(ok=1, invalid_code=11), Counter(invalid_code=12)
    # Further away than a step, and the one that was used to enrol.
    for steps in (-2, 2, 3, -1):
        assert spend(f"{app.path}/verify", app.code(steps)) == never
    for steps in (0, 1):
        assert spend(f"{app.path}/verify", app.code(steps)) == once
        assert spend(f"{app.path}/verify", app.code(steps)) == never
    assert spend(f"{app.path}/verify", app.code(0)) == never
    assert time.time() // STEP == app.began.timestamp() // STEP, "the step ended before the test did"
    for given in app.recovery_codes[:2]:
        assert spend("/factors/recovery", given) == once
        assert spend("/factors/recovery", given) == never
    for node in pair.nodes:
        left = node.call("GET", "/factors", people[0]["access_token"]).json()["recovery_codes_left"]
        assert left == 8
    [(verified,)] = pair.sql("SELECT count(*) FROM _reactor_auth.audit_events WHERE event_type = 'mfa.verified'")
    assert verified == 5


def test_an_enforced_organisation_demands_a_factor_at_both_processes(start_pair: Any, eventually: Any) -> None:
    pair = start_pair(AUTH__LIMITS__SECOND_FACTOR_PER_USER=0)
    ann, bob = pair.one.sign_up("ann@example.com"), pair.two.sign_up("bob@example.com")
    owner, token = ann["access_token"], bob["access_token"]
    made = pair.one.call("POST", "/orgs", owner, json={"name": "Acme", "slug": "acme"})
    assert made.status_code == 201, made.text
    pair.sql(
        "INSERT INTO _reactor_auth.memberships (user_id, org_id, role_id, joined_at, updated_at) "
        "SELECT %s, org_id, id, now(), now() FROM _reactor_auth.roles WHERE name = 'member'",
        bob["id"],
    )

    def doors(access_token: str = token) -> list[str]:
        """What Bob finds at each process: his permissions, the members, a table."""
        headers = {"X-Reactor-Org": "acme", "Authorization": f"Bearer {access_token}"}
        found = []
        for node in pair.nodes:
            for url in ("auth/v1/permissions", "auth/v1/orgs/acme/members", "data/v1/notes"):
                found.append(code(httpx.get(f"{node.server.url}/{url}", headers=headers, timeout=20)))
        return found

    # There are no notes to see, which is another matter.
    closed, opened = ["mfa_required"] * 6, ["ok", "ok", "table_not_found"] * 2
    assert doors() == opened
    demand = pair.one.call("PATCH", "/orgs/acme", owner, json={"mfa_required_roles": ["member"]})
    assert code(demand) == "ok"
    eventually(lambda: doors() == closed)
    # What opens the door again stays open.
    assert [code(node.call("GET", "/factors", token)) for node in pair.nodes] == ["ok", "ok"]

    app = App(pair, token)
    eventually(lambda: doors() == opened)
    second = pair.two.sign_in("bob@example.com")
    assert second["mfa_required"] is True
    assert doors(second["access_token"]) == closed
    recovered = pair.one.call("POST", "/factors/recovery", second["access_token"], json={"code": app.recovery_codes[0]})
    assert code(recovered) == "ok"
    eventually(lambda: doors(second["access_token"]) == opened)
    # A refresh keeps it.
    renewed = pair.two.refresh(recovered.json()["refresh_token"]).json()["access_token"]
    assert doors(renewed) == opened

    assert code(pair.two.call("DELETE", app.path, token)) == "ok"
    eventually(lambda: doors() + doors(renewed) == closed * 2)
    assert code(pair.two.call("PATCH", "/orgs/acme", owner, json={"mfa_required_roles": []})) == "ok"
    eventually(lambda: doors() == opened)
