"""Runs the requests of a batch through the same resources as each alone, in one transaction."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote_to_bytes

import msgspec

from reactor_data.batch.references import resolve, resolve_query
from reactor_data.batch.replays import Replay
from reactor_data.batch.requests import SubRequest, decode_exactly, encode_exactly
from reactor_data.batch.shared import SharedTransaction
from reactor_data.errors import DataError, invalid_body
from reactor_data.faults import explain_fault, explain_outage
from reactor_kernel.api import (
    Database,
    DatabaseFault,
    DatabaseUnavailable,
    Identity,
    Isolation,
    PoolTimeout,
    ReactorError,
    Statement,
)

if TYPE_CHECKING:
    import falcon

_JSON = ("application/json", "+json")
# What the batch's own request says, and its parts must not take over.
_OWN = (
    "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_PREFER", "HTTP_ACCEPT", "HTTP_RANGE", "HTTP_IDEMPOTENCY_KEY",
    # The batch was read whole, and so are its parts.
    "reactor.body_end_unseen",
)  # fmt: skip
# All that a part can say. The rest is the batch's: SQL sees headers, and believes of some that a proxy checked them.
_OF_PARTS = ("Accept", "Accept-Profile", "Content-Profile", "Content-Type", "Prefer", "Range", "Range-Unit")
_KEYS = frozenset(name.upper().replace("-", "_") for name in _OF_PARTS)


class Resources(Protocol):
    """The resources of rows and of functions on a database."""

    def ready(self, identity: Identity) -> Isolation | None:
        """Load what they need to know of the database and of a caller's role; return that role's isolation level."""
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
        isolation = self._resources.ready(identity)
        records: list[Statement] = []
        try:
            with self._db.begin(identity, isolation=isolation, abandoned=req.context.abandoned) as tx:
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
                headers = _headers(resp)
                answers[one.id] = answer = _Answer(one.id, status, headers, resp.data or b"")
            except ReactorError as error:
                raise _failed(error, one.id, index) from error
            except RecursionError as error:
                raise _failed(invalid_body(f"request {one.id!r} is nested too deep"), one.id, index) from error
            results.append({"id": one.id, "status": status, "headers": headers, "body": answer.shown})
        return msgspec.json.encode({"results": results})


class _Answer(dict[str, Any]):
    """An answer as references see it; its JSON is decoded when one asks for it. `shown` is the body as the batch answers it."""

    def __init__(self, request_id: str, status: int, headers: dict[str, str], content: bytes) -> None:
        super().__init__(status=status, headers=headers)
        media = headers.get("content-type", "").partition(";")[0]
        self._json = bool(content) and media.endswith(_JSON)
        try:
            self.shown: Any = msgspec.Raw(content) if self._json else content.decode() if content else None
        except UnicodeDecodeError as error:
            raise DataError(
                406,
                "not_acceptable",
                f"request {request_id!r} was answered with {media}, which is no text",
                pgrst="PGRST107",
                hint="Ask for it outside of a batch.",
            ) from error

    def __missing__(self, key: str) -> Any:
        if key != "body":
            raise KeyError(key)
        self["body"] = decode_exactly(self.shown) if self._json else self.shown
        return self["body"]


def _request(req: falcon.Request, one: SubRequest, answers: dict[str, dict[str, Any]]) -> falcon.Request:
    """Make the request that a part stands for, on behalf of the batch's caller."""
    import falcon

    where = f"request {one.id!r}"
    content = _content(one, answers, where)
    env = {key: value for key, value in req.env.items() if key not in _OWN}
    env |= {
        "REQUEST_METHOD": one.method,
        # As a server hands them over (PEP 3333): bytes, each as one character.
        "PATH_INFO": unquote_to_bytes(one.path.partition("?")[0]).decode("latin-1"),
        "QUERY_STRING": resolve_query(one.query, answers, where).encode().decode("latin-1"),
        "wsgi.input": io.BytesIO(content),
        "CONTENT_LENGTH": str(len(content)),
    }
    for name, value in one.headers.items():
        key = name.upper().replace("-", "_")
        if key not in _KEYS or not value.isascii() or not value.isprintable():
            raise invalid_body(
                f"{where} has a header {name[:100]!r}, which it cannot set",
                hint=f"Send it with the batch; a request of it sets {', '.join(_OF_PARTS)}, in ASCII.",
            )
        env[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    part = falcon.Request(env)
    part.context = req.context
    return part


def _content(one: SubRequest, answers: dict[str, dict[str, Any]], where: str) -> bytes:
    if one.body is None:
        return b""
    body = resolve(one.body, answers, where)
    return body.encode() if isinstance(body, str) and _is_text(one) else encode_exactly(body)


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
    if error.status is not None and error.status < 300:
        # `raise sqlstate 'PGRST'` may choose it; of a batch that is not applied it would say that it was.
        error.status = 400
    error.top_level = {**error.top_level, "failed": request_id}
    error.details = {**error.details, "failed": request_id, "index": index}
    return error
