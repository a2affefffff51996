"""The policy statement: every row of the contract's mapping table, and every complaint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_data.sql.native import create_base, create_statement, native_name, native_policies, needs_base
from reactor_data.sql.policy import PolicyDeclaration
from reactor_data.sql.script import PlainStatement, RemovalStatement, parse_script
from reactor_data.sql.source import SqlComplaint, SqlSource

U, C = "using (a = auth.org_id())", "check (b)"
WRAPPED = "a = (select auth.org_id())"


def natives(sql: str) -> list[str]:
    (policy,) = parse_script(SqlSource("m.sql", sql))
    assert isinstance(policy, PolicyDeclaration)
    return [create_statement(native, '"t"', ["r"]).sql for native in native_policies(policy)]


@pytest.mark.parametrize(
    ("scopes", "clauses", "expected"),
    [
        ("select", U, [f'"n__select" on "t" as permissive for select to "r" using ({WRAPPED})']),
        ("delete", U, [f'"n__delete" on "t" as permissive for delete to "r" using ({WRAPPED})']),
        ("insert", C, ['"n__insert" on "t" as restrictive for insert to "r" with check (b)']),
        ("insert", U, [f'"n__insert" on "t" as permissive for insert to "r" with check ({WRAPPED})']),
        ("insert", f"{U} {C}", ['"n__insert" on "t" as restrictive for insert to "r" with check (b)']),
        ("update", U, [f'"n__update" on "t" as permissive for update to "r" using ({WRAPPED})']),
        (
            "update",
            f"{U} {C}",
            [
                f'"n__update" on "t" as permissive for update to "r" using ({WRAPPED}) with check (true)',
                '"n__update_check" on "t" as restrictive for update to "r" with check (b)',
            ],
        ),
        ("update", C, ['"n__update_check" on "t" as restrictive for update to "r" with check (b)']),
        (
            "delete, select, delete",
            U,
            [
                f'"n__select" on "t" as permissive for select to "r" using ({WRAPPED})',
                f'"n__delete" on "t" as permissive for delete to "r" using ({WRAPPED})',
            ],
        ),
    ],
)
def test_each_scope_becomes_the_native_policies_of_the_contract(scopes: str, clauses: str, expected: list[str]) -> None:
    assert natives(f"policy n on t for {scopes} {clauses};") == [f"create policy {text}" for text in expected]


def test_all_is_the_four_scopes() -> None:
    assert natives(f"POLICY N ON t FOR ALL {U} {C}") == natives(
        f"policy n on t for select, insert, update, delete {U} {C}"
    )


def test_the_base_lets_insert_checks_decide() -> None:
    assert create_base('"t"', ["r", "s"]) == (
        'create policy "reactor__insert" on "t" as permissive for insert to "r", "s" with check (true)'
    )
    for clause, needed in ((C, True), (U, False), (f"{U} {C}", True)):
        (policy,) = parse_script(SqlSource("m.sql", f"policy n on t for insert {clause}"))
        assert isinstance(policy, PolicyDeclaration)
        assert needs_base(policy) is needed


@pytest.mark.parametrize(
    ("written", "compiled"),
    [
        ("auth.org_id() = o", "(select auth.org_id()) = o"),
        ("(select auth.org_id()) = o", "(select auth.org_id()) = o"),
        ("AUTH . Org_Id ( ) = o", "(select AUTH . Org_Id ( )) = o"),
        ("auth.in_org(auth.org_id())", "(select auth.in_org((select auth.org_id())))"),
        ("auth.has_permission('a,b')", "(select auth.has_permission('a,b'))"),
        ("auth.has_permission(format('%s', 1, 2))", "(select auth.has_permission(format('%s', 1, 2)))"),
        ("x = 'auth.nope()' /* auth.nope() */", "x = 'auth.nope()'"),
        ("my.auth.nope()", "my.auth.nope()"),
        ("auth.org_id = 1", "auth.org_id = 1"),
        (
            "o = (current_setting('request.jwt.claims', true)::jsonb->>'org_id')::uuid",
            "o = (current_setting('request.jwt.claims', true)::jsonb->>'org_id')::uuid",
        ),
    ],
)
def test_calls_of_auth_are_wrapped_once_and_nothing_else_is_touched(written: str, compiled: str) -> None:
    (policy,) = parse_script(SqlSource("m.sql", f"policy n on t for select using ({written})"))
    assert isinstance(policy, PolicyDeclaration)
    assert policy.using is not None
    assert policy.using.compiled.sql == compiled


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "policy n on t for select using (a = auth.orgid())",
            "m.sql:1:37: auth.orgid does not exist\n"
            "  | policy n on t for select using (a = auth.orgid())\n"
            "  |                                     ^^^^^^^^^^\n"
            "  fix: write auth.org_id",
        ),
        (
            "policy n on t for select using (auth.in_org())",
            "m.sql:1:33: auth.in_org takes one argument, not 0\n"
            "  | policy n on t for select using (auth.in_org())\n"
            "  |                                 ^^^^^^^^^^^^^\n"
            "  fix: write auth.in_org(…) with one argument",
        ),
        (
            "policy n on t for select using (auth.uid(1) = 2)",
            "m.sql:1:33: auth.uid takes no argument, not 1\n"
            "  | policy n on t for select using (auth.uid(1) = 2)\n"
            "  |                                 ^^^^^^^^^^^\n"
            "  fix: write auth.uid()",
        ),
        (
            "policy n on t for read using (true)",
            'm.sql:1:19: "read" is not a scope\n  | policy n on t for read using (true)\n'
            "  |                   ^^^^\n  fix: use select, insert, update, delete or all",
        ),
        (
            "select 1;\npolicy n on t for select check (true)",
            'm.sql:2:1: policy "n" is for select but has only CHECK, which select never tests\n'
            "  | policy n on t for select check (true)\n"
            "  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
            "  fix: add using (…), or take select out of its scopes",
        ),
        (
            "policy n on t for all check (true)",
            'm.sql:1:1: policy "n" is for select but has only CHECK, which select never tests\n'
            "  | policy n on t for all check (true)\n"
            "  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
            "  fix: add using (…), or take select out of its scopes",
        ),
        (
            "policy n on t for update",
            'm.sql:1:1: policy "n" has neither USING nor CHECK\n  | policy n on t for update\n'
            "  | ^^^^^^^^^^^^^^^^^^^^^^^^\n  fix: say which rows it allows: using (…)",
        ),
        (
            "policy n on t for update to public using (true)",
            'm.sql:1:26: expected USING (…), CHECK (…) or the end of the statement, not "to"\n'
            "  | policy n on t for update to public using (true)\n"
            "  |                          ^^\n"
            "  fix: for TO, AS RESTRICTIVE and the like write a native CREATE POLICY",
        ),
        (
            "policy reactor on t for select using (true)",
            'm.sql:1:8: a policy cannot be called "reactor"\n  | policy reactor on t for select using (true)\n'
            "  |        ^^^^^^^\n  fix: choose a name that says what it allows",
        ),
        (
            "policy n on t for select using ()",
            "m.sql:1:32: the condition of USING is empty\n  | policy n on t for select using ()\n"
            "  |                                ^^\n  fix: write using (a boolean expression)",
        ),
        (
            "insert into t values (1); commit; select 1",
            "m.sql:1:27: COMMIT cannot stand in a migration: each file is one transaction\n"
            "  | insert into t values (1); commit; select 1\n"
            "  |                           ^^^^^^\n  fix: remove it",
        ),
        (
            "create table t (a int) with (rls = maybe)",
            "m.sql:1:30: rls is either true or false\n  | create table t (a int) with (rls = maybe)\n"
            "  |                              ^^^^^^^^^^^\n  fix: write with (rls = true) or with (rls = false)",
        ),
    ],
)
def test_complaints_name_place_text_and_fix(sql: str, message: str) -> None:
    source = SqlSource("m.sql", sql)
    with pytest.raises(SqlComplaint) as raised:
        parse_script(source)
    assert raised.value.describe(source) == message


@pytest.mark.parametrize(
    ("sql", "compiled", "row_security"),
    [
        ("create table t (a int) with (rls = true)", "create table t (a int) ", True),
        ("create table t (a int) with (rls=false)", "create table t (a int) ", False),
        ("create table t (a int) with (rls)", "create table t (a int) ", True),
        (
            "create table t (a int) with (fillfactor = 70, rls = off) tablespace x",
            "create table t (a int) with (fillfactor = 70) tablespace x",
            False,
        ),
        (
            "create unlogged table if not exists t with (rls = false) as with x(rls) as (select 1) select * from x",
            "create unlogged table if not exists t  as with x(rls) as (select 1) select * from x",
            False,
        ),
        (
            "create table p partition of t for values with (modulus 4, remainder 0) with (rls = false)",
            "create table p partition of t for values with (modulus 4, remainder 0) ",
            False,
        ),
        ("create table t as select 1 as rls", "create table t as select 1 as rls", True),
        ("create index i on t (a) with (fillfactor = 70)", "create index i on t (a) with (fillfactor = 70)", True),
    ],
)
def test_only_the_rls_option_is_taken_out_of_create_table(sql: str, compiled: str, row_security: bool) -> None:
    (step,) = parse_script(SqlSource("m.sql", sql))
    assert isinstance(step, PlainStatement)
    assert step.compiled.sql == compiled
    assert step.row_security is row_security


def test_drop_policy_is_read_in_all_its_forms() -> None:
    for sql in ("drop policy n on t", 'DROP POLICY IF EXISTS "n" ON t CASCADE'):
        (step,) = parse_script(SqlSource("m.sql", sql))
        assert isinstance(step, RemovalStatement)
        assert (step.removal.name, step.removal.table.name) == ("n", "t")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_derived_names_fit_and_stay_apart(name: str) -> None:
    suffixes = ("select", "insert", "update", "update_check", "delete")
    derived = [native_name(name, suffix) for suffix in suffixes]
    assert len(set(derived)) == len(suffixes)
    assert all(len(one.encode()) <= 63 for one in derived)
    assert all(one.endswith(f"__{suffix}") for one, suffix in zip(derived, suffixes, strict=True))
    assert native_name(name + "a", "select") != native_name(name + "b", "select")


@given(st.text("abcx ().,='\"auth_org-id$;/*\n", max_size=40))
def test_origins_point_to_the_same_characters(inside: str) -> None:
    text = f"policy n on t for select using ({inside})"
    try:
        (policy,) = parse_script(SqlSource("m.sql", text))
    except (SqlComplaint, ValueError):
        return
    if isinstance(policy, PolicyDeclaration) and policy.using is not None:
        compiled = policy.using.compiled
        for offset, char in enumerate(compiled.sql):
            origin = compiled.origin(offset)
            assert origin is None or text[origin] == char
