"""kill -9 between the steps of every change, at random instants, and of a Postgres backend: what is found is old or new, whole.

`REACTOR_TEST_KILLS` says how often a server is killed (16 by default; from about 200 on before each step of each operation),
`REACTOR_TEST_SEED` repeats a run.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any

import httpx
import psycopg
import pytest
from storage_operations import OPERATIONS, Attempt, store

KILLS = int(os.environ.get("REACTOR_TEST_KILLS", "16"))
SEED = int(os.environ.get("REACTOR_TEST_SEED", str(random.SystemRandom().randrange(1 << 32))))

pytestmark = [pytest.mark.faults, pytest.mark.thorough]


def send(someone: Any, attempt: Attempt, die_at: int = 0) -> Any:
    method, path, options = attempt.request
    headers = {**options.get("headers", {}), "X-Test-Die-At": str(die_at)}
    if method == "S3 PUT":
        return someone.put_by_s3(f"docs/{path}", options["content"], headers)
    return someone.call(method, path, **{**options, "headers": headers})


def found(someone: Any, attempt: Attempt) -> dict[str, bytes | None]:
    return {key: someone.content(attempt.bucket, key) for key in attempt.states[-1]}


def test_killed_before_a_step(
    serve: Callable[..., Any], someone: Callable[..., Any], leftovers: Callable[..., Any]
) -> None:
    dice = random.Random(SEED)
    server = serve()
    ann = someone(server)
    assert ann.call("POST", "buckets", json={"name": "docs"}).status_code == 201
    steps: dict[Any, list[str]] = {}
    for operation in OPERATIONS:
        attempt = operation(ann, f"{operation.__name__}-whole")
        answer = send(ann, attempt)
        assert answer.is_success, f"{operation.__name__}: {answer.text}"
        steps[operation] = answer.headers["X-Test-Steps"].split()
        assert found(ann, attempt) == attempt.states[-1]
        attempt.finish()
    assert "fsync" in steps[OPERATIONS[0]], "the file system's steps are not counted"
    points = [[(operation, at) for at in range(1, len(names) + 1)] for operation, names in steps.items()]
    for one in points:
        dice.shuffle(one)
    # Some of each operation, however few there are.
    mixed = [point for row in zip_longest(*points) for point in row if point is not None]
    killed = 0
    for number, (operation, at) in enumerate(mixed[:KILLS]):
        where = f"{operation.__name__} before step {at} of {' '.join(steps[operation])} (seed {SEED})"
        attempt = operation(ann, f"{operation.__name__}-{number}")
        try:
            answer = send(ann, attempt, at)
        except httpx.TransportError:
            assert server.ended() == -signal.SIGKILL, where
            server.start()
            assert found(ann, attempt) in attempt.states, where
            killed += 1
        else:
            # Folders of the digests that are there already are steps that it does not take.
            taken = answer.headers["X-Test-Steps"].split()
            assert len(taken) < at, f"{where}: it lives on after {taken}"
            assert found(ann, attempt) == attempt.states[-1], where
        left = leftovers(server)
        assert left.referenced() <= left.kept(), f"{where}: a row refers to a content that is not there"
        if number % 2:
            # Half of the time what was left is swept before the request is sent again, else behind it.
            left.check()
        again = send(ann, attempt)
        assert again.status_code in attempt.again, f"{where}: {again.text}\n{server.said()}"
        assert found(ann, attempt) == attempt.states[-1], where
        attempt.finish()
        left.check()
    assert killed >= min(KILLS, len(mixed)) // 2


class Writer(threading.Thread):
    """Changes a key of its own until told to stop; knows what it may hold."""

    def __init__(self, someone: Any, key: str, seed: int) -> None:
        super().__init__(name=key)
        self.possible: list[bytes | None] = [None]
        self.acknowledged = 0
        self.refused: list[str] = []
        self.over = threading.Event()
        self._someone = someone
        self._key = key
        self._dice = random.Random(seed)

    def run(self) -> None:
        while not self.over.is_set():
            self._change(self._dice.random())

    def _change(self, act: float) -> None:
        if act < 0.7:
            wanted: bytes | None = self._dice.randbytes(int(2 ** self._dice.uniform(0, 21)))
            request: tuple[str, str, dict[str, Any]] = ("PUT", f"object/docs/{self._key}", {"content": wanted})
        elif act < 0.85:
            wanted, request = None, ("DELETE", f"object/docs/{self._key}", {})
        else:
            wanted = b"the common source"
            body = {"bucketId": "docs", "sourceKey": "source", "destinationKey": self._key}
            request = ("POST", "object/copy", {"json": body, "headers": {"X-Upsert": "true"}})
        method, path, options = request
        try:
            answer = self._someone.call(method, path, **options)
        except httpx.TransportError:
            self.possible.append(wanted)  # whether it was done is not known, and both are right
            self.over.wait(0.05)
            return
        if answer.is_success or (method == "DELETE" and answer.status_code == 404):
            self.possible = [wanted]
            self.acknowledged += 1
        elif answer.status_code >= 500:
            self.possible.append(wanted)
            self.over.wait(0.05)
        else:
            self.refused.append(f"{method} {answer.status_code} {answer.text[:300]}")


def test_killed_at_any_instant(
    serve: Callable[..., Any], someone: Callable[..., Any], leftovers: Callable[..., Any], database_url: str
) -> None:
    dice = random.Random(SEED)
    server = serve(server={"workers": 2})
    ann = someone(server)
    assert ann.call("POST", "buckets", json={"name": "docs"}).status_code == 201
    store(ann, "source", b"the common source")
    targets = ("server", "postgres") if "REACTOR_TEST_DATABASE_URL" not in os.environ else ("server",)
    acknowledged = 0
    states: Mapping[str, list[bytes | None]] = {f"key{number}": [None] for number in range(4)}
    for round_ in range(max(4, KILLS // 6)):
        writers = [Writer(ann, key, dice.randrange(1 << 32)) for key in states]
        for writer in writers:
            writer.possible = states[writer.name]
            writer.start()
        time.sleep(dice.uniform(0.1, 0.8))
        target = targets[round_ % len(targets)]
        if target == "server":
            server.kill()
        else:
            kill_a_backend(database_url)
            time.sleep(dice.uniform(0.2, 1.0))
        for writer in writers:
            writer.over.set()
        for writer in writers:
            writer.join(90)
            assert not writer.is_alive(), "a request was never answered"
            assert writer.refused == [], f"round {round_} ({target}, seed {SEED}): a good request was refused"
        if target == "server":
            server.start()
        where = f"round {round_} ({target}, seed {SEED})"
        states = {}
        for writer in writers:
            acknowledged += writer.acknowledged
            content = eventually(lambda key=writer.name: ann.content("docs", key))
            assert content in writer.possible, f"{where}: {writer.name} is neither old nor new"
            states[writer.name] = [content]
        leftovers(server).check()
    assert acknowledged > 4 * len(states), "hardly anything was stored, so nothing was shown"


def kill_a_backend(url: str) -> None:
    """Kill a process of Postgres that serves the database: all of its sessions end, and it recovers from its log."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and backend_type = 'client backend' order by state = 'active' desc, state_change desc"
        ).fetchall()
        assert rows, "nobody is connected"
        os.kill(rows[0][0], signal.SIGKILL)


def eventually(look: Callable[[], bytes | None], seconds: float = 60) -> bytes | None:
    """Look until the database answers again."""
    until = time.monotonic() + seconds
    while True:
        try:
            return look()
        except AssertionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
