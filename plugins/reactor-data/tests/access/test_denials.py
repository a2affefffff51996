"""A hundred seeded denials: each is one over HTTP as well, and what denies it is named."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

SEEDS = 3
ORG = "org_id = (select auth.org_id())"
WORDS = ["alpha", "beta", "gamma", "it's", 'quo"te', "a and b or (c", "ünï"]


@dataclass
class Case:
    """One denial: who, what, and what must be named: a policy's failing clause, a missing right or words of the reason."""

    name: str
    who: Any
    table: str
    action: str
    body: dict[str, Any]
    policy: str | None = None
    clause: str | None = None
    right: str | None = None
    words: str | None = None
    over_http: bool = True


class World:
    """Callers and rows that differ from seed to seed."""

    def __init__(self, seed: int, make_caller: Callable[..., Any], put: Callable[..., str], rows: Any) -> None:
        self.dice = random.Random(seed)
        self.make, self.put, self.rows = make_caller, put, rows
        self.me, self.other = make_caller(permissions=("notes:read",)), make_caller()

    @property
    def word(self) -> str:
        return self.dice.choice(WORDS)

    def uuid(self) -> str:
        return str(UUID(int=self.dice.getrandbits(128), version=4))

    def row(self, table: str, **values: Any) -> dict[str, str]:
        """Put a row of mine into a table; return the key that names it."""
        mine = {"org_id": self.me.org_id, "owner_id": self.me.user_id, "a": self.word, "n": self.dice.randint(1, 9)}
        return {"id": self.put(table, **(mine | values))}

    def nobodys(self, table: str, **values: Any) -> dict[str, str]:
        """Put a row of another tenant into it."""
        return self.row(table, **({"org_id": self.other.org_id, "owner_id": self.other.user_id} | values))


