"""kill -9 of the server, a worker or the embedded Postgres under load: what was acknowledged is never lost.

`REACTOR_TEST_KILLS` says how often (10 by default), `REACTOR_TEST_SEED` repeats a run.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

KILLS = int(os.environ.get("REACTOR_TEST_KILLS", "10"))
SEED = int(os.environ.get("REACTOR_TEST_SEED", str(random.SystemRandom().randrange(1 << 32))))
MIGRATION = """
create table entries (
  id     reactor_id primary key default reactor_id(),
  org_id uuid not null default auth.org_id(),
  title  text not null
);
policy entries_of_the_org on entries for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
"""
# An external server is not ours to kill.
TARGETS = ("server", "worker") if os.environ.get("REACTOR_TEST_DATABASE_URL") else ("server", "worker", "postgres")

pytestmark = pytest.mark.faults


class Writers:
    """Threads that write rows as fast as they are acknowledged, and remember which were."""

    def __init__(self, url: str, headers: dict[str, str], round_: int, count: int = 3) -> None:
        self.acknowledged: list[str] = []
        self.refused: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(url, headers, f"{round_}-{number}")) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def _write(self, url: str, headers: dict[str, str], name: str) -> None:
        with httpx.Client(base_url=url, headers=headers, timeout=10) as client:
            number = 0
            while not self._stop.is_set():
                title = f"{name}-{number}"
                number += 1
                try:
                    answer = client.post("/data/v1/entries", json={"title": title})
                except httpx.TransportError:
                    self._stop.wait(0.02)  # killed; whether this one was stored is unknown, and both are right
                    continue
                if answer.status_code == 201:
                    self.acknowledged.append(title)
                else:
                    self.refused[f"{answer.status_code} {answer.text[:300]}"] += 1
                    self._stop.wait(0.02)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self._threads), "a writer hangs: a request was never answered"


def children(pid: int) -> list[int]:
    text = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(word) for word in text.split()]


def worker_of(server: Any) -> int | None:
    """A worker process of a server; its own children are workers, whatever else runs is not python."""
    for child in children(server.process.pid):
        with contextlib.suppress(OSError):
            if b"python" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
    return None


def postmaster_of(directory: Path) -> int:
    return int((directory / ".reactor" / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def stored(url: str, headers: dict[str, str]) -> list[str]:
    found: list[str] = []
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        while True:
            path = f"/data/v1/entries?select=title&order=id&limit=1000&offset={len(found)}"
            answer = client.get(path)
            assert answer.status_code == 200, answer.text
            found += [row["title"] for row in answer.json()]
            if len(answer.json()) < 1000:
                return found


def test_no_acknowledged_row_is_lost_whatever_is_killed(start_server: Callable[..., Any], reactor_tool: Any) -> None:
    dice = random.Random(SEED)
    reactor_tool.environ["REACTOR_SERVER__WORKERS"] = "2"
    server = start_server(files={"migrations/001_entries.sql": MIGRATION}).wait()
    headers = _signed_in(server.url)
    acknowledged: list[str] = []
    for round_ in range(KILLS):
        target = TARGETS[round_ % len(TARGETS)] if round_ < len(TARGETS) else dice.choice(TARGETS)
        writers = Writers(server.url, headers, round_)
        time.sleep(dice.uniform(0.1, 0.8))
        if target == "worker":
            victim = worker_of(server)
            assert victim is not None, f"no worker process was found:\n{server.text()}"
            os.kill(victim, signal.SIGKILL)
            server.wait(30)  # the master replaces it; nobody restarts anything
            time.sleep(dice.uniform(0.1, 0.3))
            writers.stop()
        elif target == "postgres":
            os.kill(postmaster_of(reactor_tool.directory), signal.SIGKILL)
            time.sleep(dice.uniform(0.0, 0.5))
            writers.stop()
            server.kill()
            server = start_server(port=server.port).wait()
        else:
            server.kill()
            writers.stop()
            server = start_server(port=server.port).wait()
        own_fault = [text for text in writers.refused if text[0] == "4"]
        assert own_fault == [], f"round {round_} ({target}): a good request was refused"
        acknowledged += writers.acknowledged
        found = stored(server.url, headers)
        lost = sorted(set(acknowledged) - set(found))
        assert lost == [], f"round {round_} ({target}, seed {SEED}): acknowledged and lost"
        twice = sorted(title for title, times in Counter(found).items() if times > 1)
        assert twice == [], f"round {round_} ({target}, seed {SEED}): stored twice"
    assert len(acknowledged) > KILLS, "hardly anything was written, so nothing was shown"
    assert server.stop() == 0


def _signed_in(url: str) -> dict[str, str]:
    with httpx.Client(base_url=url, timeout=30) as client:
        made = client.post("/auth/v1/signup", json={"email": "w@example.com", "password": "correct horse battery"})
        assert made.status_code == 201, made.text
        bearer = {"Authorization": f"Bearer {made.json()['session']['access_token']}"}
        org = client.post("/auth/v1/orgs", json={"name": "W", "slug": "w"}, headers=bearer)
        assert org.status_code == 201, org.text
        return {**bearer, "X-Reactor-Org": org.json().get("org", org.json())["id"]}
