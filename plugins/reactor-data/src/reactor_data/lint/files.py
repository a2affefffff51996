"""What a migration file says and rarely means, before any of it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from reactor_data.lint.expressions import calls_permission, listed, mentions_nothing, unwrapped_calls
from reactor_data.lint.model import Finding, Level
from reactor_data.sql.lexer import Kind, Token
from reactor_data.sql.policy import PolicyDeclaration
from reactor_data.sql.script import PlainStatement, Step
from reactor_data.sql.source import SqlSource
from reactor_data.sql.statements import SqlStatement, statements


def lint_file(source: SqlSource, steps: Iterable[Step]) -> list[Finding]:
    """Return warnings about a file; each has its place as `file:line:column`."""
    by_start = {statement.start: statement for statement in statements(source.text)}
    found: list[Finding] = []
    for step in steps:
        if isinstance(step, PolicyDeclaration):
            found += _declared(source, step)
        elif isinstance(step, PlainStatement):
            found += _plain(source, by_start[step.start], step)
    return found


def _finding(
    source: SqlSource, start: int, code: str, what: str, why: str, fix: str, level: Level = "warning"
) -> Finding:
    line, column = source.position(start)
    return Finding(level, code, f"{source.name}:{line}:{column}", what, why, fix)


def _declared(source: SqlSource, policy: PolicyDeclaration) -> Iterator[Finding]:
    if "update" in policy.scopes and policy.using is None:
        yield _finding(
            source,
            policy.start,
            "update_without_using",
            f'policy "{policy.name}" is for update with only CHECK',
            "rows stay invisible to UPDATE unless another policy has USING",
            "add using (…) to it, or have another policy for update with using (…)",
        )
    for clause, expression in (("USING", policy.using), ("CHECK", policy.check)):
        if expression is None:
            continue
        text = source.text[expression.start : expression.end]
        if text.strip().lower() in ("true", "false") or not mentions_nothing(text):
            continue
        permission = calls_permission(text)
        yield _finding(
            source,
            expression.start,
            "bare_permission" if permission else "policy_without_row",
            f'{clause} of policy "{policy.name}" mentions no column of {policy.table}',
            "a permission says nothing about the row: whoever has it in one organisation gets at the rows of all"
            if permission
            else "whoever it lets through gets at all rows",
            "tie it to the row, e.g. org_id = auth.org_id() and …",
        )


def _plain(source: SqlSource, statement: SqlStatement, step: PlainStatement) -> Iterator[Finding]:
    words = statement.words(4)
    if words[:2] in (("create", "policy"), ("alter", "policy")):
        yield from _native(source, statement)
    elif words[:1] == ("create",) and ({"function", "procedure"} & set(words)):
        yield from _routine(source, statement)
    elif not step.row_security:
        yield _finding(
            source,
            statement.start,
            "table_open",
            "the table is made without row security",
            "every caller with a grant sees every row and changes it",
            "leave out with (rls = false), or revoke what callers should not do",
        )
    elif words[:1] == ("create",) and "view" in words:
        yield from _view(source, statement)


def _native(source: SqlSource, statement: SqlStatement) -> Iterator[Finding]:
    text = source.text[statement.start : statement.end]
    calls = unwrapped_calls(text)
    if calls:
        shown = listed(f"{call}(…)" for call in calls)
        yield _finding(
            source,
            statement.start,
            "unwrapped_call",
            f"{shown} stands outside of (select …)",
            "it is evaluated once a row instead of once a statement",
            f"write (select {calls[0]}(…))",
        )


def _routine(source: SqlSource, statement: SqlStatement) -> Iterator[Finding]:
    tokens = statement.tokens
    definer = _pair(tokens, "security", "definer")
    if definer is None:
        return
    if _pair(tokens, "set", "search_path") is None:
        yield _finding(
            source,
            definer.start,
            "definer_without_search_path",
            "the function is SECURITY DEFINER and its search_path is not fixed",
            "whoever calls it can make unqualified names in it mean something else, with its owner's rights",
            "add set search_path = '' and qualify the names in it",
        )
    else:
        yield _finding(
            source,
            definer.start,
            "definer_function",
            "the function is SECURITY DEFINER",
            "it runs with its owner's rights, past every policy",
            "leave it out (INVOKER is the default), or check in the function what the caller may",
        )


def _view(source: SqlSource, statement: SqlStatement) -> Iterator[Finding]:
    tokens = statement.tokens
    for at, token in enumerate(tokens):
        if token.text != "security_invoker":
            continue
        value = (
            tokens[at + 2].text.strip("'").lower() if at + 2 < len(tokens) and tokens[at + 1].text == "=" else "true"
        )
        if value in ("false", "off", "no", "0"):
            yield _finding(
                source,
                token.start,
                "view_reads_as_owner",
                "the view has security_invoker = false",
                "it reads as its owner, past every policy",
                "leave the option out: views read as their caller",
            )
        return


def _pair(tokens: tuple[Token, ...], first: str, second: str) -> Token | None:
    for token, following in pairwise(tokens):
        if token.kind is following.kind is Kind.WORD and (token.text, following.text) == (first, second):
            return token
    return None
