"""What is said about a decision: which gate was shut, at which clause, and whether trying agreed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reactor_data.access.gates import Gate, Passage
from reactor_data.access.model import Judged, Policy, Question, Table, Trial
from reactor_data.sql.native import BASE_INSERT

_DONE = {"select": "read", "insert": "inserted", "update": "updated", "delete": "deleted"}


def denial(
    question: Question,
    table: Table,
    role: str,
    missing: Sequence[str],
    row_exists: bool | None,
    passage: Passage,
    policies: Sequence[Policy],
) -> str | None:
    """Return why it will be refused; None where nothing speaks against it."""
    if missing:
        return f"role {role} lacks {'; '.join(missing)}"
    if row_exists is False:
        return f"no row of {table.name} has {_named(question.key or {})}"
    broken = passage.error()
    if broken is not None:
        return f"{_label(broken[0])} cannot be evaluated: {broken[1]}"
    gate = passage.stopped_by()
    return None if gate is None else f"{_head(question, gate)}: {_stopped(gate, role, policies)}"


def reason(question: Question, table: Table, denied: str | None, allowed_by: str, trial: Trial) -> str:
    """Put prediction and trial together; where they differ, say so."""
    if trial.skipped is not None:
        return f"{denied or allowed_by}; this was not tried, because {trial.skipped}"
    if trial.succeeded:
        return allowed_by if denied is None else f"it succeeded when tried, although {denied}"
    happened = _happened(question, trial)
    if denied is None:
        seen = f"; {table.name} is a view: ask about {', '.join(table.reads)}" if table.reads else ""
        return f"grants and policies do not stand in the way, but {happened}{seen}"
    return denied if _agrees(denied, trial) else f"{denied}; besides, {happened}"


def allowance(table: Table, role: str, passage: Passage) -> str:
    """Return what allows it."""
    if table.bypass is not None:
        return f"allowed: {table.bypass}"
    doors: list[str] = []
    walls: list[str] = []
    for gate in passage.gates:
        for policy, judged in gate.judged:
            # The base of inserts lets everything through: the checks beside it decide.
            told = (doors if policy.permissive else walls) if policy.name != BASE_INSERT else []
            if judged.outcome.passes and _label(policy) not in told:
                told.append(_label(policy))
    held = f"{', '.join(walls)} {'holds' if len(walls) == 1 else 'hold'}"
    if doors:
        return f"allowed by {', '.join(doors)}{f', and {held}' if walls else ''}"
    return f"allowed: {held}" if walls else f"allowed: role {role} has the grants"


def _agrees(denied: str, trial: Trial) -> bool:
    """Tell whether what happened is what a refusal looks like: an error of rights, or a row not found."""
    if trial.error is None:
        return True
    return trial.sqlstate == "42501" or trial.error in denied


def _happened(question: Question, trial: Trial) -> str:
    if trial.error is not None:
        return f"when tried, Postgres refused it: {trial.error} ({trial.sqlstate})"
    return f"when tried, no row was {_DONE[question.action]}"


def _head(question: Question, gate: Gate) -> str:
    if gate.command == "select" and gate.side == "old":
        if question.action == "select":
            return "the row exists, but no policy shows it"
        return f"the row exists, but is hidden: the filter of the {question.action} reads columns, so that policies for select apply"
    if gate.command == "select":
        if question.action == "insert":
            return "the new row could not be returned, because no policy shows it"
        return "the row would not be visible any more after the update"
    if gate.side == "old":
        return f"the row may be seen, but not {_DONE[gate.command]}"
    return "the new row is refused"


def _stopped(gate: Gate, role: str, policies: Sequence[Policy]) -> str:
    stopping = gate.stopping()
    if not any(policy.permissive for policy, _ in gate.judged):
        text = f"no policy for {gate.command} applies to role {role}"
        if gate.judged:
            text = f"only restrictive policies for {gate.command} apply to role {role}, and those allow nothing by themselves"
        others = [policy for policy in policies if not policy.applies and policy.covers(gate.command)]
        text += "".join(f"; {_label(policy)} is for {', '.join(policy.roles)}" for policy in others)
        return text + "".join(f"; {_failure(*one)}" for one in stopping)
    return "; ".join(_failure(*one) for one in stopping)


def _failure(policy: Policy, judged: Judged) -> str:
    failing = judged.failing() or judged
    outcome = failing.outcome
    value = "null" if outcome.value is None else "true" if outcome.value else "false"
    if outcome.error is not None:
        value = f"an error: {outcome.error}"
    because = f", because {outcome.because} is null" if outcome.because else ""
    return f"{_label(policy)} fails at {failing.clause.shown}, which is {value}{because}"


def _label(policy: Policy) -> str:
    kind = "policy" if policy.permissive else "restrictive policy"
    if policy.declared is None:
        return f'{kind} "{policy.name}"'
    return f'{kind} "{policy.declared}" ({policy.name})'


def _named(key: Mapping[str, Any]) -> str:
    return " and ".join(f"{name} = {value}" if value is not None else f"{name} null" for name, value in key.items())
