"""What a caller and an operator see of the plugin."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading

import httpx
import pytest
from click.testing import CliRunner

from reactor_hello.cli import hello
from reactor_hello.contract import Greeter, GreetingSent
from reactor_hello.service import Sweeper, Tallies
from reactor_kernel.kernel import Kernel
from reactor_kernel.testing import CapturedEvents, FrozenClock, LiveServer

ANN = {"Authorization": "Bearer ann"}
BEN = {"Authorization": "Bearer ben"}
READER = {"Authorization": "Bearer reader"}


def _context(kernel: Kernel):
    plugin = next(plugin for plugin in kernel.plugins if plugin.name == "hello")
    return kernel.context_for(plugin)


def test_anyone_is_greeted_with_a_seal(client: httpx.Client) -> None:
    response = client.get("/hello/v1/greeting/Ann")
    seal = hmac.new(b"0123456789abcdef", b"Ahoy, Ann!", hashlib.sha256).hexdigest()
    assert (response.status_code, response.json()) == (200, {"text": "Ahoy, Ann!", "seal": seal})


def test_a_stored_greeting_is_seen_in_its_organisation_only(client: httpx.Client) -> None:
    made = client.post("/hello/v1/greetings", json={"name": "Cid"}, headers=ANN)
    assert made.status_code == 201
    assert made.json()["text"] == "Ahoy, Cid!"
    assert client.get("/hello/v1/greetings", headers=ANN).json() == [made.json()]
    assert client.get("/hello/v1/greetings", headers=BEN).json() == []


def test_the_newest_greeting_comes_first_and_limit_bounds_the_list(
    frozen_clock: FrozenClock, client: httpx.Client
) -> None:
    for name in ("one", "two", "three"):
        client.post("/hello/v1/greetings", json={"name": name}, headers=ANN)
        frozen_clock.advance(seconds=1)
    found = client.get("/hello/v1/greetings", params={"limit": 2}, headers=ANN).json()
    assert [greeting["name"] for greeting in found] == ["three", "two"]


@pytest.mark.parametrize(("headers", "status", "code"), [({}, 401, "unauthorized"), (READER, 403, "permission_denied")])
def test_storing_needs_the_permission(client: httpx.Client, headers: dict[str, str], status: int, code: str) -> None:
    response = client.post("/hello/v1/greetings", json={"name": "Cid"}, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is not a greeting: Input data was truncated"),
        (b"{}", "the body is not a greeting: Object missing required field `name`"),
        (b'{"name": 1}', "the body is not a greeting: Expected `str`, got `int` - at `$.name`"),
        (b'{"name": " "}', "the name is empty"),
        (b'{"name": "' + b"x" * 81 + b'"}', "the name is longer than 80 characters"),
    ],
)
def test_a_bad_body_is_refused_in_words(client: httpx.Client, body: bytes, message: str) -> None:
    response = client.post("/hello/v1/greetings", content=body, headers=ANN)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "validation_error"
    assert response.json()["error"]["message"] == message


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "²"])
def test_a_bad_limit_is_refused(client: httpx.Client, limit: str) -> None:
    response = client.get("/hello/v1/greetings", params={"limit": limit}, headers=ANN)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "limit must be a number from 1 to 100"


def test_a_stored_greeting_is_published(captured_events: CapturedEvents, client: httpx.Client) -> None:
    made = client.post("/hello/v1/greetings", json={"name": "Cid"}, headers=ANN).json()
    assert captured_events.of("hello.greeting.sent") == [GreetingSent(made["id"], "Cid")]


def test_the_durable_subscription_counts_each_name_once_per_greeting(live_server: LiveServer) -> None:
    with httpx.Client(base_url=live_server.url, headers=ANN) as client:
        for _ in range(3):
            assert client.post("/hello/v1/greetings", json={"name": "Cid"}).status_code == 201
    tallies = Tallies(_context(live_server.kernel).db)
    # Delivery is by the relay's thread: look until it has come, bounded.
    arrived = threading.Event()
    for _ in range(100):
        if tallies.of("Cid") == 3:
            break
        arrived.wait(0.1)
    assert tallies.of("Cid") == 3
    tallies.count(GreetingSent("019213f5-0000-7000-8000-00000000000c", "Cid"))
    assert tallies.of("Cid") == 3, "an event that comes twice counts once"


def test_a_tally_is_followed_as_it_changes(live_server: LiveServer) -> None:
    with httpx.Client(base_url=live_server.url, headers=ANN, timeout=30) as client:
        with client.stream("GET", "/hello/v1/tally/Cid") as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            shown = (line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: "))
            assert json.loads(next(shown)) == {"name": "Cid", "times": 0}
            assert httpx.post(f"{live_server.url}/hello/v1/greetings", json={"name": "Cid"}, headers=ANN).is_success
            assert json.loads(next(shown)) == {"name": "Cid", "times": 1}


def test_the_sweeper_deletes_what_is_too_old(frozen_clock: FrozenClock, kernel: Kernel, client: httpx.Client) -> None:
    client.post("/hello/v1/greetings", json={"name": "old"}, headers=ANN)
    frozen_clock.advance(days=6)
    client.post("/hello/v1/greetings", json={"name": "young"}, headers=ANN)
    frozen_clock.advance(days=1, seconds=1)
    ctx = _context(kernel)
    assert Sweeper(ctx.db, ctx.config, ctx.clock, ctx.log).sweep() == 1
    left = client.get("/hello/v1/greetings", headers=ANN).json()
    assert [greeting["name"] for greeting in left] == ["young"]


def test_other_plugins_get_the_greeter_by_contract(kernel: Kernel) -> None:
    assert kernel.service(Greeter).greet("Dot").text == "Ahoy, Dot!"


def test_the_metrics_count_what_is_stored(client: httpx.Client) -> None:
    client.post("/hello/v1/greetings", json={"name": "Cid"}, headers=ANN)
    lines = client.get("/metrics").text.splitlines()
    assert "reactor_hello_greetings_total 1.0" in lines
    assert "reactor_hello_greetings_stored 1.0" in lines


def test_the_command_greets_through_the_server(live_server: LiveServer) -> None:
    done = CliRunner().invoke(hello, ["Eve & Co", "--url", live_server.url])
    assert (done.exit_code, done.output) == (0, "Ahoy, Eve & Co!\n")
    refused = CliRunner().invoke(hello, ["x" * 81, "--url", live_server.url])
    assert (refused.exit_code, refused.output) == (1, "Error: the name is longer than 80 characters\n")


def test_the_command_says_when_nothing_answers() -> None:
    done = CliRunner().invoke(hello, ["Eve", "--url", "http://127.0.0.1:9"])
    assert done.exit_code == 1
    assert done.output == (
        "Error: no server answers at http://127.0.0.1:9 ([Errno 111] Connection refused); start one with: reactor up\n"
    )
