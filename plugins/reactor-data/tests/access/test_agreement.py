"""The verdict is what the HTTP API does: random callers, rows and actions, asked about first and done afterwards."""

from __future__ import annotations

import random
from typing import Any

import pytest

NAMES = """notes no_policy shut ungranted in_part walled only_walls by_team by_lookup expiring dropbox archive by_helper numbered
others by_plan by_any stepped_up whole strict stamped free notes_seen"""
TABLES = NAMES.split()
ASKED = 120


class Chance:
    """Makes questions out of a few callers and values, so that they often meet."""

    def __init__(self, seed: int, make_caller: Any, rows: Any) -> None:
        self.dice = random.Random(seed)
        self.rows = rows
        first, second = make_caller(), make_caller()
        self.callers = [
            first,
            second,
            make_caller(user_id=first.user_id, org_id=None, org_role=None),
            make_caller(user_id=first.user_id, org_id=second.org_id, org_role="owner", permissions=("notes:*",)),
            make_caller(org_id=first.org_id, more={"plan": "pro", "aal": "aal2"}, permissions=("*",)),
        ]
        self.orgs = [first.org_id, second.org_id, None]
        self.owners = [first.user_id, second.user_id, None]
        for org in self.orgs[:2]:
            for owner in self.owners[:2]:
                rows(
                    "insert into members values ($1, $2, $3) returning 1",
                    org,
                    owner,
                    self.dice.choice(("true", "false")),
                )

    def values(self, table: str, share: float) -> dict[str, Any]:
        pick = self.dice.choice
        choices: dict[str, Any] = {
            "org_id": pick(self.orgs),
            "owner_id": pick(self.owners),
            "a": pick(["x", "secret", "forbidden", "archived", "public", "moved", "trigger", None, "a'b\"c"]),
            "n": pick([None, 0, 1, 2, 50, 100]),
        }
        if table == "expiring":
            choices["until"] = pick(["2001-01-01", "2999-01-01"])
        if table == "notes_seen":
            del choices["owner_id"], choices["n"]
        return {name: value for name, value in choices.items() if self.dice.random() < share}

    def fill(self, table: str, who: Any) -> None:
        values = self.values(table, 1.0)
        if self.dice.random() < 0.7:
            values |= {"org_id": who.org_id} | ({"owner_id": who.user_id} if "owner_id" in values else {})
        if table in ("strict", "stamped"):
            values |= {"a": str(self.dice.random()), "n": 1}  # nothing that its trigger or constraints mind
        names = ", ".join(values)
        places = ", ".join(f"${at + 1}" for at in range(len(values)))
        sent = [None if value is None else str(value) for value in values.values()]
        self.rows(f"insert into {table} ({names}) values ({places}) returning 1", *sent)

    def question(self, table: str, who: Any) -> tuple[str, dict[str, Any]]:
        action = self.dice.choice(["select", "insert", "update", "delete"])
        body: dict[str, Any] = {}
        if action != "insert":
            self.fill(table, who)
            found = self.rows(f"select id::text from {table} order by id desc limit 1")
            unknown = "0" if table == "numbered" else "00000000-0000-0000-0000-000000000000"
            body["key"] = {"id": unknown if self.dice.random() < 0.1 else found[0][0]}
        if action in ("insert", "update"):
            body["values"] = self.values(table, 0.5)
            if "org_id" in body["values"] and self.dice.random() < 0.6:
                body["values"]["org_id"] = who.org_id
            if action == "update" and not body["values"]:
                body["values"] = {"a": "x"}
        if action != "select" and self.dice.random() < 0.4:
            body["returning"] = True
        if self.dice.random() < 0.3 and (action == "select" or body.get("returning")):
            body["columns"] = ["id", "a"]
        return action, body


@pytest.mark.parametrize("seed", range(4))
def test_the_verdict_is_what_requests_meet(seed: int, make_caller: Any, rows: Any, explained: Any, do: Any) -> None:
    chance = Chance(seed, make_caller, rows)
    differences, allowed, doubtful = [], 0, []
    for _ in range(ASKED):
        table = chance.dice.choice(TABLES)
        who = chance.dice.choice(chance.callers)
        action, body = chance.question(table, who)
        found = explained(who, table, action, **body)
        happened = do(who, table, action, body)
        allowed += happened
        if found["allowed"] != happened:
            differences.append((table, action, body, who.claims, found))
        if "although" in found["reason"]:
            doubtful.append((table, action, body, found))
    assert differences == []
    # The prediction, which names the clause, is never contradicted by the trial.
    assert doubtful == []
    assert ASKED * 0.1 < allowed < ASKED * 0.9
