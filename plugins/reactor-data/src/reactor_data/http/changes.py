"""POST, PUT, PATCH and DELETE of rows: from the request to a write, and from its outcome to the answer (data.md §5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote as percent

from reactor_data.asking import Asker
from reactor_data.bodies import Payload, read_payload
from reactor_data.catalog.model import Relation
from reactor_data.errors import DataError, put_filters, put_page
from reactor_data.http.answers import STATUS, finish
from reactor_data.http.negotiation import Form
from reactor_data.http.receiving import whole_body
from reactor_data.pages import content_range
from reactor_data.permissions import demand
from reactor_data.perrow import RowByRow
from reactor_data.preferences import Preferences
from reactor_data.query.ast import Filter, Parsed
from reactor_data.query.compiler import Write
from reactor_data.query.fields import parse_names
from reactor_data.running import Caller
from reactor_data.writing import Change, Writer

if TYPE_CHECKING:
    import falcon

_RESOLUTIONS = {"merge-duplicates": "merge", "ignore-duplicates": "ignore"}
_COUNTED = ("exact", "estimated")


class Changes:
    """Answers requests that change rows."""

    def __init__(self, writer: Writer, row_by_row: RowByRow, asker: Asker) -> None:
        self._writer = writer
        self._row_by_row = row_by_row
        self._asker = asker

    def demand(self, caller: Caller, name: str, verb: str) -> None:
        """Demand the permission to write the relation; a refusal is on record, as one of the database is."""
        try:
            demand(caller.identity, f"data:{name}:write")
        except DataError:
            self._writer.refused(caller, name, "insert" if verb == "put" else verb)
            raise

    def answer(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        caller: Caller,
        name: str,
        verb: str,
        preferences: Preferences,
        form: Form,
    ) -> None:
        """Change rows and answer; `verb` is insert, put, update or delete.

        Raises:
            DataError: everything the contract names; nothing is changed then.
        """
        parsed = self._asker.query(req.query_string)
        if parsed.query.on_conflict is None and preferences.on_conflict is not None:
            _adopt_conflict(parsed, preferences.on_conflict)
        payload = None
        if verb == "put":
            _check_put(parsed, self._writer.relation(name, caller.profile))
        if verb != "delete":
            payload = read_payload(req.content_type, whole_body(req), parsed.query.columns)
        write = _write(parsed, payload, verb, preferences, form)
        if caller.timing is not None:
            caller.timing.mark("parse")
        if verb == "insert" and preferences.per_row and payload is not None and payload.array:
            outcome = self._row_by_row.insert(caller, name, parsed, payload, write)
            resp.status = STATUS.get(outcome.status, outcome.status)
            resp.content_type = "application/json; charset=utf-8"
            resp.data = outcome.body
            resp.set_header("Content-Range", content_range(0, 0, outcome.written if preferences.count else None))
            applied = preferences.applied(
                resolution=outcome.resolved, missing=True, returning=True, count=True, per_row=True
            )
            finish(resp, caller, applied, parsed.warnings, None)
            return
        limited = verb in ("update", "delete") and preferences.strict
        limit = preferences.max_affected if limited else None
        change = self._writer.write(caller, name, parsed, payload, write, limit)
        if form.shape.explain is not None:
            resp.status = STATUS[200]
            resp.content_type = form.content_type
            resp.data = change.body
            finish(resp, caller, "", parsed.warnings, None)
            return
        _answer(resp, caller, preferences, write, verb, change, form)
        applied = preferences.applied(
            resolution=verb == "insert" and change.resolvable,
            missing=verb in ("insert", "update"),
            returning=True,
            count=True,
            max_affected=limited,
        )
        finish(resp, caller, applied, parsed.warnings, change.overrides)


def _write(parsed: Parsed, payload: Payload | None, verb: str, preferences: Preferences, form: Form) -> Write:
    resolution = _RESOLUTIONS.get(preferences.resolution or "") if verb == "insert" else None
    return Write(
        "insert" if verb == "put" else verb,
        parsed.query,
        keys=payload.keys if payload else (),
        # An update of `{}` has nothing to set; an insert of `{}` is a row of defaults.
        rows=bool(payload and payload.rows),
        returning=preferences.returning or "minimal",
        resolution="merge" if verb == "put" else resolution,
        missing_default=preferences.missing == "default" and parsed.query.columns is not None,
        textual=bool(payload and payload.textual),
        single=verb == "put",
        shape=form.shape,
    )


def _answer(
    resp: falcon.Response,
    caller: Caller,
    preferences: Preferences,
    write: Write,
    verb: str,
    change: Change,
    form: Form,
) -> None:
    shown = write.returning == "representation"
    status = _status(write, verb, change, shown)
    resp.status = STATUS[status]
    if verb != "put":
        total = change.affected if preferences.count in _COUNTED else None
        resp.set_header("Content-Range", content_range(0, change.affected if verb == "update" else 0, total))
    if shown:
        resp.content_type = form.content_type
        resp.data = change.body
        return
    resp.set_header("X-Affected-Rows", str(change.affected))
    if change.key is not None and verb == "insert":
        resp.set_header("Location", row_location(change.relation, change.key))
    if status in (200, 201):
        resp.set_header("Content-Length", "0")


def _status(write: Write, verb: str, change: Change, shown: bool) -> int:
    if verb == "insert":
        return 200 if write.resolution == "merge" and change.resolvable and not change.inserted else 201
    if not shown:
        return 204
    return 201 if verb == "put" and change.inserted else 200


def _check_put(parsed: Parsed, relation: Relation) -> None:
    """Demand that the filters are the primary key's columns, each once and equal to a value."""
    if parsed.limit is not None or parsed.offset:
        raise put_page()
    named: list[str] = []
    for condition in parsed.query.where:
        if not isinstance(condition, Filter) or condition.operator != "eq" or condition.negated:
            raise put_filters()
        if condition.quantifier is not None or condition.field.path:
            raise put_filters()
        named.append(condition.field.name)
    if not relation.primary_key or sorted(named) != sorted(relation.primary_key):
        raise put_filters()


def _adopt_conflict(parsed: Parsed, names: str) -> None:
    query = parsed.query
    parsed.query = type(query)(query.select, query.where, query.order, query.columns, parse_names(names, "on_conflict"))


def row_location(relation: Relation, key: tuple[str | None, ...]) -> str:
    """Return the address of the row with this primary key."""
    parts = [
        f"{percent(name, safe='')}={'is.null' if value is None else 'eq.' + percent(value, safe='')}"
        for name, value in zip(relation.primary_key, key, strict=True)
    ]
    return f"/data/v1/{percent(relation.name, safe='')}?{'&'.join(parts)}"
