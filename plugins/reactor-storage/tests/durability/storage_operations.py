"""What a user does to objects, each as: what was there, one request that may be cut off, and what may be there afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Parts but the last have at least this size.
PART = b"part" * (5 * 1024 * 1024 // 4)
State = Mapping[str, bytes | None]


@dataclass(frozen=True)
class Attempt:
    """One request. `states` are those that may be found after it was cut off; the last one is that after it was answered."""

    request: tuple[str, str, dict[str, Any]]
    states: list[State]
    # Sent once more after it was cut off, it may find that it has been done already.
    again: frozenset[int] = frozenset({200})
    bucket: str = "docs"
    # Once it was answered, or after `again`.
    finish: Callable[[], None] = field(default=lambda: None)


def store(someone: Any, key: str, content: bytes, bucket: str = "docs") -> None:
    answer = someone.call("PUT", f"object/{bucket}/{key}", content=content)
    assert answer.status_code == 200, answer.text


def put(someone: Any, name: str) -> Attempt:
    content = f"new {name}".encode() * 40000
    return Attempt(("PUT", f"object/docs/{name}", {"content": content}), [{name: None}, {name: content}])


def overwrite(someone: Any, name: str) -> Attempt:
    old, new = f"old {name}".encode(), f"new {name}".encode() * 40000
    store(someone, name, old)
    return Attempt(("PUT", f"object/docs/{name}", {"content": new}), [{name: old}, {name: new}])


def equal(someone: Any, name: str) -> Attempt:
    """Store a content that another object has."""
    content = b"the same for all" * 20000
    store(someone, "other", content)
    store(someone, name, b"old")
    states = [{name: b"old", "other": content}, {name: content, "other": content}]
    return Attempt(("PUT", f"object/docs/{name}", {"content": content}), states)


def form(someone: Any, name: str) -> Attempt:
    content = f"form {name}".encode() * 40000
    sent = {"files": {"file": ("a.txt", content, "text/plain")}, "headers": {"X-Upsert": "true"}}
    return Attempt(("POST", f"object/docs/{name}", sent), [{name: None}, {name: content}])


def copy(someone: Any, name: str) -> Attempt:
    content = f"source {name}".encode()
    store(someone, f"{name}.from", content)
    store(someone, name, b"old " + name.encode())
    body = {"bucketId": "docs", "sourceKey": f"{name}.from", "destinationKey": name}
    states = [
        {f"{name}.from": content, name: b"old " + name.encode()},
        {f"{name}.from": content, name: content},
    ]
    return Attempt(("POST", "object/copy", {"json": body, "headers": {"X-Upsert": "true"}}), states)


def move(someone: Any, name: str) -> Attempt:
    content = f"moved {name}".encode()
    store(someone, f"{name}.from", content)
    body = {"bucketId": "docs", "sourceKey": f"{name}.from", "destinationKey": name}
    states: list[State] = [{f"{name}.from": content, name: None}, {f"{name}.from": None, name: content}]
    return Attempt(("POST", "object/move", {"json": body}), states, frozenset({200, 404}))


def delete(someone: Any, name: str) -> Attempt:
    content = f"doomed {name}".encode()
    store(someone, name, content)
    return Attempt(("DELETE", f"object/docs/{name}", {}), [{name: content}, {name: None}], frozenset({204, 404}))


def batch(someone: Any, name: str) -> Attempt:
    """Remove several in one request: all of them or none."""
    keys = [f"{name}.{number}" for number in range(3)]
    for key in keys:
        store(someone, key, key.encode())
    states: list[State] = [{key: key.encode() for key in keys}, dict.fromkeys(keys)]
    return Attempt(("DELETE", "object/docs", {"json": {"prefixes": keys}}), states)


def cascade(someone: Any, name: str) -> Attempt:
    """Remove a bucket with its objects, which go in a transaction of their own."""
    assert someone.call("POST", "buckets", json={"name": name}).status_code == 201
    store(someone, "a", b"in a bucket", name)
    return Attempt(
        ("DELETE", f"buckets/{name}?cascade=true", {}),
        [{"a": b"in a bucket"}, {"a": None}],
        frozenset({204, 404}),
        name,
    )


# -- uploads in parts -------------------------------------------------------------------------------------------------


def begin(someone: Any, name: str) -> str:
    answer = someone.call("POST", f"upload/docs/{name}", json={})
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["upload_id"]
    return found


def send_part(someone: Any, name: str, id: str, number: int, content: bytes) -> str:
    answer = someone.call("PUT", f"upload/docs/{name}/part?upload_id={id}&part_number={number}", content=content)
    assert answer.status_code == 200, answer.text
    etag: str = answer.json()["etag"]
    return etag


def part(someone: Any, name: str) -> Attempt:
    """Replace the last part of an upload, which then is completed."""
    id = begin(someone, name)
    first, last = send_part(someone, name, id, 1, PART), b"the last part " * 30000
    send_part(someone, name, id, 2, b"another last part")

    def finish() -> None:
        named = [{"part_number": 1, "etag": first}, {"part_number": 2, "etag": send_part(someone, name, id, 2, last)}]
        answer = someone.call("POST", f"upload/docs/{name}/complete?upload_id={id}", json={"parts": named})
        assert answer.status_code == 200, answer.text
        assert someone.content("docs", name) == PART + last

    request = ("PUT", f"upload/docs/{name}/part?upload_id={id}&part_number=2", {"content": last})
    return Attempt(request, [{name: None}], finish=finish)


def complete(someone: Any, name: str) -> Attempt:
    store(someone, name, b"old")
    id, last = begin(someone, name), f"of {name}".encode()
    contents = [PART, last]
    named = [
        {"part_number": number, "etag": send_part(someone, name, id, number, content)}
        for number, content in enumerate(contents, 1)
    ]
    request = ("POST", f"upload/docs/{name}/complete?upload_id={id}", {"json": {"parts": named}})
    return Attempt(request, [{name: b"old"}, {name: PART + last}], frozenset({200, 404}))


def abort(someone: Any, name: str) -> Attempt:
    id = begin(someone, name)
    send_part(someone, name, id, 1, f"given up {name}".encode())
    request = ("DELETE", f"upload/docs/{name}/abort?upload_id={id}", {})
    return Attempt(request, [{name: None}], frozenset({204, 404}))


def s3_put(someone: Any, name: str) -> Attempt:
    old, new = f"old {name}".encode(), f"new {name}".encode() * 40000
    store(someone, name, old)
    request = ("S3 PUT", name, {"content": new})
    return Attempt(request, [{name: old}, {name: new}])


OPERATIONS = (put, overwrite, equal, form, copy, move, delete, batch, cascade, part, complete, abort, s3_put)
