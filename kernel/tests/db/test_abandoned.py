"""What a caller may say about its transaction: that nobody waits any more, its isolation level, another role."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from reactor_kernel.contracts import ANONYMOUS, Isolation, Statement
from reactor_kernel.db.database import PostgresDatabase
from reactor_kernel.errors import DatabaseFault

SLEEP = Statement("SELECT pg_sleep(60)")
ONE = Statement("SELECT 1")


@pytest.mark.parametrize("opened", [False, True])
def test_what_nobody_waits_for_is_cancelled_and_its_connection_is_not_lent_again(
    database: PostgresDatabase, opened: bool
) -> None:
    backend = Statement("SELECT pg_backend_pid()::text")
    (before,) = database.run(None, [backend])

    def sleep() -> None:
        if not opened:
            database.run(None, [SLEEP], abandoned=lambda: True)
            return
        with database.begin(abandoned=lambda: True) as tx:
            tx.run([SLEEP])

    with pytest.raises(DatabaseFault) as caught:
        sleep()
    assert (caught.value.sqlstate, caught.value.primary) == ("57014", "canceling statement due to user request")
    (after,) = database.run(None, [backend])
    assert after.rows != before.rows
    assert database.stats().size == 1


def test_as_long_as_somebody_waits_nothing_is_cancelled(database: PostgresDatabase) -> None:
    asked: list[int] = []

    def abandoned() -> bool:
        asked.append(threading.get_ident())
        return False

    (result,) = database.run(None, [Statement("SELECT pg_sleep(0.9)::text || 'awake'")], abandoned=abandoned)
    assert result.rows == [(b"awake",)]
    assert set(asked) == {threading.get_ident()}
    asked.clear()
    database.run(None, [ONE], abandoned=abandoned)
    assert asked == []


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_a_transaction_has_the_level_it_asks_for_and_the_next_one_its_own(
    database: PostgresDatabase, level: Isolation
) -> None:
    shown = Statement("SELECT current_setting('transaction_isolation')")
    for readonly in (False, True):
        (result,) = database.run(ANONYMOUS, [shown], isolation=level, readonly=readonly, settings={"a.b": "c"})
        assert result.rows == [(level.encode(),)]
    with database.begin(ANONYMOUS, isolation=level, settings={"a.b": "c"}) as tx:
        assert tx.run([shown])[0].rows == [(level.encode(),)]
    assert database.run(ANONYMOUS, [shown])[0].rows == [(b"read committed",)]


def test_a_transaction_has_its_level_while_statements_prepared_long_ago_are_forgotten(
    database: PostgresDatabase,
) -> None:
    shown = Statement("SELECT current_setting('transaction_isolation')")
    kept = Statement("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'reactor%'")
    many = iter(range(10_000))

    def crowd_out() -> None:
        database.run(None, [Statement(f"SELECT {next(many)}") for _ in range(300)])

    crowd_out()
    assert database.run(None, [shown], isolation="serializable")[0].rows == [(b"serializable",)]
    crowd_out()
    with database.begin(isolation="repeatable read") as tx:
        assert tx.run([shown])[0].rows == [(b"repeatable read",)]
    [result] = database.run(None, [kept])
    assert int(result.rows[0][0] or 0) <= 257
    crowd_out()
    database.run(None, [Statement("DEALLOCATE ALL", prepare=False)])
    assert database.run(None, [shown], isolation="serializable")[0].rows == [(b"serializable",)]
    assert (database.stats().size, database.stats().idle) == (1, 1)


def test_an_identity_may_run_as_a_role_of_its_own(database: PostgresDatabase) -> None:
    shown = [Statement("SELECT current_user::text, auth.jwt()->>'role'")]
    other = replace(ANONYMOUS, role_name="reactor_authenticated")
    for _ in range(2):
        assert database.run(other, shown)[0].rows == [(b"reactor_authenticated", b"reactor_authenticated")]
        assert database.run(ANONYMOUS, shown)[0].rows == [(b"reactor_anon", b"reactor_anon")]
    with pytest.raises(DatabaseFault) as caught:
        database.run(replace(ANONYMOUS, role_name='no "such'), shown)
    assert (caught.value.sqlstate, caught.value.primary) == ("22023", 'role "no "such" does not exist')
