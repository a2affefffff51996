"""The gates that row security puts before an action: policies for one command, on the old row or the new one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reactor_data.access.bench import Bench
from reactor_data.access.clauses import Clause
from reactor_data.access.model import Action, Judged, Policy, Side


@dataclass(frozen=True, slots=True)
class Gate:
    """One of them: one permissive policy has to let the row through, and every restrictive one."""

    command: str
    side: Side
    judged: tuple[tuple[Policy, Judged], ...]

    @property
    def passes(self) -> bool:
        """Tell whether the row gets through."""
        permissive = [judged for policy, judged in self.judged if policy.permissive]
        restrictive = [judged for policy, judged in self.judged if not policy.permissive]
        return any(one.outcome.passes for one in permissive) and all(one.outcome.passes for one in restrictive)

    def stopping(self) -> list[tuple[Policy, Judged]]:
        """Return what stops the row: restrictive policies that fail, else all permissive ones."""
        if self.passes:
            return []
        failed = [(policy, judged) for policy, judged in self.judged if not judged.outcome.passes]
        restrictive = [one for one in failed if not one[0].permissive]
        allowed = any(policy.permissive and judged.outcome.passes for policy, judged in self.judged)
        return restrictive if allowed else [*restrictive, *(one for one in failed if one[0].permissive)]


@dataclass(slots=True)
class PolicyReport:
    """One policy's part in the answer: USING on the old row, CHECK on the new one.

    `after` is the USING of a policy for SELECT on the new row, which has to stay visible.
    """

    policy: Policy
    using: Judged | None = None
    check: Judged | None = None
    after: Judged | None = None


@dataclass(slots=True)
class Passage:
    """All gates of an action in the order in which they are told, and what each policy had to do with them."""

    gates: list[Gate] = field(default_factory=list)
    reports: dict[str, PolicyReport] = field(default_factory=dict)

    def stopped_by(self) -> Gate | None:
        """Return the first gate that the row does not get through."""
        return next((gate for gate in self.gates if not gate.passes), None)

    def error(self) -> tuple[Policy, str] | None:
        """Return the first policy whose condition ends in an error."""
        for gate in self.gates:
            for policy, judged in gate.judged:
                if judged.outcome.error is not None:
                    return policy, judged.outcome.error
        return None


def involved(action: Action, policies: Iterable[Policy], *, reads: bool) -> list[Policy]:
    """Return the policies that Postgres applies; those for SELECT come in where columns are read."""
    commands = {action} | ({"select"} if reads else set())
    return [policy for policy in policies if policy.applies and any(policy.covers(command) for command in commands)]


def pass_through(
    bench: Bench, action: Action, policies: Sequence[Policy], *, reads: bool, old: bool, new: bool
) -> Passage:
    """Evaluate the policies. `old` and `new` say which rows are on the bench; `reads` whether columns are read.

    Without a row a gate whose policies would have to look at one has no verdict, and is left out.
    """
    passage = Passage()
    order: list[tuple[str, Side]] = []
    if action != "insert":
        order += [("select", "old")] if reads else []
        order += [(action, "old")] if action != "select" else []
    if action in ("insert", "update"):
        order += [(action, "new")]
        order += [("select", "new")] if reads else []
    for command, side in order:
        # Without any policy for the command it is shut, whatever the row.
        if (old if side == "old" else new) or not any(policy.covers(command) for policy in policies):
            passage.gates.append(_gate(bench, passage, command, side, policies))
    return passage


def _gate(bench: Bench, passage: Passage, command: str, side: Side, policies: Sequence[Policy]) -> Gate:
    judged = []
    for policy in policies:
        clause = _clause(policy, command, side)
        if clause is None:
            continue
        report = passage.reports.setdefault(policy.name, PolicyReport(policy))
        known = report.using if side == "old" else None
        found = known or bench.judge(clause, side)
        if side == "old":
            report.using = found
        elif command == "select":
            report.after = found
        else:
            report.check = found
        judged.append((policy, found))
    return Gate(command, side, tuple(judged))


def _clause(policy: Policy, command: str, side: Side) -> Clause | None:
    if not policy.covers(command):
        return None
    if side == "old" or command == "select":
        return policy.using
    return policy.check or policy.using
