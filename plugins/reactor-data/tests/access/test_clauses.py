"""Taking conditions apart as Postgres writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_data.access.clauses import bare, operands, parse_clause, split, tidy


@pytest.mark.parametrize(
    ("text", "leaves"),
    [
        ("true", ["true"]),
        ("((a = 1) AND (b = 2))", ["a = 1", "b = 2"]),
        ("((a = 1) OR ((b = 2) AND (c = 3)))", ["a = 1", "b = 2", "c = 3"]),
        ("(a = ' AND '::text)", ["a = ' AND '::text"]),
        ('("x AND y" AND ("or" = 1))', ['"x AND y"', '"or" = 1']),
        (
            "(EXISTS ( SELECT 1 FROM m WHERE ((m.a = t.a) AND m.b)))",
            ["EXISTS ( SELECT 1 FROM m WHERE ((m.a = t.a) AND m.b))"],
        ),
        ("(CASE WHEN (a AND b) THEN c ELSE d END AND e)", ["CASE WHEN (a AND b) THEN c ELSE d END", "e"]),
        ("(NOT (a AND b))", ["NOT (a AND b)"]),
        ("(a = ANY (ARRAY[(b AND c), d]))", ["a = ANY (ARRAY[(b AND c), d])"]),
        ("( SELECT (a AND b))", ["( SELECT (a AND b))"]),
        ("((a) AND (b)) OR c", ["a", "b", "c"]),
        ("(a) AND (b)", ["a", "b"]),
    ],
)
def test_conditions_come_apart_at_their_joints_only(text: str, leaves: list[str]) -> None:
    assert [leaf.shown for leaf in parse_clause(text, text).leaves()] == leaves


def test_both_texts_come_apart_together() -> None:
    clause = parse_clause("((f(a) = 1) AND (b = 2))", "((public.f(a) = 1) AND (b OPERATOR(public.=) 2))")
    assert [(part.shown, part.sql) for part in clause.parts] == [
        ("f(a) = 1", "public.f(a) = 1"),
        ("b = 2", "b OPERATOR(public.=) 2"),
    ]


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("a = b", ("a", "b")),
        ("a <> 'x'::text", ("a", "'x'::text")),
        ("(a + 1) >= (b)", ("(a + 1)", "(b)")),
        ("a = ( SELECT 1 = 1)", ("a", "( SELECT 1 = 1)")),
        ("a = ANY (b)", None),
        ("a IS NULL", None),
        ("f(a = b)", None),
        ("a @> b", None),
        ("(a ->> 'b'::text) = 'c'::text", ("(a ->> 'b'::text)", "'c'::text")),
        ("a || b <= -1", ("a || b", "-1")),
    ],
)
def test_comparisons_have_two_sides(text: str, sides: tuple[str, str] | None) -> None:
    assert operands(text) == sides


def test_what_postgres_adds_to_sub_selects_is_taken_away() -> None:
    assert tidy("(a = ( SELECT auth.org_id() AS org_id))") == "(a = (select auth.org_id()))"
    assert (
        tidy("( SELECT auth.has_permission('a:b'::text) AS has_permission)")
        == "(select auth.has_permission('a:b'::text))"
    )
    for kept in ("( SELECT auth.org_id() AS other)", "( SELECT a.b AS b)", "' SELECT f() AS f'"):
        assert tidy(kept) == kept


LEAVES = st.sampled_from(["a = 1", "b IS NULL", "f(x, ')')", "'it''s AND'::text = c", '"or" > 2', "( SELECT (x OR y))"])


@given(
    st.recursive(
        LEAVES,
        lambda inner: st.tuples(st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=4)),
        max_leaves=12,
    )
)
def test_any_nesting_comes_apart_into_its_leaves(tree: object) -> None:
    def write(node: object) -> str:
        if isinstance(node, str):
            return f"({node})" if not node.startswith("(") else node
        assert isinstance(node, tuple)
        joint, parts = node
        return "(" + f" {joint} ".join(write(part) for part in parts) + ")"

    def leaves(node: object) -> list[str]:
        if isinstance(node, str):
            return [node]
        assert isinstance(node, tuple)
        return [leaf for part in node[1] for leaf in leaves(part)]

    text = write(tree)
    assert [leaf.shown for leaf in parse_clause(text, text).leaves()] == leaves(tree)


def test_a_condition_that_is_split_is_whole_again() -> None:
    joint, parts = split(bare("((a = 1) AND (b = 2) AND (c))"))
    assert (joint, parts) == ("and", ["(a = 1)", "(b = 2)", "(c)"])
