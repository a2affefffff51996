"""`Database.begin`: SQLAlchemy and raw statements in one transaction, and what happens after it."""

# ruff: noqa: PT012 - the block that raises is the transaction itself

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import text

from reactor_kernel.contracts import DbRole, Identity, IdentityKind, Statement
from reactor_kernel.db.database import PostgresDatabase
from reactor_kernel.errors import DatabaseFault, DatabaseUnavailable, InternalError

USER = Identity(IdentityKind.USER, "user_1", DbRole.AUTHENTICATED, user_id="019213f5-0000-7000-8000-000000000001")


@pytest.fixture
def table(database: PostgresDatabase) -> None:
    database.run(None, [Statement("CREATE TABLE t (a int PRIMARY KEY)"), Statement("GRANT ALL ON t TO PUBLIC")])


def rows(database: PostgresDatabase) -> list[int]:
    return [int(row[0] or 0) for row in database.run(None, [Statement("SELECT a FROM t ORDER BY a")])[0].rows]


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.usefixtures("table")
def test_core_and_raw_statements_share_the_transaction(database: PostgresDatabase) -> None:
    with database.begin(USER, settings={"request.path": "/x"}) as tx:
        tx.execute(text("INSERT INTO t VALUES (:a)"), {"a": 1})
        assert tx.run([Statement("SELECT a FROM t")])[0].rows == [(b"1",)]
        found = tx.execute(text("SELECT current_user, auth.user_id()::text, current_setting('request.path')")).one()
        assert tuple(found) == ("reactor_authenticated", USER.user_id, "/x")
        assert rows(database) == []
    assert rows(database) == [1]


@pytest.mark.usefixtures("table")
def test_an_exception_rolls_back(database: PostgresDatabase) -> None:
    with pytest.raises(LookupError), database.begin() as tx:
        tx.execute(text("INSERT INTO t VALUES (1)"))
        tx.run([Statement("INSERT INTO t VALUES (2)")])
        raise LookupError
    assert rows(database) == []
    assert database.stats().size == database.stats().idle


@pytest.mark.usefixtures("table")
def test_errors_of_core_statements_are_database_faults(database: PostgresDatabase) -> None:
    with pytest.raises(DatabaseFault) as caught, database.begin() as tx:
        tx.execute(text("INSERT INTO t VALUES (1), (1)"))
    assert (caught.value.sqlstate, caught.value.constraint) == ("23505", "t_pkey")
    with pytest.raises(DatabaseFault) as caught, database.begin() as tx:
        tx.connection.execute(text("SELECT nothing"))
    assert str(caught.value) == '42703: column "nothing" does not exist'


@pytest.mark.usefixtures("table")
def test_a_swallowed_error_does_not_look_like_a_commit(database: PostgresDatabase) -> None:
    with pytest.raises(DatabaseFault) as caught, database.begin() as tx:
        tx.run([Statement("INSERT INTO t VALUES (1)")])
        with pytest.raises(DatabaseFault):
            tx.run([Statement("SELECT 1/0")])
    assert str(caught.value) == "22012: division by zero"
    assert rows(database) == []


@pytest.mark.usefixtures("table")
def test_a_savepoint_undoes_its_part_and_its_actions(database: PostgresDatabase) -> None:
    ran: list[str] = []
    with database.begin(USER) as tx:
        tx.execute(text("INSERT INTO t VALUES (1)"))
        tx.after_commit(lambda: ran.append("outer"))
        with pytest.raises(DatabaseFault), tx.connection.begin_nested():
            tx.after_commit(lambda: ran.append("undone"))
            tx.run([Statement("INSERT INTO t VALUES (2)", as_owner=True)])
            tx.run([Statement("INSERT INTO t VALUES (1)", as_owner=True)])
        with tx.connection.begin_nested():
            tx.after_commit(lambda: ran.append("kept"))
            tx.execute(text("INSERT INTO t VALUES (3)"))
        assert tx.execute(text("SELECT current_user")).scalar_one() == "reactor_authenticated"
    assert rows(database) == [1, 3]
    assert ran == ["outer", "kept"]


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_the_connection_cannot_be_committed_from_inside(database: PostgresDatabase, ending: str) -> None:
    with pytest.raises(InternalError) as caught, database.begin(USER) as tx:
        tx.execute(text("SELECT 1"))
        getattr(tx.connection, ending)()
    assert (
        caught.value.message == "the transaction ends with its `with` block; do not commit or roll back its connection"
    )
    with database.begin(USER) as tx:
        assert tx.execute(text("SELECT current_user")).scalar_one() == "reactor_authenticated"