# One denial after the other reads as a table.
# fmt: off
def cases(w: World) -> Iterator[Case]:
    me, strange = w.me, w.make(org_id=None, org_role=None)
    yield Case("select: other tenant", me, "notes", "select", {"key": w.nobodys("notes")}, "notes_read", ORG)
    yield Case("select: no row", me, "notes", "select", {"key": {"id": w.uuid()}}, words="no row of notes has id = ")
    yield Case("select: no org", strange, "notes", "select", {"key": w.row("notes")}, "notes_read", ORG,
               words="which is null, because (select auth.org_id()) is null")
    yield Case("update: no row", me, "notes", "update", {"key": {"id": w.uuid()}, "values": {"a": w.word}}, words="no row of")
    yield Case("delete: no row", me, "notes", "delete", {"key": {"id": w.uuid()}}, words="no row of notes has id = ")
    yield Case("update: hidden", me, "notes", "update", {"key": w.nobodys("notes"), "values": {"a": w.word}}, "notes_read", ORG,
               words="is hidden: the filter of the update reads columns")
    yield Case("update: not the owner", me, "notes", "update",
               {"key": w.row("notes", owner_id=w.other.user_id), "values": {"a": w.word}}, "notes_write__update",
               "owner_id = (select auth.user_id())")
    yield Case("update: to another tenant", me, "notes", "update", {"key": w.row("notes"), "values": {"org_id": w.other.org_id}},
               "notes_write__update_check", ORG)
    yield Case("update: forbidden text", me, "notes", "update", {"key": w.row("notes"), "values": {"a": "forbidden"}},
               "notes_write__update_check", "a IS DISTINCT FROM 'forbidden'::text")
    yield Case("update: too large", me, "notes", "update", {"key": w.row("notes"), "values": {"n": w.dice.randint(11, 99)}},
               "notes_write__update_check", "(n IS NULL) OR ((n >= 0) AND (n <= 10))")
    yield Case("insert: other tenant", me, "notes", "insert", {"values": {"a": w.word, "org_id": w.other.org_id}},
               "notes_write__insert", ORG)
    yield Case("insert: default is no org", strange, "notes", "insert", {"values": {"a": w.word}}, "notes_write__insert", ORG)
    yield Case("insert: forbidden text", me, "notes", "insert", {"values": {"a": "forbidden"}}, "notes_write__insert",
               "a IS DISTINCT FROM 'forbidden'::text")
    yield Case("delete: no permission", me, "notes", "delete", {"key": w.row("notes")}, "notes_delete",
               "(select auth.has_permission('notes:delete'::text))")
    yield Case("generated column", me, "notes", "insert", {"values": {"shout": "X"}},
               words='cannot insert a non-DEFAULT value into column "shout"')
    for action, more in (("select", {}), ("update", {"values": {"a": w.word}}), ("delete", {})):
        yield Case(f"{action}: no policy", me, "no_policy", action, {"key": w.row("no_policy"), **more},
                   words="no policy for select applies to role reactor_authenticated")
        yield Case(f"{action}: false", me, "shut", action, {"key": w.row("shut"), **more}, "shut_all", "false")
        yield Case(f"{action}: no grant", me, "ungranted", action, {"key": w.row("ungranted"), **more},
                   right="SELECT on table ungranted")
    yield Case("insert: no policy", me, "no_policy", "insert", {"values": {"a": w.word}},
               words="no policy for insert applies to role reactor_authenticated")
    yield Case("insert: false", me, "shut", "insert", {"values": {"a": w.word}}, "shut_all", "false")
    yield Case("insert: no grant", me, "ungranted", "insert", {"values": {"a": w.word}}, right="INSERT on table ungranted")
    yield Case("insert: no grant, no values", me, "ungranted", "insert", {"values": {}}, right="INSERT on table ungranted")
    yield Case("select: column", me, "in_part", "select", {"key": w.row("in_part")}, right="SELECT on column in_part.org_id")
    yield Case("select: named column", me, "in_part", "select", {"key": w.row("in_part"), "columns": ["id", "n"]},
               right="SELECT on column in_part.n")
    yield Case("update: column", me, "in_part", "update", {"key": w.row("in_part"), "values": {"n": 1}},
               right="UPDATE on column in_part.n")
    yield Case("insert: column", me, "in_part", "insert", {"values": {"a": w.word, "n": 1}}, right="INSERT on column in_part.n")
    yield Case("delete: table", me, "in_part", "delete", {"key": w.row("in_part")}, right="DELETE on table in_part")
    yield Case("insert: returned column", me, "in_part", "insert", {"values": {"a": w.word}, "returning": True},
               right="SELECT on column in_part.org_id")
    yield Case("restrictive: other tenant", me, "walled", "select", {"key": w.nobodys("walled")}, "walled_wall", ORG)
    yield Case("restrictive: text", me, "walled", "select", {"key": w.row("walled", a="secret")}, "walled_wall",
               "a <> 'secret'::text")
    yield Case("restrictive: null", me, "walled", "select", {"key": w.row("walled", a=None)}, "walled_wall",
               "a <> 'secret'::text", words="which is null, because a is null")
    yield Case("restrictive: insert", me, "walled", "insert", {"values": {"org_id": w.other.org_id, "a": w.word}}, "walled_wall",
               ORG)
    yield Case("restrictive: moved", me, "walled", "update", {"key": w.row("walled"), "values": {"org_id": None}}, "walled_wall",
               ORG)
    yield Case("only restrictive", me, "only_walls", "select", {"key": w.row("only_walls")},
               words="only restrictive policies for select apply")
    yield Case("sub-select: not a member", me, "by_team", "select", {"key": w.row("by_team")}, "by_team_all",
               words='policy "by_team_all" fails at EXISTS ( SELECT 1')
    w.rows("insert into members values ($1, $2, false) on conflict do nothing", w.other.org_id, me.user_id)
    yield Case("sub-select: membership hidden", me, "by_team", "select", {"key": w.nobodys("by_team")}, "by_team_all",
               words='policy "by_team_all" fails at EXISTS ( SELECT 1')
    yield Case("sub-select: no grant", me, "by_lookup", "select", {"key": w.row("by_lookup")},
               right='SELECT on table lookups, which policy "by_lookup_all" reads')
    past, ahead = "2001-01-01", "2999-01-01"
    yield Case("expired", me, "expiring", "select", {"key": w.row("expiring", until=past)}, "expiring_all", "until > now()")
    yield Case("expiring, other tenant", me, "expiring", "select", {"key": w.nobodys("expiring", until=ahead)}, "expiring_all",
               ORG)
    yield Case("insert: expired", me, "expiring", "insert", {"values": {"org_id": me.org_id, "until": past}}, "expiring_all",
               "until > now()")
    yield Case("written only: read", me, "dropbox", "select", {"key": w.row("dropbox")}, words="no policy for select applies")
    yield Case("written only: update", me, "dropbox", "update", {"key": w.row("dropbox"), "values": {"n": 1}},
               words="is hidden: the filter of the update reads columns")
    yield Case("written only: delete", me, "dropbox", "delete", {"key": w.row("dropbox")},
               words="is hidden: the filter of the delete reads columns")
    yield Case("written only: check", me, "dropbox", "insert", {"values": {"n": 1}}, "dropbox_put", "a IS NOT NULL")
    yield Case("written only: returned", me, "dropbox", "insert", {"values": {"a": w.word}, "returning": True},
               words="the new row could not be returned, because no policy shows it")
    yield Case("made invisible", me, "archive", "update", {"key": w.row("archive"), "values": {"a": "archived"}}, "archive_read",
               "a IS DISTINCT FROM 'archived'::text", words="would not be visible any more after the update")
    yield Case("no policy for delete", me, "archive", "delete", {"key": w.row("archive")},
               words="no policy for delete applies to role reactor_authenticated")
    yield Case("helper: not the owner", me, "by_helper", "select", {"key": w.nobodys("by_helper")}, "by_helper_read",
               "private.is_owner(owner_id)")
    yield Case("helper: not executable", me, "by_helper", "delete", {"key": w.row("by_helper")},
               right='EXECUTE on function private.is_admin(), which policy "by_helper_write" calls')
    yield Case("sequence", me, "numbered", "insert", {"values": {"a": w.word}},
               right="USAGE on sequence numbered_id_seq, which the default of column id takes numbers from")
    yield Case("for another role", me, "others", "select", {"key": w.row("others")},
               words='no policy for select applies to role reactor_authenticated; policy "others_anon" is for reactor_anon')
    free = w.make(user_id=me.user_id, org_id=me.org_id, more={"plan": "free"})
    plan = (
        "((NULLIF(current_setting('request.jwt.claims'::text, true), ''::text))::jsonb ->> 'plan'::text) = 'pro'::text"
    )
    yield Case("claim: another", free, "by_plan", "select", {"key": w.row("by_plan")}, "by_plan_all", plan)
    yield Case("claim: none", me, "by_plan", "insert", {"values": {"a": w.word}}, "by_plan_all", plan,
               words="which is null, because ((NULLIF(")
    yield Case("any of three", me, "by_any", "select", {"key": w.nobodys("by_any", a="public", n=None)}, "by_any_all",
               "((a = 'public'::text) AND (n IS NOT NULL)) OR (owner_id = (select auth.user_id()))"
               " OR ((select auth.role()) = 'owner'::text)")
    yield Case("step-up", me, "stepped_up", "update", {"key": w.row("stepped_up"), "values": {"a": w.word}}, "stepped_up_aal",
               words='restrictive policy "stepped_up_aal" fails at ')
    yield Case("step-up, not the owner", me, "stepped_up", "update", {"key": w.nobodys("stepped_up"), "values": {"a": w.word}},
               "stepped_up_own", "owner_id = (select auth.user_id())")
    yield Case("another schema", me, "private.kept", "select", {"key": w.row("private.kept")}, right="USAGE on schema private",
               over_http=False)
    yield Case("the whole row", me, "whole", "select", {"key": w.row("whole", n=3)}, "whole_all", "is_even(whole.*)")
    yield Case("not null", me, "strict", "insert", {"values": {"n": 1}},
               words='null value in column "a" of relation "strict" violates not-null constraint')
    yield Case("check", me, "strict", "insert", {"values": {"a": w.uuid(), "n": 100}},
               words='new row for relation "strict" violates check constraint "strict_n_check"')
    w.row("strict", a=(taken := w.uuid()))
    yield Case("unique", me, "strict", "insert", {"values": {"a": taken}},
               words='duplicate key value violates unique constraint "strict_a_key"')
    yield Case("trigger", me, "strict", "insert", {"values": {"a": "trigger"}}, words="no triggers here (P0001)")
    yield Case("moved by a trigger", me, "stamped", "insert", {"values": {"a": "moved", "org_id": me.org_id}}, "stamped_all", ORG)
    yield Case("updated by a trigger", me, "stamped", "update", {"key": w.row("stamped"), "values": {"a": "moved"}},
               "stamped_all", ORG)
    yield Case("no value of its type", me, "strict", "insert", {"values": {"a": "x", "n": "many"}},
               words='invalid input syntax for type integer: "many"')
    yield Case("through a view", me, "notes_seen", "select", {"key": w.nobodys("notes")},
               words="notes_seen is a view: ask about public.notes")
    expired = {"claims": me.claims | {"exp": 1_000_000_000}}
    yield Case("token expired", expired, "notes", "select", {"key": w.row("notes")},
               words="requests are refused with 401 token_expired", over_http=False)
    early = {"claims": me.claims | {"nbf": 4_000_000_000}}
    yield Case("token too early", early, "notes", "select", {"key": w.row("notes")},
               words="requests are refused with 401 invalid_token", over_http=False)
    yield Case("anonymous", {"claims": {"role": "anon"}}, "notes", "select", {"key": w.row("notes")},
               words="requests without a token are refused with 401 unauthorized", over_http=False)
    yield Case("no member", {"user_id": me.user_id, "org": "elsewhere"}, "notes", "select", {"key": w.row("notes")},
               words="refused with 403 not_org_member: the user is no member of this organisation", over_http=False)


