"""Measure identity beside fastapi-users on the same Postgres and print tables. See README.md.

python bench/auth.py                                     Reactor alone
python bench/auth.py --peer peer/bin/python              beside fastapi-users, in that interpreter
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import HERE, cpu_seconds, free_port, serving, serving_processes
from project import make
from run import table

EMAIL, PASSWORD = "bench@example.com", "a benchmark's long password"
NO_LIMITS = """
[auth.limits]
login_per_account = 0
login_per_address = 0
signup_per_address = 0
refresh_per_session = 0
"""
GOAL_SIGN_IN_MS, GOAL_VERIFIED = 100, 50_000


@dataclass(frozen=True)
class Run:
    """What calls took, each in seconds, and what the serving processes spent on all of them."""

    latencies: list[float]
    seconds: float
    cpu: float

    def row(self, name: str, *more: str) -> list[str]:
        """Return a row of a table of calls."""
        cuts = statistics.quantiles(self.latencies, n=100)
        count = len(self.latencies)
        return [
            name,
            f"{count / self.seconds:,.0f}",
            f"{cuts[49] * 1000:.1f}",
            f"{cuts[98] * 1000:.1f}",
            f"{self.cpu / count * 1000:.2f}",
            *more,
        ]


HEAD = ["", "calls/s", "p50 ms", "p99 ms", "CPU ms"]


class Caller:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call(self, method: str, path: str, body: Any = None, *, form: bool = False, token: str | None = None) -> Any:
        """Send JSON or a form, return JSON; anything but a 2xx ends the benchmark."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/json"
            content = urllib.parse.urlencode(body) if form else json.dumps(body)
        self._connection.request(method, path, content, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status // 100 != 2:
            raise SystemExit(f"{method} {path} answered {answer.status}: {text.decode()[:500]}")
        return json.loads(text) if text else None


def measure(
    master: int, port: int, callers: int, seconds: float, make_step: Callable[[Caller], Callable[[], None]]
) -> Run:
    """Repeat a step on several connections for some seconds."""
    pids = serving_processes(master)
    steps = [make_step(Caller(port)) for _ in range(callers)]
    for step in steps:
        step()
    found: list[list[float]] = [[] for _ in steps]
    failed: list[BaseException] = []
    began, before = time.perf_counter(), cpu_seconds(pids)

    def repeat(step: Callable[[], None], latencies: list[float]) -> None:
        try:
            while (start := time.perf_counter()) < began + seconds:
                step()
                latencies.append(time.perf_counter() - start)
        except BaseException as fault:
            failed.append(fault)

    threads = [threading.Thread(target=repeat, args=pair) for pair in zip(steps, found, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    spent = cpu_seconds(pids) - before
    return Run([latency for part in found for latency in part], time.perf_counter() - began, spent)


# -- Reactor ------------------------------------------------------------------------------------------------------------


def sign_in(caller: Caller) -> Callable[[], None]:
    """A step that signs in."""
    return lambda: caller.call("POST", "/auth/v1/login", {"email": EMAIL, "password": PASSWORD})


def refresh(caller: Caller) -> Callable[[], None]:
    """A step that exchanges the refresh token of a session of its own."""
    tokens = caller.call("POST", "/auth/v1/login", {"email": EMAIL, "password": PASSWORD})

    def step() -> None:
        body = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        tokens.update(caller.call("POST", "/auth/v1/token", body))

    return step


def who_am_i(caller: Caller) -> Callable[[], None]:
    """A step that asks for the own account."""
    token = caller.call("POST", "/auth/v1/login", {"email": EMAIL, "password": PASSWORD})["access_token"]
    return lambda: caller.call("GET", "/auth/v1/user", token=token)


# -- fastapi-users ------------------------------------------------------------------------------------------------------


def peer_sign_in(caller: Caller) -> Callable[[], None]:
    """A step that signs in."""
    return lambda: caller.call("POST", "/login", {"username": EMAIL, "password": PASSWORD}, form=True)


def peer_who_am_i(caller: Caller) -> Callable[[], None]:
    """A step that asks for the own account."""
    token = caller.call("POST", "/login", {"username": EMAIL, "password": PASSWORD}, form=True)["access_token"]
    return lambda: caller.call("GET", "/users/me", token=token)


# -- in process ---------------------------------------------------------------------------------------------------------


def rate(action: Callable[[], object], seconds: float) -> float:
    """Return how often an action can be done per second of processor time of one core."""
    action()
    count, batch, began = 0, 1, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for _ in range(batch):
            action()
        count += batch
        if spent < 0.01:
            batch *= 2
    return count / spent


def in_process(root: Path, seconds: float) -> None:
    """What every request costs before its resource is reached: the token, then who that is where."""
    import httpx

    from reactor_auth.plugin import AuthPlugin
    from reactor_data.plugin import DataPlugin
    from reactor_kernel.config.loader import load
    from reactor_kernel.kernel import Kernel, Stage

    raw = load(root / "Reactor.toml", environ=dict(os.environ), flags={}, cwd=root)
    kernel = Kernel(raw, plugins=[AuthPlugin, DataPlugin]).boot(Stage.MIGRATED)
    try:
        with httpx.Client(transport=httpx.WSGITransport(app=kernel.app), base_url="http://bench") as client:
            made = client.post("/auth/v1/signup", json={"email": "in@example.com", "password": PASSWORD})
            token = made.raise_for_status().json()["session"]["access_token"]
            bearer = {"Authorization": f"Bearer {token}"}
            client.post("/auth/v1/orgs", json={"name": "B", "slug": "in"}, headers=bearer).raise_for_status()
        [plugin] = [plugin for plugin in kernel.enabled if plugin.name == "auth"]
        auth = plugin.instance._auth(kernel.context_for(plugin))

        def resolve_anew() -> None:
            auth.resolver.identities.clear()
            auth.resolver.resolve(token, "in")

        rows = [
            ["verify a token seen before", lambda: auth.resolver.verify(token), f"{GOAL_VERIFIED:,}"],
            ["verify a token never seen", lambda: auth.tokens.verify(token), ""],
            ["identity in an organisation, cached", lambda: auth.resolver.resolve(token, "in"), ""],
            ["identity in an organisation, from Postgres", resolve_anew, ""],
            ["hash a password (argon2id as shipped)", lambda: auth.passwords.hash(PASSWORD), ""],
        ]
        table(
            "In process, one core (Postgres' own time not counted)",
            ["", "per CPU second", "goal"],
            [[name, f"{rate(action, seconds):,.0f}", goal] for name, action, goal in rows],
        )
    finally:
        kernel.close()


# -- the run ------------------------------------------------------------------------------------------------------------


def over_http(root: Path, args: argparse.Namespace) -> None:
    """Sign-in, refresh and the own account through a server, beside the peer."""
    port, rows = free_port(), []
    command = [sys.executable, str(HERE / "serve_reactor.py"), str(root), str(port), "waitress", "1", "8"]
    with serving(command, port, "/health", cwd=root) as (process, _):
        Caller(port).call("POST", "/auth/v1/signup", {"email": EMAIL, "password": PASSWORD})
        alone = measure(process.pid, port, 1, args.seconds, sign_in)
        rows.append(alone.row("Reactor: sign-in, one at a time"))
        rows.append(measure(process.pid, port, 4, args.seconds, sign_in).row("Reactor: sign-in, four at once"))
        rows.append(measure(process.pid, port, 1, args.seconds, refresh).row("Reactor: refresh, one at a time"))
        rows.append(measure(process.pid, port, 4, args.seconds, refresh).row("Reactor: refresh, four at once"))
        rows.append(measure(process.pid, port, 4, args.seconds, who_am_i).row("Reactor: own account, four at once"))
        if args.peer:
            rows += peer_rows(root, args)
    table(f"Over HTTP, one worker (goal: sign-in one at a time p99 < {GOAL_SIGN_IN_MS} ms)", HEAD, rows)


def peer_rows(root: Path, args: argparse.Namespace) -> list[list[str]]:
    """The peer's sign-in and own account, in the same run and on the same server of Postgres."""
    import psycopg

    from reactor_auth.config import PasswordConfig
    from reactor_kernel.embedded.postgres import EmbeddedPostgres

    dsn = args.database_url or EmbeddedPostgres(root).status().dsn
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS bench_peer WITH (FORCE)")
        connection.execute("CREATE DATABASE bench_peer")
    cost = PasswordConfig()
    costs = [str(cost.memory_kib), str(cost.iterations), str(cost.parallelism)]
    port, rows = free_port(), []
    command = [args.peer, str(HERE / "peer_auth.py"), str(port), _async_dsn(dsn), *costs]
    with serving(command, port, "/openapi.json") as (process, _):
        Caller(port).call("POST", "/register", {"email": EMAIL, "password": PASSWORD})
        for callers, said in ((1, "one at a time"), (4, "four at once")):
            run = measure(process.pid, port, callers, args.seconds, peer_sign_in)
            rows.append(run.row(f"fastapi-users: sign-in, {said}"))
        rows.append(
            measure(process.pid, port, 4, args.seconds, peer_who_am_i).row("fastapi-users: own account, four at once")
        )
    return rows


def _async_dsn(dsn: str) -> str:
    """Return the URL of the peer's database as SQLAlchemy hands it to asyncpg."""
    import psycopg.conninfo

    found = psycopg.conninfo.conninfo_to_dict(dsn)
    user, password = (urllib.parse.quote(str(found.get(key) or ""), safe="") for key in ("user", "password"))
    query = urllib.parse.urlencode({"host": found.get("host", "127.0.0.1"), "port": found.get("port", 5432)})
    return f"postgresql+asyncpg://{user}{':' + password if password else ''}@/bench_peer?{query}"


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="length of each measurement")
    parser.add_argument("--peer", help="a Python interpreter with bench/peer_auth_requirements.txt installed")
    parser.add_argument("--database-url", help="an external Postgres, empty; the embedded one where absent")
    args = parser.parse_args()
    if args.peer:
        subprocess.run([args.peer, "-c", "import fastapi_users, asyncpg, uvicorn"], check=True)
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="reactor-bench-") as folder:
        root = Path(folder) / "project"
        make(root, args.database_url)
        with (root / "Reactor.toml").open("a") as file:
            file.write(NO_LIMITS)
        in_process(root, min(args.seconds, 3))
        over_http(root, args)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