def test_misuse_is_named(database: PostgresDatabase) -> None:
    tx = database.begin()
    with pytest.raises(InternalError) as caught:
        tx.run([Statement("SELECT 1")])
    assert caught.value.message == "this transaction has not begun; use it inside `with db.begin(…) as tx:`"
    with tx, pytest.raises(InternalError) as caught, tx:
        pass
    assert caught.value.message == "a transaction can be entered once; ask db.begin() for another"
    with pytest.raises(InternalError) as caught:
        tx.execute(text("SELECT 1"))
    assert caught.value.message == "this transaction has ended; use it inside `with db.begin(…) as tx:`"
    with database.begin() as open_tx, pytest.raises(InternalError) as caught:
        open_tx.publish("a.b.c", object())
    assert caught.value.message == "no event bus is attached to this database: events cannot be published through it"


def test_actions_run_after_the_commit_and_one_failure_does_not_stop_the_next(
    database: PostgresDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    def fail() -> None:
        raise ValueError("the cache is gone")

    with database.begin() as tx:
        tx.after_commit(fail)
        tx.after_commit(lambda: ran.append("second"))
        assert ran == []
    assert ran == ["second"]
    assert [record.getMessage() for record in caplog.records] == ["an after-commit action failed"]
    with pytest.raises(LookupError), database.begin() as tx:
        tx.after_commit(lambda: ran.append("never"))
        raise LookupError
    assert ran == ["second"]


@pytest.mark.usefixtures("table")
def test_a_connection_lost_in_the_middle_is_unavailable_and_not_reused(database: PostgresDatabase, dsn: str) -> None:
    with pytest.raises(DatabaseUnavailable) as caught, database.begin() as tx:
        [[pid]] = tx.run([Statement("SELECT pg_backend_pid()")])[0].rows
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (int(pid or 0),))
        tx.run([Statement("INSERT INTO t VALUES (1)")])
    assert caught.value.message == "The database cannot be reached."
    with pytest.raises(DatabaseUnavailable), database.begin() as tx:
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        tx.execute(text("INSERT INTO t VALUES (2)"))
    assert rows(database) == []


@pytest.mark.parametrize("then", ["commit", "raise", "raw", "swallow"])
def test_a_connection_that_sqlalchemy_used_and_lost_makes_room_in_the_pool(dsn: str, then: str) -> None:
    database = PostgresDatabase(dsn, pool_max=1, acquire_timeout_secs=2)
    try:
        wanted = LookupError if then == "raise" else DatabaseUnavailable
        with pytest.raises(wanted), database.begin() as tx:
            backend = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with psycopg.connect(dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", (backend,))
            if then == "raise":
                raise LookupError
            if then == "raw":
                tx.run([Statement("SELECT 1")])
            if then == "swallow":
                with pytest.raises(DatabaseUnavailable):
                    tx.execute(text("SELECT 1"))
        with database.begin() as tx:
            assert tx.execute(text("SELECT 1")).scalar_one() == 1
        assert (database.stats().size, database.stats().idle) == (1, 1)
    finally:
        database.dispose()


@pytest.mark.usefixtures("table")
def test_a_deferred_constraint_fails_the_commit(database: PostgresDatabase) -> None:
    database.run(None, [Statement("CREATE TABLE u (a int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")])
    ran: list[str] = []
    with pytest.raises(DatabaseFault) as caught, database.begin() as tx:
        tx.after_commit(lambda: ran.append("never"))
        tx.run([Statement("INSERT INTO u VALUES (9)")])
    assert (caught.value.sqlstate, caught.value.table, ran) == ("23503", "u", [])


@pytest.mark.usefixtures("table")
def test_an_idle_connection_that_was_closed_is_replaced_before_anything_runs(
    database: PostgresDatabase, dsn: str
) -> None:
    pids = [row[0] for row in database.run(None, [Statement("SELECT pg_backend_pid()")])[0].rows]
    with database.begin(USER) as tx:
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (int(pids[0] or 0),))
        tx.run([Statement("INSERT INTO t VALUES (1)")])
        [[pid, user]] = tx.run([Statement("SELECT pg_backend_pid(), current_user")])[0].rows
    assert (rows(database), user) == ([1], b"reactor_authenticated")
    assert pid not in pids


@pytest.mark.usefixtures("table")
def test_a_stale_plan_of_the_first_statements_is_made_anew(database: PostgresDatabase) -> None:
    def read() -> tuple[str, ...]:
        with database.begin(USER) as tx:
            return tx.run([Statement("SELECT * FROM t")])[0].columns

    assert read() == ("a",)
    database.run(None, [Statement("ALTER TABLE t ADD b int")])
    assert read() == ("a", "b")


