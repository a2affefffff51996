"""Which rights a statement needs that the role lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reactor_data.access.model import NeededRight, Policy, Question, Table
from reactor_data.access.rows import untouched


def missing_rights(
    question: Question, table: Table, rights: Iterable[NeededRight], policies: Sequence[Policy]
) -> list[str]:
    """Return what is missing, in words; `policies` are those that will be evaluated."""
    found = [] if table.schema_usage else [f"USAGE on schema {table.schema}"]
    found += _columns("SELECT", table, _read(question, table))
    if question.action == "insert":
        if question.values or table.may_insert:
            found += _columns("INSERT", table, list(question.values))
        else:
            found.append(f"INSERT on table {table.name}")
    elif question.action == "update":
        found += _columns("UPDATE", table, list(question.values) or [untouched(table).name])
    elif question.action == "delete" and not table.may_delete:
        found.append(f"DELETE on table {table.name}")
    named = {policy.name for policy in policies}
    for right in rights:
        if not right.granted and _is_used(right, question, named):
            found.append(_described(right))
    return list(dict.fromkeys(found))


def _read(question: Question, table: Table) -> list[str]:
    """Return the columns that the statement reads."""
    names = list(question.key or {})
    if question.action == "select" or question.returning:
        everything = tuple(column.name for column in table.columns)
        names += question.columns if question.columns is not None else everything
    return list(dict.fromkeys(names))


def _columns(privilege: str, table: Table, names: Sequence[str]) -> list[str]:
    which = {"SELECT": "may_select", "INSERT": "may_insert", "UPDATE": "may_update"}[privilege]
    lacking = [name for name in names if not getattr(table.by_name[name], which)]
    if not lacking:
        return []
    if not any(getattr(column, which) for column in table.columns):
        return [f"{privilege} on table {table.name}"]
    return [f"{privilege} on column {table.name}.{name}" for name in lacking]


def _is_used(right: NeededRight, question: Question, policies: set[str]) -> bool:
    if right.by == "policy":
        return right.user in policies
    if right.by == "constraint":
        return question.action in ("insert", "update")
    # A default is made for the columns that an insert leaves out.
    return question.action == "insert" and right.column not in question.values


def _described(right: NeededRight) -> str:
    user = {
        "policy": f'policy "{right.user}"',
        "default": f"the default of column {right.user}",
        "constraint": f"the constraint {right.user}",
    }[right.by]
    if right.kind == "function":
        return f"EXECUTE on function {right.name}, which {user} calls"
    if right.kind == "sequence":
        return f"USAGE on sequence {right.name}, which {user} takes numbers from"
    return f"SELECT on table {right.name}, which {user} reads"
