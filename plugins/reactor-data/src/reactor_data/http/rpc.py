"""`/data/v1/rpc/{function}`: functions (contract data.md §4.10)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from reactor_data.arguments import Arguments, from_body, from_query
from reactor_data.asking import Asker
from reactor_data.calling import Functions
from reactor_data.config import DataConfig
from reactor_data.errors import DataError
from reactor_data.http.answers import STATUS, finish
from reactor_data.http.negotiation import Negotiator, selects_whole
from reactor_data.http.receiving import whole_body
from reactor_data.http.requests import CallerReader
from reactor_data.pages import content_range, page_of, read_status
from reactor_data.permissions import demand
from reactor_data.query.ast import Parsed
from reactor_data.query.compiler import Read
from reactor_data.query.parser import parse_query
from reactor_data.running import Caller

if TYPE_CHECKING:
    import falcon

_MOST_KEPT = 1024
_LONGEST_KEPT = 2048


class FunctionResource:
    """The functions of the exposed schemas."""

    def __init__(self, functions: Functions, callers: CallerReader, asker: Asker, config: DataConfig) -> None:
        self._functions = functions
        self._callers = callers
        self._asker = asker
        self._config = config
        self._negotiator = Negotiator(plan_enabled=config.plan_enabled)
        self._guarded = config.rpc_permission == "enforce"
        self._minimal = config.error_verbosity == "minimal"
        self._kept = lru_cache(_MOST_KEPT)(self._parse)

    def on_get(self, req: falcon.Request, resp: falcon.Response, function: str) -> None:
        """Call with the arguments of the query string, in a transaction that may not write."""
        self._call(req, resp, function, body=True)

    def on_head(self, req: falcon.Request, resp: falcon.Response, function: str) -> None:
        """Answer what GET would, without the body."""
        self._call(req, resp, function, body=False)

    def on_post(self, req: falcon.Request, resp: falcon.Response, function: str) -> None:
        """Call with the arguments of the body."""
        self._call(req, resp, function, body=True)

    def on_options(self, req: falcon.Request, resp: falcon.Response, function: str) -> None:
        """Answer which methods the function takes."""
        try:
            found = self._functions.overloads(function, self._callers.schema(req).name)
        except DataError as error:
            raise self._shown(error) from error
        quiet = any(one.volatility != "volatile" for one in found)
        resp.set_header("Allow", "OPTIONS,GET,HEAD,POST" if quiet else "OPTIONS,POST")
        resp.status = 200

    def _call(self, req: falcon.Request, resp: falcon.Response, name: str, *, body: bool) -> None:
        header = req.env.get
        reading = req.method != "POST"
        try:
            timing = self._callers.timing()
            schema = self._callers.schema(req)
            preferences = self._asker.preferences(header("HTTP_PREFER"))
            caller = self._callers.read(req, preferences, schema, timing)
            if self._guarded:
                self._demand(caller, name)
            raw = req.query_string
            parsed = self._kept(raw, reading) if len(raw) <= _LONGEST_KEPT else self._parse(raw, reading)
            arguments = self._arguments(req, parsed, reading)
            schema, function = self._functions.find(name, schema.name, arguments)
            form = self._negotiator.choose(
                header("HTTP_ACCEPT"),
                schema,
                function.relation or function.name,
                whole=selects_whole(raw),
                function=function,
            )
            page = page_of(
                parsed.limit,
                parsed.offset,
                header("HTTP_RANGE") if req.method == "GET" else None,
                default_limit=self._config.default_limit,
                max_limit=self._config.max_limit,
            )
            if timing is not None:
                timing.mark("parse")
            count = None if preferences.count == "none" else preferences.count
            most = preferences.max_affected if preferences.strict else None
            rows = self._functions.call(
                caller,
                name,
                arguments,
                parsed,
                Read(parsed.query, body, count, page.offset > 0, form.shape),
                page,
                readonly=reading,
                max_affected=most,
            )
            resp.status = STATUS[read_status(page.offset, rows.count, rows.total)]
            if form.shape.explain is None:
                resp.set_header("Content-Range", content_range(page.offset, rows.count, rows.total))
            if function.returns == "void" and form.shape.explain is None:
                resp.status = STATUS[204]
            else:
                resp.content_type = form.content_type
                if body:
                    resp.data = rows.body
            self._callers.profile_headers(resp, schema)
            applied = preferences.applied(count=True, max_affected=most is not None)
            finish(resp, caller, applied, parsed.warnings, rows.overrides)
        except DataError as error:
            raise self._shown(error) from error

    def _demand(self, caller: Caller, name: str) -> None:
        try:
            demand(caller.identity, f"data:rpc:{name}:invoke")
        except DataError:
            self._functions.refused(caller, name)
            raise

    def _arguments(self, req: falcon.Request, parsed: Parsed, reading: bool) -> Arguments:
        if reading:
            return from_query(parsed.arguments)
        return from_body(req.content_type, whole_body(req), parsed.query.columns)

    def _parse(self, raw: str, reading: bool) -> Parsed:
        return parse_query(
            raw,
            max_embed_depth=self._config.max_embed_depth,
            legacy_target_names=self._config.url_legacy_target_names,
            call=reading,
        )

    def _shown(self, error: DataError) -> DataError:
        return error.minimal() if self._minimal else error
