"""`/data/v1/{relation}`: rows (contract data.md §3 to §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote as percent

from reactor_data.asking import understand
from reactor_data.bodies import read_payload
from reactor_data.config import DataConfig
from reactor_data.errors import DataError
from reactor_data.http.negotiation import JSON, OBJECT, wanted_shape
from reactor_data.http.requests import CallerReader
from reactor_data.http.subscriptions import Subscriptions, wanted
from reactor_data.pages import content_range, read_status
from reactor_data.preferences import Preferences, parse_preferences
from reactor_data.query.ast import Parsed
from reactor_data.query.compiler import Write
from reactor_data.query.fields import parse_names
from reactor_data.query.parser import parse_query
from reactor_data.query.rendering import Shape
from reactor_data.service import Change, DataService

if TYPE_CHECKING:
    import falcon

_RESOLUTIONS = {"merge-duplicates": "merge", "ignore-duplicates": "ignore"}
_STATUS = {200: "200 OK", 201: "201 Created", 204: "204 No Content", 206: "206 Partial Content"}


class RelationResource:
    """The rows of one relation."""

    def __init__(
        self, service: DataService, callers: CallerReader, config: DataConfig, subscriptions: Subscriptions
    ) -> None:
        self._subscriptions = subscriptions
        self._service = service
        self._callers = callers
        self._config = config

    def on_get(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Answer rows, or with `subscribe=1` their changes."""
        if wanted(req.query_string):
            try:
                self._subscriptions.answer(req, resp, relation)
            except DataError as error:
                raise self._shown(error) from error
            return
        self._read(req, resp, relation, body=True)

    def on_head(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Answer what GET would, without the rows."""
        self._read(req, resp, relation, body=False)

    def on_post(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Insert rows, or with `resolution` update those that exist."""
        self._write(req, resp, relation, "insert")

    def on_patch(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Update the rows that the filters choose."""
        self._write(req, resp, relation, "update")

    def on_delete(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Delete the rows that the filters choose."""
        self._write(req, resp, relation, "delete")

    def on_options(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Answer which methods the relation takes."""
        found = self._service.relation(relation)
        allowed = ["OPTIONS", "GET", "HEAD"]
        allowed += ["POST"] if found.insertable else []
        allowed += ["PATCH"] if found.updatable_rows else []
        allowed += ["DELETE"] if found.deletable else []
        resp.set_header("Allow", ",".join(allowed))
        resp.status = 200

    def _read(self, req: falcon.Request, resp: falcon.Response, relation: str, *, body: bool) -> None:
        header = req.env.get
        try:
            shape = wanted_shape(header("HTTP_ACCEPT"))
            asked = understand(
                req.query_string,
                header("HTTP_PREFER"),
                header("HTTP_RANGE"),
                shape=shape,
                body=body,
                default_limit=self._config.default_limit,
                max_limit=self._config.max_limit,
            )
            preferences = asked.preferences
            rows = self._service.read(self._callers.read(req, preferences), relation, asked)
            offset = asked.page.offset
            status = read_status(offset, rows.count, rows.total)
        except DataError as error:
            raise self._shown(error) from error
        resp.status = _STATUS[status]
        resp.content_type = OBJECT if shape.singular else JSON
        resp.set_header("Content-Range", content_range(offset, rows.count, rows.total))
        resp.append_header("Vary", "Accept, Prefer, Range")
        if body:
            resp.set_header("Content-Location", asked.location(req.path))
            resp.data = rows.body
        if preferences is not _NO_PREFERENCES:
            applied = preferences.applied(
                resolution=False, missing=False, returning=False, count=True, max_affected=False
            )
            if applied:
                resp.set_header("Preference-Applied", applied)

    def _write(self, req: falcon.Request, resp: falcon.Response, relation: str, action: str) -> None:
        try:
            preferences = parse_preferences(req.get_header("Prefer"))
            shape = wanted_shape(req.get_header("Accept"))
            parsed = parse_query(req.query_string)
            if parsed.query.on_conflict is None and preferences.on_conflict is not None:
                _adopt_conflict(parsed, preferences.on_conflict)
            payload = None
            if action != "delete":
                payload = read_payload(req.content_type, req.bounded_stream.read(), parsed.query.columns)
            write = Write(
                action,
                parsed.query,
                keys=payload.keys if payload else (),
                # An update of `{}` has nothing to set; an insert of `{}` is a row of defaults.
                rows=bool(payload and payload.rows),
                returning=preferences.returning or "minimal",
                resolution=_RESOLUTIONS.get(preferences.resolution or "") if action == "insert" else None,
                missing_default=preferences.missing == "default" and parsed.query.columns is not None,
                shape=shape,
            )
            limit = preferences.max_affected if preferences.strict and action != "insert" else None
            caller = self._callers.read(req, preferences)
            change = self._service.write(caller, relation, parsed, payload, write, limit)
        except DataError as error:
            raise self._shown(error) from error
        self._answer(resp, preferences, write, change, shape)

    def _answer(
        self, resp: falcon.Response, preferences: Preferences, write: Write, change: Change, shape: Shape
    ) -> None:
        shown = write.returning == "representation"
        status = _write_status(write, change, shown)
        resp.status = _STATUS[status]
        total = change.count if preferences.count == "exact" else None
        changed = change.count if write.action == "update" else 0
        resp.set_header("Content-Range", content_range(0, changed, total))
        resp.append_header("Vary", "Accept, Prefer, Range")
        applied = preferences.applied(
            resolution=bool(change.target),
            missing=write.action != "delete",
            returning=True,
            count=total is not None,
            max_affected=preferences.strict and write.action != "insert",
        )
        if applied:
            resp.set_header("Preference-Applied", applied)
        if shown:
            resp.content_type = OBJECT if shape.singular else JSON
            resp.data = change.body
            return
        resp.set_header("X-Affected-Rows", str(change.count))
        if change.key is not None:
            resp.set_header("Location", _row_location(change))
        if status == 201 or status == 200:
            resp.set_header("Content-Length", "0")

    def _shown(self, error: DataError) -> DataError:
        return error.minimal() if self._config.error_verbosity == "minimal" else error


_NO_PREFERENCES = parse_preferences(None)


def _write_status(write: Write, change: Change, shown: bool) -> int:
    if write.action != "insert":
        return 200 if shown else 204
    if write.resolution == "merge" and change.target and not change.inserted:
        return 200
    return 201


def _adopt_conflict(parsed: Parsed, names: str) -> None:
    query = parsed.query
    parsed.query = type(query)(query.select, query.where, query.order, query.columns, parse_names(names, "on_conflict"))


def _row_location(change: Change) -> str:
    relation = change.relation
    parts = [
        f"{percent(name, safe='')}={'is.null' if value is None else 'eq.' + percent(value, safe='')}"
        for name, value in zip(relation.primary_key, change.key or (), strict=True)
    ]
    return f"/data/v1/{percent(relation.name, safe='')}?{'&'.join(parts)}"
