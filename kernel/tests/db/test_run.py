"""`Database.run`: one round trip, one transaction, nothing left behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from reactor_kernel.contracts import ANONYMOUS, DbRole, Identity, IdentityKind, Statement
from reactor_kernel.db.database import PostgresDatabase
from reactor_kernel.errors import DatabaseFault, InternalError, PoolTimeout
from reactor_kernel.ids import uuid7

WHO = Statement(
    "SELECT current_user, current_setting('request.jwt.claims', true), auth.user_id()::text, $1::text", ("mark",)
)


def user(permissions: frozenset[str] = frozenset(), **claims: object) -> Identity:
    number = str(uuid7())
    return Identity(
        IdentityKind.USER,
        f"user_{number}",
        DbRole.AUTHENTICATED,
        user_id=number,
        org_id=str(uuid7()),
        org_role="member",
        permissions=permissions,
        claims=claims,
    )


def service() -> Identity:
    return Identity(IdentityKind.SERVICE, "svc", DbRole.SERVICE)


def text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def test_a_statement_runs_as_the_identity_with_its_claims(database: PostgresDatabase) -> None:
    identity = user()
    [result] = database.run(identity, [WHO])
    role, claims, user_id, mark = (text(value) for value in result.rows[0])
    assert (role, user_id, mark) == ("reactor_authenticated", identity.user_id, "mark")
    assert claims == identity.claims_json[:-1] + ',"role":"reactor_authenticated"}'
    assert result.columns == ("current_user", "current_setting", "user_id", "text")


def test_without_an_identity_it_runs_as_the_login_and_sees_no_claims(database: PostgresDatabase) -> None:
    database.run(user(), [WHO])
    [result] = database.run(None, [Statement("SELECT current_user = session_user, auth.user_id(), auth.jwt()::text")])
    assert result.rows == [(b"t", None, b"{}")]


def test_a_token_cannot_choose_its_database_role(database: PostgresDatabase) -> None:
    [result] = database.run(
        user(role="reactor_service", user_id="spoofed"), [Statement("SELECT auth.db_role(), current_user")]
    )
    assert result.rows == [(b"reactor_authenticated", b"reactor_authenticated")]


def test_claims_never_leak_between_interleaved_runs(dsn: str, database: PostgresDatabase) -> None:
    narrow = PostgresDatabase(dsn, pool_max=2, acquire_timeout_secs=20)
    identities = [user() for _ in range(18)] + [ANONYMOUS, None]
    tables = Statement("CREATE TABLE seen (mark text)"), Statement("GRANT INSERT, SELECT ON seen TO PUBLIC")
    database.run(None, tables)
    start = threading.Barrier(2)

    def work(thread: int) -> list[str]:
        start.wait()
        wrong = []
        for turn in range(250):
            identity = identities[(turn * 7 + thread * 3) % len(identities)]
            statement = Statement(WHO.sql, (f"{thread}-{turn}",), prepare=turn % 5 != 0)
            if turn % 11 == 0:  # failures must not leave anything behind either
                with pytest.raises(DatabaseFault):
                    narrow.run(identity, [Statement("INSERT INTO seen VALUES ('x')"), Statement("SELECT 1/0")])
            if turn % 3 == 0:
                with narrow.begin(identity, settings={"request.path": f"/{turn}"}) as tx:
                    [result] = tx.run([statement])
            else:
                [result] = narrow.run(identity, [statement], readonly=turn % 2 == 0)
            role, claims, user_id, mark = (text(value) for value in result.rows[0])
            expected = identity.user_id if identity else None
            shown = claims or "{}"
            if user_id != expected or mark != f"{thread}-{turn}" or (identity is None) != (shown == "{}"):
                wrong.append(f"{turn}: {role} {user_id} instead of {expected}")
            elif identity and identity.claims_json[:-1] not in shown:
                wrong.append(f"{turn}: {shown}")
        return wrong

    with ThreadPoolExecutor(2) as threads:
        assert [problem for wrong in threads.map(work, range(2)) for problem in wrong] == []
    [result] = database.run(None, [Statement("SELECT count(*) FROM seen")])
    assert result.rows == [(b"0",)]
    assert narrow.stats().size <= 2
    narrow.dispose()


def test_settings_are_transaction_local(database: PostgresDatabase) -> None:
    read = Statement("SELECT current_setting('request.path', true), current_setting('statement_timeout')")
    [inside] = database.run(user(), [read], settings={"request.path": "/a", "statement_timeout": "1234"})
    [outside] = database.run(user(), [read])
    assert inside.rows == [(b"/a", b"1234ms")]
    assert outside.rows == [(b"", b"0")]


def test_the_settings_of_the_database_layer_are_refused(database: PostgresDatabase) -> None:
    with pytest.raises(InternalError) as caught:
        database.run(user(), [WHO], settings={"role": "reactor_service"})
    assert caught.value.message == "the setting role belongs to the database layer; pass an identity or readonly="


def test_readonly_refuses_writes(database: PostgresDatabase) -> None:
    database.run(None, [Statement("CREATE TABLE t (a int)")])
    with pytest.raises(DatabaseFault) as caught:
        database.run(None, [Statement("INSERT INTO t VALUES (1)")], readonly=True)
    assert (caught.value.sqlstate, caught.value.primary) == (
        "25006",
        "cannot execute INSERT in a read-only transaction",
    )
    with pytest.raises(DatabaseFault), database.begin(readonly=True) as tx:
        tx.run([Statement("INSERT INTO t VALUES (1)")])


def test_the_first_failing_statement_undoes_all(database: PostgresDatabase) -> None:
    database.run(None, [Statement("CREATE TABLE t (a int PRIMARY KEY)")])
    with pytest.raises(DatabaseFault) as caught:
        database.run(
            None, [Statement("INSERT INTO t VALUES ($1), ($1)", ("7",)), Statement("INSERT INTO t VALUES (8)")]
        )
    fault = caught.value
    assert (fault.sqlstate, fault.schema, fault.table, fault.constraint) == ("23505", "public", "t", "t_pkey")
    assert (fault.primary, fault.detail) == (
        'duplicate key value violates unique constraint "t_pkey"',
        "Key (a)=(7) already exists.",
    )
    [result] = database.run(None, [Statement("SELECT count(*) FROM t")])
    assert result.rows == [(b"0",)]


def test_a_syntax_error_has_its_position(database: PostgresDatabase) -> None:
    with pytest.raises(DatabaseFault) as caught:
        database.run(None, [Statement("SELECT 1 FORM x")])
    assert (str(caught.value), caught.value.position) == ('42601: syntax error at or near "x"', 15)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a\0b", '22021: invalid byte sequence for encoding "UTF8": 0x00'),
        (b"\0", '22021: invalid byte sequence for encoding "UTF8": 0x00'),
        ("\ud800", '22021: invalid byte sequence for encoding "UTF8": a lone surrogate'),
    ],
)
def test_a_parameter_libpq_would_cut_off_is_refused(
    database: PostgresDatabase, value: str | bytes, message: str
) -> None:
    with pytest.raises(DatabaseFault) as caught:
        database.run(None, [Statement("SELECT $1::text", (value,))])
    assert str(caught.value) == message


def test_large_parameters_and_results_pass(database: PostgresDatabase) -> None:
    big = "x" * 20_000_000
    [first, second] = database.run(
        user(), [Statement("SELECT $1::text", (big,)), Statement("SELECT length($1::text)", (big,))]
    )
    assert first.rows[0][0] == big.encode()
    assert second.rows == [(b"20000000",)]


def test_as_owner_runs_as_the_login_and_the_role_returns(database: PostgresDatabase) -> None:
    me = "SELECT current_user = session_user"
    statements = [Statement(me), Statement(me, as_owner=True), Statement(me), Statement(me, as_owner=True)]
    results = database.run(user(), statements)
    assert [result.rows[0][0] for result in results] == [b"f", b"t", b"f", b"t"]
    with database.begin(user()) as tx:
        assert [result.rows[0][0] for result in tx.run(statements)] == [b"f", b"t", b"f", b"t"]
        assert tx.run([Statement(me)])[0].rows[0][0] == b"f"


def test_service_access_passes_row_security_either_way(database: PostgresDatabase, dsn: str) -> None:
    database.run(
        None,
        [
            Statement("CREATE TABLE t (a int)"),
            Statement("INSERT INTO t VALUES (1)"),
            Statement("ALTER TABLE t ENABLE ROW LEVEL SECURITY"),
            Statement("GRANT SELECT ON t TO reactor_authenticated, reactor_service"),
        ],
    )
    count = [Statement("SELECT count(*), current_user = session_user FROM t")]
    assert database.run(user(), count)[0].rows == [(b"0", b"f")]
    # Embedded, the service role bypasses row security; on 15 a login that is no superuser cannot grant that: decision 50.
    bypasses = database.service_role_bypasses_rls()
    assert bypasses is ("app" not in dsn)
    assert database.is_superuser_login() is False
    assert database.run(service(), count)[0].rows == [(b"1", b"f" if bypasses else b"t")]


def test_a_plan_that_became_stale_is_prepared_again(database: PostgresDatabase) -> None:
    read = [Statement("SELECT * FROM t")]
    database.run(None, [Statement("CREATE TABLE t (a int)"), Statement("INSERT INTO t VALUES (1)")])
    assert database.run(None, read)[0].columns == ("a",)
    database.run(None, [Statement("ALTER TABLE t ADD b int DEFAULT 2")])
    assert database.run(None, read)[0].rows == [(b"1", b"2")]
    assert database.run(None, read)[0].rows == [(b"1", b"2")]


def test_plans_forgotten_by_the_server_are_prepared_again(database: PostgresDatabase) -> None:
    database.run(user(), [WHO])
    database.run(None, [Statement("DEALLOCATE ALL", prepare=False)])
    identity = user()
    [result] = database.run(identity, [WHO])
    assert text(result.rows[0][2]) == identity.user_id
    database.run(None, [Statement("DEALLOCATE ALL", prepare=False)])
    with database.begin(identity) as tx:
        assert text(tx.run([WHO])[0].rows[0][2]) == identity.user_id


def test_prepared_statements_stay_bounded(database: PostgresDatabase) -> None:
    for number in range(400):
        database.run(None, [Statement(f"SELECT {number}")])
    [result] = database.run(None, [Statement("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'reactor%'")])
    assert int(result.rows[0][0] or 0) <= 258


def test_a_full_pool_says_so_and_recovers(dsn: str, database: PostgresDatabase) -> None:
    small = PostgresDatabase(dsn, pool_max=1, acquire_timeout_secs=0.2)
    with small.begin() as tx:
        with pytest.raises(PoolTimeout) as caught:
            small.run(None, [Statement("SELECT 1")])
        assert caught.value.message == (
            "no database connection became free within 0.2 s: all 1 are in use; this thread itself holds 1 of them"
        )
        tx.run([Statement("SELECT 1")])
    assert small.run(None, [Statement("SELECT 1")])[0].rows == [(b"1",)]
    assert (small.stats().size, small.stats().idle) == (1, 1)
    small.dispose()


def test_waiters_are_served_when_a_connection_returns(dsn: str, database: PostgresDatabase) -> None:
    small = PostgresDatabase(dsn, pool_max=2, acquire_timeout_secs=20)
    with ThreadPoolExecutor(12) as threads:
        done = list(
            threads.map(lambda n: small.run(None, [Statement("SELECT pg_sleep(0.01), $1::text", (str(n),))]), range(60))
        )
    assert [int(result[0].rows[0][1] or 0) for result in done] == list(range(60))
    assert (small.stats().size, small.stats().idle) == (2, 2)
    small.dispose()


def test_copy_is_refused_and_the_next_run_works(database: PostgresDatabase) -> None:
    with pytest.raises(DatabaseFault) as caught:
        database.run(None, [Statement("COPY (SELECT 1) TO STDOUT")])
    assert str(caught.value) == "0A000: COPY cannot run here"
    assert database.run(None, [Statement("SELECT 1")])[0].rows == [(b"1",)]


def test_a_transaction_left_open_by_a_statement_does_not_reach_the_next_borrower(database: PostgresDatabase) -> None:
    database.run(None, [Statement("CREATE TABLE t (a int)")])
    database.run(None, [Statement("BEGIN"), Statement("INSERT INTO t VALUES (1)")])
    assert database.run(None, [Statement("SELECT count(*) FROM t")])[0].rows == [(b"0",)]


def test_a_connection_the_server_closed_is_replaced_without_an_error(database: PostgresDatabase, dsn: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: database.run(None, [Statement("SELECT pg_sleep(0.1)")]), range(4)))
    assert database.stats().idle == 4
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert database.run(None, [Statement("SELECT 1")])[0].rows == [(b"1",)]
    with database.begin(user()) as tx:
        assert tx.run([Statement("SELECT 2")])[0].rows == [(b"2",)]
    assert database.stats().size == 1
