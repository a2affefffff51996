"""The rules about policies and tables; each returns findings."""

from __future__ import annotations

from collections.abc import Iterator

from reactor_data.lint.expressions import calls_permission, columns_of, compared_columns, listed, unwrapped_calls
from reactor_data.lint.model import Finding, FunctionSeen, PolicySeen, TableSeen, ViewSeen
from reactor_data.sql.native import BASE_INSERT, qualified

TENANT = "org_id"


def of_table(table: TableSeen) -> Iterator[Finding]:
    """Look at a table and its policies."""
    yield from _left_open(table)
    if not table.row_security:
        return
    if not table.policies:
        yield Finding(
            "info",
            "no_policy",
            table.label,
            "row security is on and there is no policy",
            "nobody but the service role sees or writes its rows",
            f"add a policy, or revoke what is granted on {table.name}",
        )
    for policy in table.policies:
        yield from _not_tied(table, policy)
        yield from _unwrapped(table, policy)
    yield from _update_without_using(table)
    yield from _without_index(table)


def of_view(view: ViewSeen) -> Iterator[Finding]:
    """Look at a view that reads as its owner."""
    if view.open_to and view.tables:
        yield Finding(
            "error",
            "view_reads_as_owner",
            f"{view.schema}.{view.name}",
            f"the view has no security_invoker and may be read by {listed(view.open_to)}",
            f"it reads {listed(view.tables)} as its owner, past every policy",
            f"alter view {qualified(view.schema, view.name)} set (security_invoker = true);",
        )


def of_function(function: FunctionSeen) -> Iterator[Finding]:
    """Look at a function."""
    if function.definer and not function.fixed_path:
        yield Finding(
            "error",
            "definer_without_search_path",
            function.signature,
            "the function is SECURITY DEFINER and its search_path is not fixed",
            "whoever calls it can make unqualified names in it mean something else, with its owner's rights",
            f"alter function {function.signature} set search_path = ''; and qualify the names in it",
        )
    elif function.definer:
        yield Finding(
            "warning" if function.open_to else "info",
            "definer_function",
            function.signature,
            "the function is SECURITY DEFINER"
            + (f" and may be called by {listed(function.open_to)}" if function.open_to else ""),
            "it runs with its owner's rights, past every policy",
            f"alter function {function.signature} security invoker; or check in it what the caller may",
        )
    if function.public:
        yield Finding(
            "warning",
            "function_for_public",
            function.signature,
            "every role may execute the function",
            "a role made later, or callers without a token, may call it as well",
            f"revoke execute on function {function.signature} from public; and grant it to the roles that need it",
        )


def _left_open(table: TableSeen) -> Iterator[Finding]:
    if table.row_security or not table.open_to:
        return
    shown = "; ".join(f"{listed(rights)} to {role}" for role, rights in sorted(table.open_to.items()))
    writable = any(set(rights) - {"SELECT"} for rights in table.open_to.values())
    yield Finding(
        "error" if writable else "warning",
        "table_open",
        table.label,
        f"row security is off, and there is granted {shown}",
        "every caller sees every row" + (", and changes it" if writable else ""),
        f"alter table {qualified(table.schema, table.name)} enable row level security; and add policies,"
        " or revoke what is granted",
    )


def _not_tied(table: TableSeen, policy: PolicySeen) -> Iterator[Finding]:
    if not policy.permissive:
        return
    for clause, text in (("USING", policy.using), ("WITH CHECK", policy.check)):
        if text is None or text == "false" or columns_of(text, table.name, table.columns):
            continue
        walls = _walls(table, policy, clause)
        if _restricted(table, policy, clause):
            continue
        # The base of Reactor's checks lets everything through: the checks are what was written.
        told = walls[0] if policy.name == BASE_INSERT and walls else policy
        text = told.check or text if clause == "WITH CHECK" else text
        subject = _label(table, told)
        scoped = f"tie it to the row, e.g. {TENANT} = (select auth.org_id()) and …"
        if TENANT in table.columns and calls_permission(text):
            yield Finding(
                "error",
                "bare_permission",
                subject,
                f"{clause} asks for a permission and mentions no column of {table.name}",
                "a permission says nothing about the row: whoever has it in one organisation gets at the rows of all",
                scoped,
            )
        elif TENANT in table.columns:
            yield Finding(
                "error",
                "unscoped_policy",
                subject,
                f"{clause} mentions no column of {table.name}, which has {TENANT}",
                "it opens the rows of every organisation",
                scoped,
            )
        else:
            yield Finding(
                "warning" if text != "true" or policy.command not in ("select",) else "info",
                "policy_without_row",
                subject,
                f"{clause} mentions no column of {table.name}",
                "whoever it lets through gets at all rows",
                "tie it to the row, e.g. owner_id = (select auth.user_id()), unless all rows are meant",
            )


def _restricted(table: TableSeen, policy: PolicySeen, clause: str) -> bool:
    """Tell whether restrictive policies tie each command of the policy to the row."""
    commands = ("select", "insert", "update", "delete") if policy.command == "all" else (policy.command,)
    walls = _walls(table, policy, clause)
    return all(
        any(columns_of(_text(wall, clause), table.name, table.columns) for wall in walls if wall.covers(command))
        for command in commands
    )


def _walls(table: TableSeen, policy: PolicySeen, clause: str) -> list[PolicySeen]:
    """Return the restrictive policies beside a permissive one that have the clause."""
    return [
        one
        for one in table.policies
        if not one.permissive and (policy.command == "all" or one.covers(policy.command)) and _text(one, clause)
    ]


def _text(policy: PolicySeen, clause: str) -> str:
    return (policy.using if clause == "USING" else policy.check or policy.using) or ""


def _unwrapped(table: TableSeen, policy: PolicySeen) -> Iterator[Finding]:
    calls = [call for text in (policy.using, policy.check) if text for call in unwrapped_calls(text)]
    if calls:
        shown = listed(f"{call}(…)" for call in dict.fromkeys(calls))
        yield Finding(
            "warning",
            "unwrapped_call",
            _label(table, policy),
            f"{shown} stands outside of (select …)",
            "it is evaluated once a row instead of once a statement",
            f"write (select {calls[0]}(…))",
        )


def _update_without_using(table: TableSeen) -> Iterator[Finding]:
    updates = [policy for policy in table.policies if policy.covers("update")]
    if updates and not any(policy.permissive and policy.using is not None for policy in updates):
        yield Finding(
            "warning",
            "update_without_using",
            _label(table, updates[0]),
            "its policies for update have only CHECK",
            "no row can be updated, because none is visible to UPDATE",
            "add using (…), which says which rows may be updated",
        )


def _without_index(table: TableSeen) -> Iterator[Finding]:
    wanted: dict[str, str] = {}
    for policy in table.policies:
        if policy.using:
            for column in compared_columns(policy.using, table.name, table.columns):
                wanted.setdefault(column, _label(table, policy))
    for column, subject in wanted.items():
        if column not in table.indexed:
            yield Finding(
                "info",
                "policy_column_without_index",
                subject,
                f"it compares {table.name}.{column}, with which no index begins",
                "every statement of a caller reads the whole table",
                f'create index on {qualified(table.schema, table.name)} ("{column}");',
            )


def _label(table: TableSeen, policy: PolicySeen) -> str:
    return f"{table.label} policy {policy.declared or policy.name}"