# fmt: on
def wrong(case: Case, found: dict[str, Any]) -> str | None:
    """Return what of an answer is not what the case demands."""
    if found["allowed"]:
        return f"allowed: {found['reason']}"
    if case.right is not None and case.right not in found["grant"].get("missing", []):
        return f"missing is {found['grant']}: {found['reason']}"
    if case.right is not None and case.right not in found["reason"]:
        return f"the reason does not name the right: {found['reason']}"
    if case.right is None and not found["grant"]["ok"] and found["role"] is not None:
        return f"grants are missing: {found['grant']}"
    if case.words is not None and case.words not in found["reason"]:
        return f"the reason is: {found['reason']}"
    if case.policy is not None:
        named = [one for one in found["policies"] if case.policy in (one["name"], one["declared"])]
        failing = [one["failing"] for one in named if "failing" in one]
        if not failing:
            return f"policy {case.policy} does not fail: {found}"
        if case.clause is not None and (case.clause not in failing or case.clause not in found["reason"]):
            return f"policy {case.policy} fails at {failing}: {found['reason']}"
        if f'"{named[0]["declared"] or case.policy}"' not in found["reason"]:
            return f"the reason does not name the policy: {found['reason']}"
    return None


def test_a_hundred_denials_name_what_denies_them(
    make_caller: Any, put: Any, rows: Any, explained: Any, do: Any
) -> None:
    seen, problems = 0, []
    for seed in range(SEEDS):
        for case in cases(World(seed, make_caller, put, rows)):
            seen += 1
            where = f"{case.name} ({seed})"
            fault = wrong(case, explained(case.who, case.table, case.action, **case.body))
            if fault is not None:
                problems.append(f"{where}: {fault}")
            if case.over_http and do(case.who, case.table, case.action, case.body):
                problems.append(f"{where}: allowed over HTTP")
    assert problems == []
    assert seen >= 100
