"""What stands around a resource: the end of a response, permitted-only middleware, unmatched requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import falcon
from falcon.constants import COMBINED_METHODS

from reactor_kernel.http.access import AccessCheck
from reactor_kernel.http.context import Context
from reactor_kernel.http.mounting import Rule
from reactor_kernel.observe.logs import current_request_id


class Closing:
    """A response body that reports its end, also when the client went away."""

    def __init__(self, body: Iterable[bytes], finish: Callable[[], None], request_id: str) -> None:
        self._body = body
        self._iterator = iter(body)
        self._finish: Callable[[], None] | None = finish
        self._request_id = request_id

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        token = current_request_id.set(self._request_id)
        try:
            return next(self._iterator)
        finally:
            current_request_id.reset(token)

    def close(self) -> None:
        """Close the body and report, once."""
        finish, self._finish = self._finish, None
        if finish is None:
            return
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            finish()


class PermittedOnly:
    """Wraps a plugin's middleware so that it sees only requests that the access check let through."""

    def __init__(self, component: Any) -> None:
        self._component = component

    def process_resource(self, req: Any, resp: Any, resource: object, params: Any) -> None:
        """Called after the access check; stands for the component's `process_request` and `process_resource`."""
        if req.context.route is None:
            return
        req.context.state[id(self)] = True
        for name, arguments in (("process_request", (req, resp)), ("process_resource", (req, resp, resource, params))):
            method = getattr(self._component, name, None)
            if method is not None:
                method(*arguments)

    def process_response(self, req: Any, resp: Any, resource: object, succeeded: bool) -> None:
        """Called for every answer; handed on for permitted requests."""
        method = getattr(self._component, "process_response", None)
        if method is not None and id(self) in req.context.state:
            method(req, resp, resource, succeeded)


class UnmatchedRequests:
    """Hands unmatched requests to the plugin that asked for them, unless a prefix of the platform owns the path."""

    def __init__(self, owner: str, fallback: Any, prefixes: tuple[str, ...], check: AccessCheck, limits: Any) -> None:
        self._owner = owner
        self._fallback = fallback
        self._prefixes = prefixes
        self._check = check
        self._rule = Rule(fallback.access, None, limits.max_body_bytes, limits.request_timeout_secs, False)

    def __call__(self, req: Any, resp: Any, **params: str) -> None:
        path = req.path
        if any(path == prefix or path.startswith(prefix + "/") for prefix in self._prefixes):
            raise falcon.HTTPRouteNotFound
        context: Context = req.context
        context.owner = self._owner
        self._check.admit(req, context, self._rule)
        resource = self._fallback.resource
        # Only methods that there are: any other word would call whatever else the resource has by such a name.
        responders = {method: getattr(resource, f"on_{method.lower()}", None) for method in COMBINED_METHODS}
        answers = {method: responder for method, responder in responders.items() if callable(responder)}
        if req.method not in answers:
            raise falcon.HTTPMethodNotAllowed(list(answers))
        answers[req.method](req, resp)
