"""Inserting rows one by one, each with an outcome of its own (contract data.md §5.4)."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from reactor_data import queries
from reactor_data.bodies import Payload
from reactor_data.errors import DataError, too_many_rows
from reactor_data.planning import statement_of
from reactor_data.query.ast import Parsed
from reactor_data.query.compiler import Write
from reactor_data.query.expressions import BODY
from reactor_data.query.rendering import Shape
from reactor_data.running import Caller, Runner
from reactor_data.writing import Writer, change_of
from reactor_kernel.api import DatabaseFault, Statement, Tx

# Each is a savepoint in one transaction, which no statement timeout ends.
MOST_ROWS = 10_000
_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_SAVE = Statement("savepoint reactor_row", prepare=False)
_KEEP = Statement("release savepoint reactor_row", prepare=False)
_UNDO = Statement("rollback to savepoint reactor_row", prepare=False)
_encode = msgspec.json.Encoder(enc_hook=str).encode


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the rows: the status and body of the answer, how many were written, whether duplicates were resolved."""

    status: int
    body: bytes
    written: int
    resolved: bool


class RowByRow:
    """Inserts each row in a savepoint: what one is refused for undoes none of the others."""

    def __init__(self, runner: Runner, writer: Writer) -> None:
        self._runner = runner
        self._writer = writer

    def insert(self, caller: Caller, name: str, parsed: Parsed, payload: Payload, write: Write) -> Outcome:
        """Insert and put on record; a fault that is no single row's (connection, timeout) undoes all.

        Raises:
            DataError: the relation is unknown, or nothing at all can be written; 413 for more than 10,000 rows.
        """
        if payload.rows > MOST_ROWS:
            raise too_many_rows(payload.rows, MOST_ROWS, "rows", "Send them in batches, or without outcome=per-row.")
        one = msgspec.structs.replace(write, shape=Shape("object"))
        return self._runner.attempt(
            caller, name, "insert", lambda: self._insert(caller, name, parsed, _ROWS.decode(payload.text), one)
        )

    def _insert(self, caller: Caller, name: str, parsed: Parsed, rows: list[msgspec.Raw], write: Write) -> Outcome:
        relation, plan = self._writer.planned(caller, name, write)
        results: list[dict[str, object]] = []
        decisions: list[dict[str, object]] = []
        written = 0
        with self._runner.begin(caller) as tx:
            for index, row in enumerate(rows):
                statement = statement_of(plan, parsed, {BODY: b"[" + bytes(row) + b"]"})
                try:
                    (_, result, _) = tx.run([_SAVE, statement, _KEEP])
                except DatabaseFault as fault:
                    error = self._refused(tx, fault, caller, name)
                    results.append({"index": index, "status": error.status, "error": _shown(error)})
                    if fault.sqlstate == "42501":
                        policy = error.details.get("policy")
                        decisions.append({"row": index, "decision": "deny", "policy": policy})
                    continue
                change = change_of(result, relation, bool(plan.target))
                written += change.affected
                found: dict[str, object] = {"index": index, "status": 201}
                if write.resolution == "merge" and plan.target and not change.inserted:
                    found["status"] = 200
                if write.returning == "representation":
                    found["data"] = msgspec.Raw(change.body or b"null")
                results.append(found)
                decisions.append({"row": index, "decision": "allow", "policy": None})
            tx.run([queries.audit_rows(caller.identity, caller.request_id, relation.name, written, _encode(decisions))])
        statuses = {result["status"] for result in results}
        status = statuses.pop() if len(statuses) == 1 else 207 if statuses else 201
        return Outcome(int(str(status)), _encode({"results": results}), written, bool(plan.target))

    def _refused(self, tx: Tx, fault: DatabaseFault, caller: Caller, name: str) -> DataError:
        if fault.sqlstate.startswith(("57", "53", "08", "XX", "40", "25")):
            raise fault
        tx.run([_UNDO])
        return self._runner.error_of(fault, caller, name, "insert")


def _shown(error: DataError) -> dict[str, object]:
    said: dict[str, object] = {"code": error.error_code, "message": error.message, "status": error.status}
    if error.error_hint is not None:
        said["hint"] = error.error_hint
    if error.details:
        said["details"] = error.details
    return {**said, **error.members}