@pytest.mark.usefixtures("table")
def test_a_transaction_that_only_notifies_notifies(database: PostgresDatabase) -> None:
    heard: list[str] = []
    database.on_notify("shop", heard.append)
    database.start_listener()
    until(lambda: _notified(database, heard))
    database.stop_listener()


def _notified(database: PostgresDatabase, heard: list[str]) -> bool:
    with database.begin(USER) as tx:
        tx.notify("shop", "open")
    return "open" in heard


@pytest.mark.usefixtures("table")
def test_a_stale_plan_of_sqlalchemy_fails_once_at_most(database: PostgresDatabase) -> None:
    def read() -> list[object]:
        with database.begin() as tx:
            return list(tx.execute(text("SELECT * FROM t")).keys())

    for _ in range(8):  # psycopg prepares at the sixth
        read()
    database.run(None, [Statement("ALTER TABLE t ADD b int")])
    with pytest.raises(DatabaseFault) as caught:
        read()
    assert str(caught.value) == "0A000: cached plan must not change result type"
    assert read() == ["a", "b"]


def test_notifications_arrive_only_for_commits_and_again_after_a_reconnection(
    database: PostgresDatabase, dsn: str
) -> None:
    heard: list[str | None] = []
    late: list[str | None] = []

    def broken(payload: str | None) -> None:
        raise ValueError("a broken handler")

    database.on_notify("reactor_Test", broken)
    database.on_notify("reactor_Test", heard.append)
    database.start_listener()
    until(lambda: heard == [None])
    with database.begin(USER) as tx:
        tx.notify("reactor_Test", "one")
    with pytest.raises(LookupError), database.begin() as tx:
        tx.notify("reactor_Test", "never")
        raise LookupError
    until(lambda: heard == [None, "one"])
    database.on_notify("other", late.append)
    until(lambda: late == [None])
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'reactor-listener' AND datname = current_database()"
        )
    until(lambda: heard == [None, "one", None] and late == [None, None])
    with database.begin() as tx:
        tx.notify("other", "two")
    until(lambda: late == [None, None, "two"])
    database.stop_listener()
    assert "reactor-listener" not in [thread.name for thread in threading.enumerate()]


def test_nothing_is_missed_on_one_channel_while_others_are_added(database: PostgresDatabase, dsn: str) -> None:
    heard: list[str | None] = []
    added: list[str | None] = []
    database.on_notify("steady", heard.append)
    database.start_listener()
    until(lambda: heard == [None])
    with psycopg.connect(dsn, autocommit=True) as other:
        for number in range(400):
            database.on_notify(f"added_{number}", added.append)
            other.execute(f"NOTIFY steady, '{number}'")
        until(lambda: added == [None] * 400)
        until(lambda: heard[-1] == "399")
    assert heard == [None, *map(str, range(400))]


def test_a_server_that_refuses_to_notify_is_asked_less_and_less_often(
    database: PostgresDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    database.on_notify("", print)  # as a standby refuses any channel

    def complaints() -> list[str]:
        return [record.getMessage().partition(": ")[0] for record in caplog.records]

    database.start_listener()
    until(lambda: len(complaints()) == 3)
    database.stop_listener()
    assert complaints() == [f"notifications are interrupted, next try in {pause} s" for pause in ("0.1", "0.2", "0.4")]


def test_a_pool_disposed_before_a_fork_serves_parent_and_child(database: PostgresDatabase) -> None:
    before = database.run(None, [Statement("SELECT pg_backend_pid()")])[0].rows
    database.dispose()
    child = os.fork()
    if child == 0:
        try:
            with database.begin(USER) as tx:
                ok = tx.execute(text("SELECT current_user")).scalar_one() == "reactor_authenticated"
        finally:
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    after = database.run(None, [Statement("SELECT pg_backend_pid()")])[0].rows
    assert before != after


def test_sqlalchemy_and_alembic_are_not_imported_by_raw_statements(database: PostgresDatabase) -> None:
    program = (
        "import sys\n"
        "from reactor_kernel.contracts import Statement\n"
        "from reactor_kernel.db.database import PostgresDatabase\n"
        "from reactor_kernel.db.migrate import Migrator\n"
        "database = PostgresDatabase(sys.argv[1])\n"
        "assert Migrator(database, []).run().applied == []\n"
        "with database.begin() as tx: tx.run([Statement('SELECT 1')])\n"
        "print([name for name in ('sqlalchemy', 'alembic') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, database.dsn], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
