"""One leader at a time, and none without a connection."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import psycopg

from reactor_kernel.db.leader import PostgresLeader
from reactor_kernel.db.locks import lock_id


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_one_of_two_leads_until_it_releases(dsn: str) -> None:
    one, two = PostgresLeader(dsn), PostgresLeader(dsn)
    assert not one.is_leader("cron")
    assert one.acquire("cron")
    assert one.acquire("cron"), "asking again does not stack locks"
    assert (two.acquire("cron"), one.is_leader("cron"), two.is_leader("cron")) == (False, True, False)
    assert two.acquire("mail"), "tasks are independent"
    one.release("cron")
    assert not one.is_leader("cron")
    assert two.acquire("cron")
    one.close()
    two.close()
    assert not two.is_leader("mail")


def test_a_lost_connection_is_lost_leadership(dsn: str) -> None:
    one, two = PostgresLeader(dsn), PostgresLeader(dsn)
    assert one.acquire("cron")
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'reactor-leader' AND datname = current_database()"
        )
    assert not one.is_leader("cron")
    assert two.acquire("cron")
    assert not one.acquire("cron")
    two.close()
    until(lambda: one.acquire("cron"))
    assert one.is_leader("cron")
    one.close()


def test_a_killed_leader_is_followed(dsn: str) -> None:
    program = (
        "import sys, time\n"
        "from reactor_kernel.db.leader import PostgresLeader\n"
        "leader = PostgresLeader(sys.argv[1])\n"
        "print(leader.acquire('cron'), flush=True)\n"
        "time.sleep(60)\n"
    )
    node = subprocess.Popen([sys.executable, "-c", program, dsn], stdout=subprocess.PIPE, text=True)
    assert node.stdout is not None
    assert node.stdout.readline() == "True\n"
    mine = PostgresLeader(dsn)
    assert not mine.acquire("cron")
    node.kill()
    node.wait(10)
    until(lambda: mine.acquire("cron"))
    mine.close()


def test_without_a_server_nobody_leads(dsn: str) -> None:
    leader = PostgresLeader("postgresql://nobody@127.0.0.1:1/none")
    assert not leader.acquire("cron")
    assert not leader.is_leader("cron")
    leader.release("cron")
    leader.close()


def test_lock_numbers_are_stable_and_positive() -> None:
    assert lock_id("leader:jobs-scheduler") == 3272365646183358567
    assert 0 <= lock_id("x") < 2**63
