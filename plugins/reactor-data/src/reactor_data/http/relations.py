"""`/data/v1/{relation}`: rows (contract data.md §3 to §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactor_data.asking import Asker
from reactor_data.config import DataConfig
from reactor_data.errors import DataError
from reactor_data.http.answers import STATUS, finish
from reactor_data.http.changes import Changes
from reactor_data.http.negotiation import Negotiator, selects_whole
from reactor_data.http.requests import CallerReader
from reactor_data.http.subscriptions import wanted
from reactor_data.pages import content_range, read_status
from reactor_data.permissions import demand
from reactor_data.reading import Reader
from reactor_data.realtime.parts import RealtimeParts

if TYPE_CHECKING:
    import falcon


class RelationResource:
    """The rows of one relation."""

    def __init__(
        self,
        reader: Reader,
        changes: Changes,
        callers: CallerReader,
        asker: Asker,
        config: DataConfig,
        realtime: RealtimeParts,
    ) -> None:
        self._realtime = realtime
        self._reader = reader
        self._changes = changes
        self._callers = callers
        self._asker = asker
        self._negotiator = Negotiator(plan_enabled=config.plan_enabled)
        self._guarded = config.table_permissions == "enforce"
        self._minimal = config.error_verbosity == "minimal"

    def on_get(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Answer rows, or with `subscribe=1` their changes."""
        if wanted(req.query_string):
            try:
                schema = self._callers.schema(req)
                self._realtime.subscriptions.answer(req, resp, schema.name, relation)
                self._callers.profile_headers(resp, schema)
            except DataError as error:
                raise self._shown(error) from error
            return
        self._read(req, resp, relation, body=True)

    def on_head(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Answer what GET would, without the rows."""
        self._read(req, resp, relation, body=False)

    def on_post(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Insert rows, or with `resolution` update those that exist."""
        self._change(req, resp, relation, "insert")

    def on_put(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Make the row at this address what the body says."""
        self._change(req, resp, relation, "put")

    def on_patch(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Update the rows that the filters choose."""
        self._change(req, resp, relation, "update")

    def on_delete(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Delete the rows that the filters choose."""
        self._change(req, resp, relation, "delete")

    def on_options(self, req: falcon.Request, resp: falcon.Response, relation: str) -> None:
        """Answer which methods the relation takes."""
        try:
            found = self._reader.relation(relation, self._callers.schema(req).name)
        except DataError as error:
            raise error.minimal() from error  # no token is needed here, and a hint would name what there is
        allowed = ["OPTIONS", "GET", "HEAD"]
        allowed += ["POST"] if found.insertable else []
        allowed += ["PUT"] if found.insertable and found.updatable_rows and found.primary_key else []
        allowed += ["PATCH"] if found.updatable_rows else []
        allowed += ["DELETE"] if found.deletable else []
        resp.set_header("Allow", ",".join(allowed))
        resp.status = 200

    def _read(self, req: falcon.Request, resp: falcon.Response, relation: str, *, body: bool) -> None:
        header = req.env.get
        try:
            timing = self._callers.timing()
            schema = self._callers.schema(req)
            raw = req.query_string
            form = self._negotiator.choose(header("HTTP_ACCEPT"), schema, relation, whole=selects_whole(raw))
            asked = self._asker.understand(raw, header("HTTP_PREFER"), header("HTTP_RANGE"), form.shape, body)
            if timing is not None:
                timing.mark("parse")
            caller = self._callers.read(req, asked.preferences, schema, timing)
            if self._guarded:
                demand(caller.identity, f"data:{relation}:read")
            rows = self._reader.read(caller, relation, asked)
            offset = asked.page.offset
            status = read_status(offset, rows.count, rows.total)
            resp.status = STATUS[status]
            resp.content_type = form.content_type
            if form.shape.explain is None:
                resp.set_header("Content-Range", content_range(offset, rows.count, rows.total))
            self._callers.profile_headers(resp, schema)
            resp.set_header("Content-Location", asked.location(req.path))
            if body:
                resp.data = rows.body
            finish(resp, caller, asked.applied, asked.parsed.warnings, rows.overrides)
        except DataError as error:
            raise self._shown(error) from error

    def _change(self, req: falcon.Request, resp: falcon.Response, relation: str, verb: str) -> None:
        try:
            timing = self._callers.timing()
            schema = self._callers.schema(req)
            form = self._negotiator.choose(
                req.env.get("HTTP_ACCEPT"), schema, relation, whole=selects_whole(req.query_string)
            )
            preferences = self._asker.preferences(req.get_header("Prefer"))
            caller = self._callers.read(req, preferences, schema, timing)
            if self._guarded:
                self._changes.demand(caller, relation, verb)
            self._callers.profile_headers(resp, schema)
            self._changes.answer(req, resp, caller, relation, verb, preferences, form)
        except DataError as error:
            raise self._shown(error) from error

    def _shown(self, error: DataError) -> DataError:
        return error.minimal() if self._minimal else error
