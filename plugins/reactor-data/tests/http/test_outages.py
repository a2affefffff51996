"""A database that is gone, busy or slow, and clients that go away."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

SLOW = """
create view slow as select pg_sleep(30)::text as a;
create table sleepy (id int primary key, seconds float) with (rls = false);
create function sleeping() returns trigger language plpgsql as $$ begin perform pg_sleep(new.seconds); return new; end $$;
create trigger sleeping before insert on sleepy for each row execute function sleeping();
"""


def within(seconds: float, what: Callable[[], bool]) -> None:
    """Wait until something is so; the limit only ends a test that hangs."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def own_server() -> Iterator[Any]:
    from reactor_kernel.embedded.postgres import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="reactor-data-test-") as root:
        server = EmbeddedPostgres(Path(root))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def test_a_restart_of_the_database_is_503_and_then_over(boot: Any, ann: Any, own_server: Any) -> None:
    kernel = boot(_url=own_server.url)
    transport = httpx.WSGITransport(app=kernel.app, raise_app_exceptions=True, remote_addr="127.0.0.1")
    answers: list[Any] = []
    stop = threading.Event()
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        member = type(ann)(client)
        member.insert({"title": "kept"})

        def ask(number: int) -> None:
            while not stop.is_set():
                if number % 2:
                    answers.append(member.call("GET", "todos?select=title"))
                else:
                    answers.append(
                        member.call("PATCH", "todos?select=title", body={"n": number}, Prefer="return=representation")
                    )

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            within(30, lambda: len(answers) > 20)
            own_server.stop()
            within(30, lambda: any(answer.status_code == 503 for answer in answers))
            unready = client.get("/data/v1/health/ready")
            assert (unready.status_code, client.get("/data/v1/health").status_code) == (503, 200)
            own_server.start()
            mark = len(answers)
            within(60, lambda: sum(answer.status_code == 200 for answer in answers[mark:]) > 20)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        within(30, lambda: client.get("/data/v1/health/ready").status_code == 200)
        assert {answer.status_code for answer in answers} == {200, 503}
        for answer in answers:
            if answer.status_code == 200:
                assert answer.json() == [{"title": "kept"}]
                continue
            said = answer.json()
            assert (said["error"]["code"], said["code"]) == ("database_unavailable", "PGRST001")
        assert member.call("GET", "todos?select=title").json() == [{"title": "kept"}]


def test_a_pool_without_a_free_connection_is_504(boot: Any, project: Path, ann: Any) -> None:
    (project / "migrations" / "002.sql").write_text(SLOW, encoding="utf-8")
    kernel = boot(_database={"pool_max": 1, "acquire_timeout_secs": 1}, statement_timeout_ms=5000)
    transport = httpx.WSGITransport(app=kernel.app, raise_app_exceptions=True, remote_addr="127.0.0.1")
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        member = type(ann)(client)
        member.insert({"title": "a"})
        slow: list[Any] = []
        thread = threading.Thread(target=lambda: slow.append(member.call("GET", "slow")))
        thread.start()
        within(30, lambda: kernel.database.stats().idle == 0)
        refused = member.call("GET", "todos")
        said = refused.json()
        assert (refused.status_code, said["error"]["code"], said["code"]) == (504, "pool_timeout", "PGRST003")
        thread.join()
        assert (slow[0].status_code, slow[0].json()["code"]) == (500, "57014")
        assert slow[0].json()["hint"] == "The statement ran longer than [data] statement_timeout_ms allows."
        assert slow[0].headers["Proxy-Status"] == "reactor-data; error=57014"
        assert member.call("GET", "todos?select=title").json() == [{"title": "a"}]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "slow", b""), ("POST", "sleepy", b'{"id": 1, "seconds": 30}')],
)
def test_what_nobody_waits_for_is_cancelled(
    boot: Any, project: Path, ann: Any, method: str, path: str, body: bytes
) -> None:
    from reactor_kernel.api import Statement
    from reactor_kernel.testing.server import live

    (project / "migrations" / "002.sql").write_text(SLOW, encoding="utf-8")
    kernel = boot()

    def running() -> int:
        (result,) = kernel.database.run(
            None,
            [
                Statement(
                    "select count(*) from pg_stat_activity where datname = current_database() and state = 'active'"
                    " and wait_event = 'PgSleep'"
                )
            ],
        )
        return int(result.rows[0][0] or 0)

    with live(kernel) as server, httpx.Client(base_url=server.url) as client:
        token = json.dumps({"user_id": ann.user_id, "org_id": ann.org_id})
        head = (
            f"{method} /data/v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(server.address) as leaving:
            leaving.sendall(head.encode() + body)
            within(20, lambda: running() == 1)
        within(20, lambda: running() == 0)
        stays = type(ann)(client)
        assert stays.call("GET", "sleepy").json() == []
        assert stays.call("POST", "sleepy", body={"id": 2, "seconds": 0.6}).status_code == 201
