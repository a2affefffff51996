"""A database into a file and back, whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from reactor_kernel.contracts import ANONYMOUS, Statement
from reactor_kernel.db.database import PostgresDatabase
from reactor_kernel.db.migrate import Migrator
from reactor_kernel.embedded import binaries
from reactor_kernel.embedded.backup import BackupFailed, RestoreFailed, backup, restore
from reactor_kernel.errors import BootError, ValidationError


@pytest.fixture
def database(dsn: str) -> Iterator[PostgresDatabase]:
    made = PostgresDatabase(dsn, pool_max=2)
    Migrator(made, []).run()
    made.run(
        None,
        [
            Statement("CREATE TABLE notes (id int PRIMARY KEY, body text)"),
            Statement(
                "INSERT INTO notes SELECT n, 'ä' || md5(n::text) || md5((n * 7)::text) FROM generate_series(1, 5000) n"
            ),
            Statement("ALTER TABLE notes ENABLE ROW LEVEL SECURITY"),
            Statement("CREATE POLICY odd ON notes TO reactor_anon USING (id % 2 = 1 AND NOT auth.is_authenticated())"),
            Statement("GRANT SELECT ON notes TO reactor_anon"),
            Statement("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reactor_anon"),
            Statement("CREATE TYPE mood AS ENUM ('good', 'bad')"),
            Statement("CREATE VIEW moods AS SELECT 'good'::mood AS mood"),
            Statement("CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql RETURN a * 2"),
            Statement('CREATE SCHEMA "Od""d"'),
            Statement('CREATE TABLE "Od""d"."t t" (a serial)'),
        ],
    )
    yield made
    made.dispose()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def seen(database: PostgresDatabase) -> list[object]:
    anonymous = database.run(
        ANONYMOUS, [Statement("SELECT count(*), md5(string_agg(body, '' ORDER BY id)) FROM notes")]
    )
    owner = database.run(
        None,
        [
            Statement("SELECT count(*), md5(string_agg(body, '' ORDER BY id)) FROM notes"),
            Statement("SELECT mood, twice(21) FROM moods"),
            Statement('SELECT count(*) FROM "Od""d"."t t"'),
            Statement(
                "SELECT format('%s.%s', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1"
            ),
        ],
    )
    return [result.rows for result in (*anonymous, *owner)]


def test_a_backup_brings_everything_back(database: PostgresDatabase, tmp_path: Path) -> None:
    before = seen(database)
    file = tmp_path / "shop.reactor"
    backup(database.dsn, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as archive:
        assert archive.getnames() == ["manifest.json", "roles.json", "database.dump"]
    database.run(
        None,
        [
            Statement("DELETE FROM notes WHERE id > 10"),
            Statement("DROP VIEW moods"),
            Statement("CREATE TABLE later (a int)"),
            Statement("CREATE SCHEMA later"),
            Statement("CREATE TYPE later_mood AS ENUM ('x')"),
        ],
    )
    restore(database.dsn, file)
    assert seen(database) == before
    assert Migrator(database, []).pending() == []
    assert os.listdir(tmp_path) == ["shop.reactor"]


def test_a_backup_restores_into_another_empty_database(database: PostgresDatabase, tmp_path: Path) -> None:
    file = tmp_path / "shop.reactor"
    backup(database.dsn, file)
    name = database.dsn.split("?")[0].rsplit("/", 1)[1]
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}_copy")
    copy = PostgresDatabase(database.dsn.replace(f"/{name}?", f"/{name}_copy?"))
    try:
        restore(copy.dsn, file)
        assert seen(copy) == seen(database)
    finally:
        copy.dispose()
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name}_copy WITH (FORCE)")


def test_a_failing_restore_leaves_the_database_as_it_was(database: PostgresDatabase, tmp_path: Path) -> None:
    file = tmp_path / "shop.reactor"
    backup(database.dsn, file)
    database.run(None, [Statement("DELETE FROM notes WHERE id > 10"), Statement("CREATE TABLE later (a int)")])
    before = seen(database)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises((RestoreFailed, ValidationError)):
        restore(database.dsn, file)
    # Damage in the rows, beyond the table of contents.
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + b"\xff" * 2000 + whole[middle + 2000 :])
    with pytest.raises(RestoreFailed):
        restore(database.dsn, file)
    assert seen(database) == before


def test_a_restore_waits_for_nobody_forever(
    database: PostgresDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "shop.reactor"
    backup(database.dsn, file)
    before = seen(database)
    with database.begin() as tx:
        tx.run([Statement("SELECT count(*) FROM notes")])
        monkeypatch.setattr("reactor_kernel.embedded.backup._PATIENCE", "300ms")
        with pytest.raises(RestoreFailed) as caught:
            restore(database.dsn, file)
    assert "canceling statement due to lock timeout" in caught.value.message
    assert caught.value.message.startswith("the backup was not restored, the database is as it was: ")
    assert seen(database) == before


@pytest.mark.faults
def test_a_restore_that_is_killed_restores_all_or_nothing(database: PostgresDatabase, tmp_path: Path) -> None:
    file = tmp_path / "shop.reactor"
    backup(database.dsn, file)
    backed_up = seen(database)
    database.run(None, [Statement("DELETE FROM notes WHERE id > 10")])
    script = (
        "import sys, pathlib; from reactor_kernel.embedded.backup import restore;"
        "restore(sys.argv[1], pathlib.Path(sys.argv[2]))"
    )
    with psycopg.connect(database.dsn, autocommit=True) as watching:

        def others(state: str) -> int:
            row = watching.execute(
                "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database()"
                f" AND application_name = 'psql' AND {state}"
            ).fetchone()
            assert row is not None
            return int(row[0])

        with database.begin() as tx:
            tx.run([Statement("SELECT count(*) FROM notes")])
            restoring = subprocess.Popen([sys.executable, "-c", script, database.dsn, str(file)])
            until(lambda: others("wait_event_type = 'Lock'") == 1)
            restoring.kill()
            restoring.wait(20)
        until(lambda: others("true") == 0)
    assert seen(database) == backed_up


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\0" * 10240])
def test_what_is_not_a_backup_is_refused(dsn: str, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x"
    file.write_bytes(content)
    with pytest.raises(ValidationError) as caught:
        restore(dsn, file)
    assert caught.value.message.startswith(f"{file} is not a Reactor backup")


def test_a_missing_file_is_named(dsn: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        restore(dsn, tmp_path / "none")
    assert caught.value.message == f"there is no file {tmp_path / 'none'}"


def test_a_refused_dump_leaves_no_file(database: PostgresDatabase, tmp_path: Path, server: object) -> None:
    name = database.dsn.split("?")[0].rsplit("/", 1)[1]
    with psycopg.connect(server.admin, dbname=name, autocommit=True) as connection:  # type: ignore[attr-defined]
        connection.execute("CREATE SCHEMA foreign_owned")
        connection.execute("CREATE TABLE foreign_owned.secret (a int)")
    file = tmp_path / "x"
    with pytest.raises(BackupFailed) as caught:
        backup(database.dsn, file)
    assert "permission denied for schema foreign_owned" in caught.value.message
    assert "s3cret" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_an_old_client_program_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binaries, "wheel_versions", lambda: {16: tmp_path})
    fake = tmp_path / "pg_dump"
    fake.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 17.2'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert binaries.client("pg_dump", 16) == tmp_path / "pg_dump"
    assert binaries.client("pg_dump", 17) == fake
    with pytest.raises(BootError) as caught:
        binaries.client("pg_dump", 19)
    [fault] = caught.value.faults
    assert (
        fault.message
        == "the server is Postgres 19 and no pg_dump that new was found (found: 16 in the wheel, 17 on PATH)"
    )
    assert fault.fix == "install the client programs of Postgres 19 and put them on PATH"
