"""Every operation of the OpenAPI document, with valid, invalid and hostile requests, as every kind of caller.

`REACTOR_FUZZ_SECONDS=600` goes on with fresh random requests for that long; without it the run is short and repeatable.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.core import NOT_SET, NotSet
from schemathesis.generation import GenerationMode

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_requests import INTERNAL_SECRET, READY, Ready, World
from fuzz_stage import Stages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

PER_OPERATION = 10
# Nothing random reaches these.
HOSTILE = [
    "\x00",
    "a\x00b",
    "\ud800",
    "%00",
    "\r\nX-Injected: yes",
    "é" * 300,
    "x" * 70_000,
    "' OR 1=1 --",
    "00000000-0000-0000-0000-000000000000",
    "javascript:alert(1)",
    "http://[::1",
    "http://a:99999999/",
    -1,
    10**30,
    1e308,
    [],
    {},
    None,
    True,
    "",
    " ",
]
ENCODABLE = [value for value in HOSTILE if value != "\ud800"]
RAW = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b'{"email": "\\ud800"}',
    b'{"email": NaN}',
    b'{"email": 1e999}',
    b'{"email": "a", "email": "b"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"1" * 5_000,
    b"\xef\xbb\xbf{}",
    b"%",
    b"a=%ff&b=%00",
    b"grant_type=password&grant_type=password",
]
MEDIA = ["application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "\xe9", "/", ""]
# RFC 6749 §5.2, RFC 8628 §3.5, RFC 7662 and RFC 7009.
RFC_SHAPED = ("/auth/v1/token", "/auth/v1/device/code", "/auth/v1/introspect", "/auth/v1/revoke")
PAGES = (
    "/auth/v1/authorize",
    "/auth/v1/device",
    "/auth/v1/account",
    "/auth/v1/logout",
    "/auth/v1/verify",
    "/auth/v1/reset",
    "/auth/v1/callback",
)


@pytest.fixture
def auth_config(auth_config: dict[str, Any]) -> dict[str, Any]:
    auth_config["limits"]["social_per_address"] = 0
    auth_config["internal_secret"] = INTERNAL_SECRET
    # A name, because passkeys do not work under an IP address.
    auth_config["public_url"] = "http://localhost:8000"
    auth_config["social"] = {
        "plain": {
            "client_id": "reactor",
            "authorize_url": "https://plain.example.com/authorize",
            # Nobody listens there.
            "token_url": "http://127.0.0.1:9/token",
            "userinfo_url": "http://127.0.0.1:9/userinfo",
        }
    }
    auth_config["redirect_allow_list"] = ["http://localhost:7777/callback"]
    return auth_config


def requests_for(operation: Any) -> st.SearchStrategy[Any]:
    """What to send: a case from the document, the caller, and what to do to the case."""
    cases = [operation.as_strategy(GenerationMode.POSITIVE)]
    if operation.body or operation.query:
        cases.append(operation.as_strategy(GenerationMode.NEGATIVE))
    likely = "admin" if "/_admin/" in operation.path else "internal" if "_internal" in operation.path else "user"
    ways = ["as it is", "true", "true", "true", "known", "known", "hostile", "hostile", "raw"]
    return st.tuples(
        st.one_of(cases),
        st.sampled_from(["anonymous", "user", "member", "key", "admin", "internal", *[likely] * 4]),
        st.sampled_from(["application/json", "text/html", "*/*"]),
        # Where a whole request is known that succeeds, one value of it is spoilt.
        st.sampled_from([*ways, *["spoilt"] * 4 * (operation.label in READY)]),
        st.randoms(use_true_random=False),
    )


def change(case: Any, how: str, known: dict[str, list[Any]], random: Any) -> None:
    """Put true values where there are some, so that requests get past the first refusal; perhaps hostile ones beside."""
    if how == "as it is":
        return
    spoilt = how == "hostile"
    for name in case.path_parameters or {}:
        if name in known and (how == "true" or random.random() < 0.9):
            case.path_parameters[name] = random.choice(known[name])
        elif spoilt:
            case.path_parameters[name] = requests.utils.quote(str(random.choice(ENCODABLE[:-4])), "")
    properties = declared(case.operation, case.media_type)
    if how == "true":
        case.query = {p.name: known[p.name][0] for p in case.operation.query if p.name in known}
        if properties:
            drawn = case.body if isinstance(case.body, dict) else {}
            case.body = {name: drawn[name] for name in properties if name in drawn}
            for name in properties:
                if name in known and random.random() < 0.8:
                    case.body[name] = random.choice(known[name][:2])
        return
    if isinstance(case.body, dict) and properties:
        for name in [name for name in case.body if name not in properties]:
            del case.body[name]
    for values, names in ((case.query, [p.name for p in case.operation.query]), (case.body, properties)):
        if not isinstance(values, dict):
            continue
        for name in names:
            if name in known and random.random() < 0.7:
                values[name] = random.choice(known[name])
            elif spoilt and random.random() < 0.4:
                in_json = values is case.body and case.media_type == "application/json"
                values[name] = random.choice(HOSTILE if in_json else ENCODABLE)


def prepare(case: Any, ready: Ready) -> None:
    """Make a case a request that succeeds."""
    case.path_parameters, case.query = ready.path, ready.query
    case.body = NOT_SET if ready.body is None else ready.body
    case.media_type = None if ready.body is None else ready.media_type


def spoil(ready: Ready, random: Any) -> None:
    """Put something hostile in the place of one value, or leave that one out."""
    places = [(part, name) for part in (ready.path, ready.query, ready.body or {}) for name in part]
    if not places:
        return
    part, name = random.choice(places)
    if part is ready.path:
        part[name] = requests.utils.quote(str(random.choice(ENCODABLE[:-4])), "")
    elif random.random() < 0.2:
        del part[name]
    elif isinstance(part[name], dict) and part[name] and random.random() < 0.7:
        # Within a passkey's answer.
        inner = part[name]
        name = random.choice(sorted(inner))
        deeper = inner[name] if isinstance(inner[name], dict) and inner[name] else inner
        deeper[random.choice(sorted(deeper))] = random.choice(HOSTILE)
    else:
        in_json = part is ready.body and ready.media_type == "application/json"
        part[name] = random.choice(HOSTILE if in_json else ENCODABLE)


def declared(operation: Any, media_type: str | None) -> list[str]:
    for body in operation.body:
        if body.media_type == media_type:
            schema = body.definition.get("schema", {})
            if "$ref" in schema:
                schema = operation.schema.raw_schema["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            return list(schema.get("properties", {}))
    return []


def drive(strategy: st.SearchStrategy[Any], first: int, act: Callable[[Any], None]) -> None:
    """Draw a few requests; nothing is shrunk, since the server remembers what was sent before."""

    @seed(first)
    @settings(
        max_examples=PER_OPERATION,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def drawn(value: Any) -> None:
        act(value)

    drawn()


def send(base: str, case: Any, headers: dict[str, str], raw: tuple[bytes, str] | None) -> requests.Response:
    if raw is None and case.media_type == "application/json" and not isinstance(case.body, (bytes, NotSet)):
        # Escaped, so that lone surrogates can be sent.
        raw = (json.dumps(case.body).encode(), case.media_type)
    if raw is not None:
        case.body = NOT_SET
    options = case.as_transport_kwargs(base_url=base)
    # Random credentials of the document's security schemes would win otherwise.
    options["headers"].pop("Authorization", None)
    options["headers"].update(headers)
    if raw is not None:
        for member in ("json", "files"):
            options.pop(member, None)
        options["data"] = raw[0]
        options["headers"]["Content-Type"] = raw[1].encode("latin-1")
    options.pop("cookies", None)
    return requests.request(**options, allow_redirects=False, timeout=60)


def faults_of(answer: requests.Response, path: str, request_id: str) -> list[str]:
    """What is wrong with an answer, whatever was asked."""
    kind, faults = answer.headers.get("Content-Type", ""), []
    if answer.status_code == 431:
        # Refused before the headers were read, so the id is the engine's own.
        request_id = answer.headers.get("X-Request-Id", "")
    if answer.status_code >= 500:
        faults.append(f"status {answer.status_code}")
    if answer.headers.get("X-Request-Id") != request_id:
        faults.append(f"X-Request-Id is {answer.headers.get('X-Request-Id')!r}")
    if "X-Injected" in answer.headers:
        faults.append("a header was injected")
    if answer.status_code in (204, 304):
        return faults + (["a 204 with a body"] if answer.content else [])
    if 300 <= answer.status_code < 400:
        return faults + ([] if answer.headers.get("Location") else ["a redirect without Location"])
    if kind.startswith("text/html"):
        return faults + ([] if path.startswith(PAGES) else ["a page where none is asked"])
    if kind.partition(";")[0] != "application/json":
        return faults + [f"Content-Type {kind!r}"] if answer.content or answer.status_code >= 400 else faults
    try:
        body = answer.json()
    except ValueError:
        return [*faults, "not JSON"]
    if answer.status_code < 400:
        return faults + (["an error with a success status"] if isinstance(body, dict) and "error" in body else [])
    if not isinstance(body, dict):
        return [*faults, "no object"]
    error = body.get("error")
    if isinstance(error, str) and path in RFC_SHAPED:
        return faults + ([] if set(body) <= {"error", "error_description"} else [f"members {sorted(body)}"])
    if body.get("ok") is not False or not isinstance(error, dict):
        return [*faults, "not the envelope"]
    if (
        not {"code", "message", "status", "request_id"}
        <= set(error)
        <= {
            "code",
            "message",
            "status",
            "request_id",
            "hint",
            "details",
            "fields",
        }
    ):
        faults.append(f"members {sorted(error)}")
    if error.get("status") != answer.status_code or error.get("request_id") != request_id:
        faults.append(f"status or request_id of the envelope: {error.get('status')} {error.get('request_id')}")
    if not all(isinstance(error.get(name), str) and error[name] for name in ("code", "message")):
        faults.append("no code or message")
    return faults


def test_nothing_makes_a_5xx_or_a_refusal_that_is_no_envelope(live_server, api):
    base = live_server.url
    schema = schemathesis.openapi.from_url(f"{base}/_api/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    operations = [op for op in operations if op.path.startswith(("/auth/", "/_ops/", "/_internal/", "/.well-known/"))]
    assert len(operations) > 100
    strategies = [(operation, requests_for(operation)) for operation in operations]
    labels = {operation.label for operation in operations}
    assert set(READY) <= labels, set(READY) - labels
    stages, world = Stages(api), World(api)
    found: dict[tuple[str, str], str] = {}
    statuses: dict[str, dict[int, int]] = {}
    seconds = float(os.environ.get("REACTOR_FUZZ_SECONDS", "0"))
    end = time.monotonic() + seconds
    start = time.time_ns() if seconds else 0
    rounds = 0
    unready: list[str] = []

    def send_one(operation: Any, drawn: Any) -> None:
        case, caller, accept, how, random = drawn
        stage = stages.current
        credentials, raw = stage.callers[caller], None
        if how in ("ready", "spoilt"):
            ready = READY[operation.label](world)
            if how == "spoilt":
                spoil(ready, random)
            prepare(case, ready)
            credentials = ready.headers
        else:
            change(case, how, stage.known, random)
            raw = (random.choice(RAW), random.choice(MEDIA)) if how == "raw" else None
        request_id = f"fuzz-{uuid4()}"
        headers = {"X-Request-Id": request_id, "Accept": accept, **credentials}
        answer = send(base, case, headers, raw)
        counts = statuses.setdefault(operation.label, {})
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
        if how == "ready" and answer.status_code >= 400:
            unready.append(f"{operation.label}: {answer.status_code} {answer.text[:300]}")
        for fault in faults_of(answer, operation.path, request_id):
            found.setdefault(
                (operation.label, fault),
                f"{operation.label} as {caller}: {fault}\n  sent {case.path_parameters} {repr(case.query)[:600]} "
                f"{repr(raw or case.body)[:600]} {case.media_type}\n  got {answer.status_code} {answer.text[:300]}",
            )

    while rounds == 0 or time.monotonic() < end:
        for operation in operations:
            if operation.label in READY:
                send_one(operation, (operation.Case(), "anonymous", "*/*", "ready", None))
        for operation, strategy in strategies:
            stages.renew_if_destroyed()
            drive(strategy, start + rounds, partial(send_one, operation))
        rounds += 1
    tally = {
        "rounds": rounds,
        "operations": len(operations),
        "stages": stages.built,
        "requests": sum(sum(counts.values()) for counts in statuses.values()),
        "never below 400": sorted(label for label, counts in statuses.items() if min(counts) >= 400),
    }
    print(json.dumps(tally))  # noqa: T201
    faults = "\n".join([*found.values(), *dict.fromkeys(unready)])
    assert not faults
