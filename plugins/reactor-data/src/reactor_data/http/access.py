"""`POST /data/v1/_admin/explain-access` (decision 33)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from reactor_data.access.callers import CallerFinder, WhoBody
from reactor_data.access.explain import AccessExplainer, Explanation
from reactor_data.access.gates import PolicyReport
from reactor_data.access.model import Judged, Question, Refused
from reactor_data.errors import invalid_body
from reactor_data.permissions import holds

if TYPE_CHECKING:
    import falcon

_HINT = (
    'Send {"table": "todos", "action": "select", "key": {"id": "…"}, "identity": {"user_id": "…", "org": "acme"}};'
    " an insert or update also has values."
)


class ExplainBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body. `columns` and `returning` go beyond decision 33: what is read, and whether the written row is returned."""

    table: str
    action: Literal["select", "insert", "update", "delete"]
    identity: WhoBody
    key: dict[str, Any] | None = None
    values: dict[str, Any] | None = None
    columns: list[str] | None = None
    returning: bool = False


_BODY = msgspec.json.Decoder(ExplainBody)


class ExplainAccessResource:
    """Why an identity may, or may not, do something with a row."""

    def __init__(self, explainer: AccessExplainer, callers: CallerFinder, *, guarded: bool) -> None:
        """Take the parts; `guarded` where `[data] table_permissions` is enforced."""
        self._explainer = explainer
        self._callers = callers
        self._guarded = guarded

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Explain one decision."""
        try:
            body = _BODY.decode(req.bounded_stream.read())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise invalid_body(f"the body cannot be used: {error}", hint=_HINT) from error
        found = self._explained(body)
        answer = _refused(found) if isinstance(found, Refused) else _shown(found)
        resp.content_type = "application/json; charset=utf-8"
        resp.data = msgspec.json.encode(answer)

    def _explained(self, body: ExplainBody) -> Explanation | Refused:
        who = self._callers.find(body.identity)
        if isinstance(who, Refused):
            return who
        schema, table = self._explainer.place(body.table)
        needed = ["read" if body.action == "select" else "write", *(["read"] if body.returning else [])]
        lacking = [f"data:{table}:{one}" for one in needed if not holds(who, f"data:{table}:{one}")]
        if self._guarded and lacking:
            return Refused(
                "requests are refused with 403 permission_denied, because [data] table_permissions demands the permission"
                f" {lacking[0]}"
            )
        question = Question(
            schema=schema,
            table=table,
            action=body.action,
            key=body.key,
            values=body.values or {},
            columns=None if body.columns is None else tuple(body.columns),
            returning=body.returning,
        )
        return self._explainer.explain(who, question)


def _refused(who: Refused) -> dict[str, Any]:
    return {
        "allowed": False,
        "role": None,
        "row_exists": None,
        "grant": {"ok": False},
        "policies": [],
        "reason": who.reason,
    }


def _shown(found: Explanation) -> dict[str, Any]:
    grant: dict[str, Any] = {"ok": not found.missing}
    if found.missing:
        grant["missing"] = list(found.missing)
    security: dict[str, Any] = {"enabled": found.table.row_security, "forced": found.table.forced}
    if found.table.bypass is not None:
        security["bypass"] = found.table.bypass
    trial: dict[str, Any] = {"rows": found.trial.rows}
    if found.trial.skipped is not None:
        trial = {"skipped": found.trial.skipped}
    elif found.trial.error is not None:
        trial = {"sqlstate": found.trial.sqlstate, "error": found.trial.error}
    return {
        "allowed": found.allowed,
        "role": found.role,
        "row_exists": found.row_exists,
        "grant": grant,
        "row_security": security,
        "policies": [_policy(report) for report in found.reports],
        "trial": trial,
        "reason": found.reason,
    }


def _policy(report: PolicyReport) -> dict[str, Any]:
    policy = report.policy
    shown: dict[str, Any] = {
        "name": policy.name,
        "declared": policy.declared,
        "command": policy.command,
        "permissive": policy.permissive,
    }
    for name, judged in (("using", report.using), ("check", report.check), ("visible_after", report.after)):
        if judged is not None:
            shown[name] = _judged(judged)
            failing = judged.failing()
            if failing is not None:
                shown.setdefault("failing", failing.clause.shown)
    return shown


def _judged(judged: Judged) -> dict[str, Any]:
    shown: dict[str, Any] = {"expression": judged.clause.shown, "result": judged.outcome.value}
    if judged.outcome.error is not None:
        shown["error"] = judged.outcome.error
    leaves = judged.leaves()
    if len(leaves) > 1:
        shown["clauses"] = [
            {"expression": leaf.clause.shown, "result": leaf.outcome.value}
            | ({"error": leaf.outcome.error} if leaf.outcome.error is not None else {})
            for leaf in leaves
        ]
    return shown
