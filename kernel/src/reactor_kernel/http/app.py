"""The application: Falcon built from mounts, inside a thin WSGI layer that every request passes exactly once."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import falcon
import falcon.media
import msgspec

from reactor_kernel.contributions import Phase
from reactor_kernel.errors import BootError
from reactor_kernel.http.access import AccessCheck, AdminGate, OperatorGate, StreamSlots
from reactor_kernel.http.address import AddressResolver
from reactor_kernel.http.body import BoundedInput, too_large
from reactor_kernel.http.context import Context
from reactor_kernel.http.cors import Cors
from reactor_kernel.http.errors import CONTENT_TYPE, ErrorHandlers, body_of, standard_body
from reactor_kernel.http.mounting import KERNEL_PREFIXES, Route, RouteInfo, Rule, describe, make_routes, unroutable
from reactor_kernel.http.openapi import drift
from reactor_kernel.http.parts import HttpParts
from reactor_kernel.http.surround import Closing, PermittedOnly, UnmatchedRequests
from reactor_kernel.http.system import system_documents, system_mounts
from reactor_kernel.ids import request_id as make_request_id
from reactor_kernel.observe.logs import current_request_id, note_request
from reactor_kernel.observe.requests import TARGET, record_of_request

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}\Z")
_DOTS = frozenset((".", ".."))
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class _Request(falcon.Request):
    """A request whose context was made by the WSGI layer."""

    __slots__ = ()

    def __init__(self, env: dict[str, Any], options: Any = None) -> None:
        super().__init__(env, options=options)
        context: Context = env["reactor.context"]
        context.attach(self)
        self.context = context  # type: ignore[assignment]


class WsgiApp:
    """A WSGI application; `body_limit_for`, `cross_origin_headers` and `routes` serve the engines and the command line."""

    def __init__(self, parts: HttpParts) -> None:
        self._parts = parts
        mounts = [*parts.mounts]
        system = system_mounts(parts, lambda: self._parts)
        mounts += system
        documents = system_documents(parts, system)
        self._parts = parts = replace(parts, mounts=mounts, openapi=[*parts.openapi, *documents])
        routes, faults = make_routes(parts)
        faults += drift(parts, [route for _, route in routes])
        if faults:
            raise BootError(faults)
        self._routes: dict[str, Route] = {route.path: route for _, route in routes}
        self._falcon = self._build(routes)
        self._router = self._falcon._router
        self._resolver = AddressResolver(parts.server.trusted_proxies)
        self._cors = Cors(parts.server.cors)
        self._log = logging.getLogger(TARGET)
        self._observe = parts.metrics.kernel.observe
        self._default_limit = int(parts.server.max_body_bytes)

    def _build(self, routes: list[tuple[Any, Route]]) -> falcon.App[Any, Any]:
        parts = self._parts
        before: list[Any] = [m.component for _, m in parts.middleware if m.phase is Phase.BEFORE_ACCESS]
        after: list[Any] = [PermittedOnly(m.component) for _, m in parts.middleware if m.phase is Phase.AFTER_ACCESS]
        admin = AdminGate(parts.admin.token, allow_remote=parts.admin.allow_remote)
        check = AccessCheck(
            self._routes, admin, StreamSlots(parts.server.max_streams), OperatorGate(parts.ops, parts.clock)
        )
        app = falcon.App(request_type=_Request, middleware=[*before, check, *after], cors_enable=False)
        app.req_options.auto_parse_form_urlencoded = False
        app.req_options.strip_url_path_trailing_slash = False
        json_handler = falcon.media.JSONHandler(dumps=_dump, loads=_load)
        for options in (app.req_options, app.resp_options):
            options.media_handlers["application/json"] = json_handler
            options.media_handlers["application/json; charset=utf-8"] = json_handler
        dialects = {route.prefix: route.dialect for _, route in routes if route.dialect is not None}
        ErrorHandlers(parts.log, dialects).install(app)
        faults = []
        for mount, route in routes:
            try:
                app.add_route(route.path, mount.resource, suffix=mount.suffix)
            except (ValueError, TypeError, AttributeError) as exc:
                faults.append(unroutable(parts, route, exc))
        if faults:
            raise BootError(faults)
        if parts.fallback:
            owner, fallback = parts.fallback[0]
            app.add_sink(UnmatchedRequests(owner, fallback, self._known_prefixes(), check, parts.server), prefix="/")
        return app

    def _known_prefixes(self) -> tuple[str, ...]:
        extra = [prefix for prefixes in self._parts.extra_prefixes.values() for prefix in prefixes]
        return (*KERNEL_PREFIXES, *self._parts.prefixes.values(), *extra)

    # -- every request ------------------------------------------------------------------------------------------

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        started = time.monotonic()
        inbound = environ.get("HTTP_X_REQUEST_ID")
        request_id = inbound if inbound is not None and _REQUEST_ID.match(inbound) else make_request_id()
        parts = self._parts
        context = Context(request_id, self._resolver.resolve(environ), parts.identify, parts.authorize)
        environ["reactor.context"] = context
        token = current_request_id.set(request_id)
        path = environ.get("PATH_INFO", "")
        sent = "500"
        span = parts.tracer.start(environ) if parts.tracer is not None else None

        def begin(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal sent
            sent = status[:3]
            headers.append(("X-Request-Id", request_id))
            if self._cors.enabled:
                exposed = context.route.exposes if context.route is not None else ()
                headers.extend(self._cors.headers(path, environ.get("HTTP_ORIGIN"), exposed))
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        def finish() -> None:
            for release in context.on_close:
                release()
            self._finished(environ, context, sent, time.monotonic() - started)
            if span is not None and parts.tracer is not None:
                route = context.route.path if context.route is not None else None
                method = environ["REQUEST_METHOD"]
                parts.tracer.end(span, method=method, route=route, status=int(sent), request_id=request_id)

        try:
            refused = self._refuse_early(environ, context, path)
            if refused is not None:
                body: Iterable[bytes] = _answer(begin, *refused)
                if environ["REQUEST_METHOD"] == "HEAD":
                    body = []
            elif (preflight := self._cors.preflight(path, environ)) is not None:
                sent = "204"
                start_response("204 No Content", [*preflight, ("X-Request-Id", request_id)])
                body = []
            else:
                if environ.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in environ:
                    self._bound_body(environ, started)
                head = environ["REQUEST_METHOD"] == "HEAD" and self._head_as_get(environ, path)
                body = self._falcon(environ, begin)
                if head:
                    getattr(body, "close", lambda: None)()
                    body = []
        except BaseException:
            finish()
            raise
        finally:
            current_request_id.reset(token)
        if isinstance(body, list):
            finish()
            return body
        return Closing(body, finish, request_id)

    def _bound_body(self, environ: dict[str, Any], started: float) -> None:
        rule = self._rule_for(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))
        limit = rule.body_limit if rule is not None else self._default_limit
        seconds = rule.timeout if rule is not None else self._parts.server.request_timeout_secs
        length = environ.get("CONTENT_LENGTH")
        environ["wsgi.input"] = BoundedInput(
            environ["wsgi.input"],
            limit=limit,
            expected=int(length) if length else None,
            deadline=started + seconds if seconds else None,
        )

    def _head_as_get(self, environ: dict[str, Any], path: str) -> bool:
        """Let GET answer a HEAD (RFC 9110 §9.3.2) where the resource has no answer of its own."""
        route = self._route_of(path)
        if route is None or "HEAD" in route.rules or "GET" not in route.rules:
            return False
        environ["REQUEST_METHOD"] = "GET"
        return True

    def _refuse_early(self, environ: dict[str, Any], context: Context, path: str) -> tuple[int, bytes] | None:
        """Answer what no route should have to think about: paths that are not text, or that climb."""
        problem = None
        if not path.isascii():
            try:
                path.encode("latin-1").decode("utf-8")
            except UnicodeError:
                problem = "the path is not UTF-8"
        if "\x00" in path:
            problem = "the path holds a NUL"
        elif "/." in path and not _DOTS.isdisjoint(path.split("/")):
            problem = "the path holds a dot segment"
        if problem is not None:
            return 400, standard_body(400, context.request_id, problem)
        length = environ.get("CONTENT_LENGTH")
        if length:
            if not length.isdigit():
                return 400, standard_body(400, context.request_id, "Content-Length is not a number")
            limit = self._default_limit
            if int(length) > limit:
                limit = self.body_limit_for(environ["REQUEST_METHOD"], path)
            if int(length) > limit:
                return body_of(too_large(limit), context.request_id)
        return None

    def _finished(self, environ: dict[str, Any], context: Context, status: str, seconds: float) -> None:
        method = environ["REQUEST_METHOD"]
        if method not in _METHODS:
            method = "other"
        self._observe(context.owner, method, status, seconds)
        log = self._log
        if log.isEnabledFor(logging.INFO):
            route = context.route
            # The template, never the raw path: ids and tokens may stand in it.
            path = route.path if route is not None else "-"
            client = context.client.address
            made = time.time(), context.request_id, method, path, status, seconds, context.owner
            noted = (*made, client, self._parts.project_ref, context.known_user_id)
            if not note_request(noted):
                log.handle(record_of_request(noted))

    # -- for engines and commands -------------------------------------------------------------------------------

    def body_limit_for(self, method: str, path: str) -> int:
        """Return the bytes of request body that a path accepts; the default for paths that match nothing."""
        rule = self._rule_for(method, path)
        return rule.body_limit if rule is not None else self._default_limit

    def cross_origin_headers(self, path: str, origin: str | None) -> list[tuple[str, str]]:
        """Return the CORS headers of an answer of a path, for what is refused before it comes here."""
        if origin is None or not self._cors.enabled:
            return []
        route = self._route_of(path)
        return self._cors.headers(path, origin, route.exposes if route is not None else ())

    def _route_of(self, path: str) -> Route | None:
        found = self._router.find(path)
        return self._routes.get(found[3] or "") if found is not None else None

    def _rule_for(self, method: str, path: str) -> Rule | None:
        route = self._route_of(path)
        return route.rules.get(method) if route is not None else None

    def routes(self) -> list[RouteInfo]:
        """List every method of every route."""
        return describe(self._routes.values())


def _answer(begin: Callable[..., Any], status: int, body: bytes) -> list[bytes]:
    begin(falcon.code_to_http_status(status), [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body)))])
    return [body]


def _dump(value: Any, **_: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def _load(text: str | bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        # Falcon turns a ValueError into its 400 for malformed media.
        raise ValueError(str(exc)) from exc


def build_app(parts: HttpParts) -> WsgiApp:
    """Build the application.

    Raises:
        BootError: two owners of a path, a path outside its owner's prefix, a resource that answers nothing, or an OpenAPI
            document that does not say what is mounted; every fault is listed.
    """
    return WsgiApp(parts)
