"""Every rule of the linter: what it finds in a database, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from reactor_data.lint.linter import PolicyLinter
from reactor_kernel.api import Readiness

T = "create table t (id int primary key, org_id uuid, owner_id uuid, a text);\ncreate index on t (org_id);\n"
# Beside what a case is about, the table is as it should be.
READ = "policy t_read on t for select using (org_id = auth.org_id());\n"
F = "create function f() returns int language sql"


def found(lab: Any, sql: str) -> list[tuple[str, str, str]]:
    lab.write("001.sql", sql)
    lab.apply()
    return [(one.level, one.code, one.object) for one in PolicyLinter(lab.db, ["public"]).findings()]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (T + READ, []),
        (T + "policy p on t for select using (auth.has_permission('t:read'));",
         [("error", "bare_permission", "public.t policy p")]),
        (T + "policy p on t for select using (auth.has_permission('t:read') and org_id = auth.org_id());", []),
        (T + "create policy p on t for select using ((select auth.has_permission('t:read')));",
         [("error", "bare_permission", "public.t policy p")]),
        (T + "policy p on t for select using (auth.user_id() is not null);",
         [("error", "unscoped_policy", "public.t policy p")]),
        (T + "policy p on t for select using (true);", [("error", "unscoped_policy", "public.t policy p")]),
        (T + "create policy p on t using (false);", []),
        (T + "create policy p on t for insert with check ('org_id' = 'a');",
         [("error", "unscoped_policy", "public.t policy p")]),
        # A restrictive wall ties it to the row; so does a sub-select that compares the row.
        (T + "create policy p on t using (true);\n"
         "create policy w on t as restrictive using (org_id = (select auth.org_id()));", []),
        (T + "create policy p on t for select using (exists (select from t o where o.owner_id = t.org_id));", []),
        (T + "create policy p on t for select using (exists (select from t o where o.owner_id = (select auth.user_id())));",
         [("error", "unscoped_policy", "public.t policy p")]),
        (T + READ + "policy w on t for insert check (org_id = auth.org_id());", []),
        (T + READ + "policy w on t for insert check (auth.has_permission('t:write'));",
         [("error", "bare_permission", "public.t policy w")]),
        (T + READ + "policy w on t for insert check (auth.has_permission('t:write'));\n"
         "policy v on t for insert check (org_id = auth.org_id());", []),
        (T + READ + "policy w on t for update using (org_id = auth.org_id()) check (auth.is_authenticated());",
         [("error", "unscoped_policy", "public.t policy w")]),
        (T + READ + "policy w on t for update using (org_id = auth.org_id()) check (org_id = auth.org_id());", []),
        ("create table u (id int primary key);\ncreate policy p on u for select using (true);",
         [("info", "policy_without_row", "public.u policy p")]),
        ("create table u (id int primary key);\ncreate policy p on u for delete using ((select auth.is_authenticated()));",
         [("warning", "policy_without_row", "public.u policy p")]),
        (T + "create policy p on t for select using (org_id = auth.org_id());",
         [("warning", "unwrapped_call", "public.t policy p")]),
        (T + "create policy p on t for select using (a = current_setting('request.method'));",
         [("warning", "unwrapped_call", "public.t policy p"),
          ("info", "policy_column_without_index", "public.t policy p")]),
        (T + READ + "policy w on t for update check (org_id = auth.org_id());",
         [("warning", "update_without_using", "public.t policy w")]),
        (T + READ + "policy w on t for update check (org_id = auth.org_id());\n"
         "policy v on t for update using (org_id = auth.org_id());", []),
        (T + "policy p on t for select using (owner_id = auth.user_id());",
         [("info", "policy_column_without_index", "public.t policy p")]),
        (T + "policy p on t for select using (owner_id = auth.user_id());\ncreate index on t (owner_id);", []),
        (T + "policy p on t for select using (owner_id = auth.user_id());\ncreate index on t (a, owner_id);",
         [("info", "policy_column_without_index", "public.t policy p")]),
        ("create table u (id int primary key);", [("info", "no_policy", "public.u")]),
        ("create table u (id int primary key) with (rls = false);", [("error", "table_open", "public.u")]),
        ("create table u (id int primary key) with (rls = false);\n"
         "revoke insert, update, delete on u from reactor_anon, reactor_authenticated;", [("warning", "table_open", "public.u")]),
        ("create table u (id int primary key) with (rls = false);\nrevoke all on u from reactor_anon, reactor_authenticated;", []),
        (T + READ + "create view v as select a from t;", []),
        (T + READ + "create view v with (security_invoker = false) as select a from t;",
         [("error", "view_reads_as_owner", "public.v")]),
        (T + READ + "create view v with (security_invoker = false) as select 1 as a;", []),
        (T + READ + "create view v with (security_invoker = false) as select a from t;\n"
         "revoke all on v from reactor_anon, reactor_authenticated;", []),
        (f"{F} return 1;", []),
        (f"{F} security definer return 1;", [("error", "definer_without_search_path", "f()")]),
        (f"{F} security definer set search_path = '' return 1;", [("warning", "definer_function", "f()")]),
        (f"{F} security definer set search_path = '' return 1;\n"
         "revoke execute on function f() from reactor_anon, reactor_authenticated;", [("info", "definer_function", "f()")]),
        (f"{F} return 1;\ngrant execute on function f() to public;", [("warning", "function_for_public", "f()")]),
        ("create schema s;\ncreate function s.g() returns int language sql security definer return 1;",
         [("error", "definer_without_search_path", "s.g()")]),
    ],
)  # fmt: skip
def test_each_rule(sql: str, expected: list[tuple[str, str, str]], lab: Any) -> None:
    assert found(lab, sql) == expected


def test_a_finding_says_what_why_and_how_to_mend_it(lab: Any) -> None:
    found(lab, T + "policy p on t for select using (auth.has_permission('t:read'));")
    (one,) = PolicyLinter(lab.db, ["public"]).findings()
    assert str(one) == (
        "public.t policy p: USING asks for a permission and mentions no column of t; a permission says nothing about the row:"
        " whoever has it in one organisation gets at the rows of all [bare_permission]\n"
        "  fix: tie it to the row, e.g. org_id = (select auth.org_id()) and …"
    )


def test_doctor_sums_up_what_is_serious(lab: Any) -> None:
    linter = PolicyLinter(lab.db, ["public"])
    lab.write("001.sql", T + "policy p on t for select using (owner_id = auth.user_id());")
    lab.apply()
    calm = linter.probe()
    assert (calm.status, calm.message, calm.details) == (
        Readiness.OK,
        "policies, grants and functions look as meant",
        {"findings": []},
    )
    lab.write("002.sql", "".join(f"create table u{n} (id int) with (rls = false);\n" for n in range(5)))
    lab.apply()
    worried = linter.probe()
    granted = "SELECT, INSERT, UPDATE, DELETE"
    each = f"row security is off, and there is granted {granted} to reactor_anon; {granted} to reactor_authenticated"
    assert (worried.status, worried.message) == (
        Readiness.WARN,
        f"public.u0: {each}; public.u1: {each}; public.u2: {each}; and 2 more; see: reactor data lint",
    )
    assert [one["object"] for one in worried.details["findings"]] == [f"public.u{n}" for n in range(5)]


def test_a_migration_warns_of_what_it_brings_and_of_nothing_else(lab: Any) -> None:
    linter = PolicyLinter(lab.db, ["public"])
    lab.write("001.sql", "create table u (id int) with (rls = false);")
    assert [one.code for one in lab.apply(findings=linter.findings).warnings] == ["table_open"]
    assert lab.apply(findings=linter.findings).warnings == ()
    lab.write(
        "002.sql",
        T + "policy p on t for select using (auth.has_permission('x'));\npolicy q on t for delete using (true);",
    )
    lab.write("003.sql", "policy q on t for delete using (org_id = auth.org_id());")
    # What a later file of the same run has mended is not worth a word.
    assert [(one.code, one.object) for one in lab.apply(findings=linter.findings).warnings] == [
        ("bare_permission", "public.t policy p")
    ]
