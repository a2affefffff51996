"""Runs the requests of a batch through the same resources as each alone, in one transaction."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from reactor_data.batch.references import resolve, resolve_query
from reactor_data.batch.replays import Replay
from reactor_data.batch.requests import SubRequest
from reactor_data.batch.shared import SharedTransaction
from reactor_data.errors import DataError
from reactor_data.faults import explain_fault, explain_outage
from reactor_kernel.api import (
    Database,
    DatabaseFault,
    DatabaseUnavailable,
    Identity,
    PoolTimeout,
    ReactorError,
    Statement,
)

if TYPE_CHECKING:
    import falcon

_JSON = ("application/json", "+json")
# What the batch's own request says, and its parts must not take over.
_OWN = ("CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_PREFER", "HTTP_ACCEPT", "HTTP_RANGE", "HTTP_IDEMPOTENCY_KEY")


class Resources(Protocol):
    """The resources of rows and of functions on a database."""

    def ready(self, identity: Identity) -> None:
        """Load what they need to know of the database and of a caller's role."""
        ...

    def relations(self, database: Any) -> Any:
        """Return the resource of rows."""
        ...

    def functions(self, database: Any) -> Any:
        """Return the resource of functions."""
        ...


class Batches:
    """Runs batches."""

    def __init__(
        self, database: Database, resources: Resources, placed: Callable[[Identity], Identity], log: logging.Logger
    ) -> None:
        self._db = database
        self._log = log
        self._resources = resources
        self._placed = placed

    def run(self, req: falcon.Request, requests: list[SubRequest], replay: Replay | None) -> tuple[bytes, bool]:
        """Run requests in their order and return the answer, and whether it was given before.

        Raises:
            ReactorError: the first that fails, with its status and its id as `failed`; nothing is applied.
        """
        identity = self._placed(req.context.identity)
        # Before this thread holds a connection: what is looked up and kept takes one of its own.
        self._resources.ready(identity)
        records: list[Statement] = []
        try:
            with self._db.begin(identity) as tx:
                if replay is not None and (given := replay.claim(tx)) is not None:
                    return given, True
                shared = SharedTransaction(tx, identity)
                records = shared.records
                answer = self._run_all(req, requests, shared)
                if replay is not None:
                    replay.keep(tx, answer)
            return answer, False
        except DatabaseFault as fault:
            # Of the commit: a deferred constraint, or the transaction's own end.
            anonymous = identity.kind.value == "anon"
            raise explain_fault(fault, policies={}, subject="_batch", scope="insert", anonymous=anonymous) from fault
        except (DatabaseUnavailable, PoolTimeout) as outage:
            raise explain_outage(outage) from outage
        finally:
            self._record(records)

    def _record(self, records: list[Statement]) -> None:
        if not records:
            return
        try:
            self._db.run(None, records)
        except ReactorError as error:
            # What was asked for is done or refused either way; that it is not on record must be.
            self._log.error("%d entries of a batch's record could not be written: %s", len(records), error)

    def _run_all(self, req: falcon.Request, requests: list[SubRequest], shared: SharedTransaction) -> bytes:
        relations, functions = self._resources.relations(shared), self._resources.functions(shared)
        answers: dict[str, dict[str, Any]] = {}
        results: list[dict[str, Any]] = []
        for index, one in enumerate(requests):
            kind, name = one.target()
            try:
                part = _request(req, one, answers)
                resp = _respond(functions if kind == "function" else relations, part, name)
                status = int(str(resp.status).partition(" ")[0])
                if status >= 400:
                    raise DataError(status, "batch_failed", f"request {one.id!r} was answered with {status}")
            except ReactorError as error:
                raise _failed(error, one.id, index) from error
            headers, content = _headers(resp), resp.data or b""
            is_json = bool(content) and headers.get("content-type", "").partition(";")[0].endswith(_JSON)
            body: Any = msgspec.Raw(content) if is_json else content.decode() if content else None
            answers[one.id] = _Answer(status, headers, content if is_json else None, body)
            results.append({"id": one.id, "status": status, "headers": headers, "body": body})
        return msgspec.json.encode({"results": results})


class _Answer(dict[str, Any]):
    """An answer as references see it; its JSON is decoded when one asks for it."""

    def __init__(self, status: int, headers: dict[str, str], content: bytes | None, body: Any) -> None:
        super().__init__(status=status, headers=headers)
        self._content = content
        self._body = body

    def __missing__(self, key: str) -> Any:
        if key != "body":
            raise KeyError(key)
        self["body"] = self._body if self._content is None else msgspec.json.decode(self._content)
        return self["body"]


def _request(req: falcon.Request, one: SubRequest, answers: dict[str, dict[str, Any]]) -> falcon.Request:
    """Make the request that a part stands for, on behalf of the batch's caller."""
    import falcon

    where = f"request {one.id!r}"
    content = b""
    if one.body is not None:
        body = resolve(one.body, answers, where)
        content = body.encode() if isinstance(body, str) and _is_text(one) else msgspec.json.encode(body)
    env = {key: value for key, value in req.env.items() if key not in _OWN}
    env |= {
        "REQUEST_METHOD": one.method,
        "PATH_INFO": one.path.partition("?")[0],
        "QUERY_STRING": resolve_query(one.query, answers, where).encode().decode("latin-1"),
        "wsgi.input": io.BytesIO(content),
        "CONTENT_LENGTH": str(len(content)),
    }
    for name, value in one.headers.items():
        key = name.upper().replace("-", "_")
        if key in ("AUTHORIZATION", "COOKIE", "X_REACTOR_ORG", "CONTENT_LENGTH"):
            raise DataError(
                400,
                "invalid_body",
                f"{where} sets the header {name}, which is the batch's",
                hint="Send it with the batch.",
            )
        env[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    part = falcon.Request(env)
    part.context = req.context
    return part


def _is_text(one: SubRequest) -> bool:
    kind = next((value for name, value in one.headers.items() if name.lower() == "content-type"), "application/json")
    return not kind.partition(";")[0].strip().lower().endswith(_JSON)


def _respond(resource: Any, part: falcon.Request, name: str) -> falcon.Response:
    import falcon

    resp = falcon.Response()
    getattr(resource, f"on_{part.method.lower()}")(part, resp, name)
    return resp


def _headers(resp: falcon.Response) -> dict[str, str]:
    found = {name.lower(): value for name, value in resp.headers.items()}
    if resp.content_type and resp.data:
        found["content-type"] = resp.content_type
    return found


def _failed(error: ReactorError, request_id: str, index: int) -> ReactorError:
    error.top_level = {**error.top_level, "failed": request_id}
    error.details = {**error.details, "failed": request_id, "index": index}
    return error
