"""The log line of a request: noted by the thread that answered, written by another (see `backlog`)."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime

import msgspec

from reactor_kernel.observe.redact import redact_text

TARGET = "reactor_kernel.http"

# (seconds since the epoch, request id, method, path template, status, seconds taken, capability, client address,
# project's ref, id of the user where one was identified)
Noted = tuple[float, str, str, str, str, float, str, str, str, str | None]
# Ids made here and addresses; anything else came from outside as it is and may hold a credential.
_HARMLESS = re.compile(r"[0-9a-fA-F:.-]*\Z")


class RequestFields(msgspec.Struct, gc=False, omit_defaults=True):
    """What is particular to a request's line."""

    method: str
    path: str
    status: int
    latency_ms: float
    client: str
    project_ref: str
    user_id: str | None = None


class RequestLine(msgspec.Struct, gc=False):
    """A request's line, with the keys and their order of every other line."""

    timestamp: str
    level: str
    target: str
    message: str
    capability: str
    request_id: str
    fields: RequestFields


def line_of_request(noted: Noted) -> RequestLine:
    """Turn what was noted into what is logged."""
    created, request_id, method, path, status, seconds, capability, client, project_ref, user_id = noted
    return RequestLine(
        datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds"),
        "info",
        TARGET,
        "request",
        capability,
        _shown(request_id),
        RequestFields(
            method,
            path,
            int(status),
            round(seconds * 1000, 2),
            _shown(client),
            project_ref,
            None if user_id is None else _shown(user_id),
        ),
    )


def _shown(text: str) -> str:
    return text if _HARMLESS.match(text) else redact_text(text)


def record_of_request(noted: Noted) -> logging.LogRecord:
    """Turn what was noted into a record, for handlers that are not ours."""
    line = line_of_request(noted)
    record = logging.LogRecord(TARGET, logging.INFO, __file__, 0, line.message, None, None)
    record.created = noted[0]
    vars(record).update(msgspec.to_builtins(line.fields), request_id=line.request_id, capability=line.capability)
    return record
