"""A data directory of an older major version becomes one of the installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from reactor_kernel.embedded import upgrade as upgrade_module
from reactor_kernel.embedded.account import account_for
from reactor_kernel.embedded.binaries import programs, wheel_versions
from reactor_kernel.embedded.cluster import Cluster, dsn
from reactor_kernel.embedded.postgres import EmbeddedPostgres
from reactor_kernel.embedded.upgrade import upgrade
from reactor_kernel.errors import BootError

pytestmark = pytest.mark.skipif(16 not in wheel_versions(), reason="the wheel holds no older version")


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Path]:
    """A project whose cluster was made, and left running, by Postgres 16."""
    data = tmp_path / ".reactor" / "postgres"
    data.parent.mkdir(mode=0o700)
    cluster = Cluster(data, programs(16), account_for(data))
    cluster.make()
    found = cluster.start()
    assert found.socket_dir is not None
    with psycopg.connect(dsn(found.socket_dir), autocommit=True) as connection:
        connection.execute("CREATE ROLE reactor_anon NOLOGIN")
        connection.execute("CREATE TABLE t AS SELECT n AS a, md5(n::text) AS b FROM generate_series(1, 20000) n")
        connection.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY p ON t TO reactor_anon USING (a < 10)")
        connection.execute("GRANT SELECT ON t TO reactor_anon")
        connection.execute('CREATE DATABASE "second one"')
    yield tmp_path
    embedded = EmbeddedPostgres(tmp_path)
    if (data / "PG_VERSION").exists() and (data / "PG_VERSION").read_text() == "18\n":
        embedded.start()
        embedded.stop()
    else:
        Cluster(data, programs(16), account_for(data)).stop()


def check(root: Path) -> None:
    embedded = EmbeddedPostgres(root)
    with psycopg.connect(embedded.start(), autocommit=True) as connection:
        assert connection.info.server_version // 10000 == 18
        row = connection.execute("SELECT count(*), bool_and(md5(a::text) = b) FROM t").fetchone()
        assert row == (20000, True)
        names = connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1").fetchall()
        assert [name for (name,) in names] == ["postgres", "reactor", "second one"]
        roles = connection.execute(
            "SELECT rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = 'reactor'"
        )
        assert roles.fetchone() == (True, True, True)
        connection.execute("GRANT reactor_anon TO reactor WITH SET TRUE")
        connection.execute("SET ROLE reactor_anon")
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (9,)
    embedded.stop()


def test_the_old_cluster_is_copied_and_kept(old: Path) -> None:
    with pytest.raises(BootError) as caught:
        EmbeddedPostgres(old).start()
    data = old / ".reactor" / "postgres"
    assert str(caught.value) == f"database error: {data} was made by Postgres 16; run: reactor db upgrade-cluster"
    result = upgrade(old)
    assert (result.old, result.new, result.kept) == (16, 18, old / ".reactor" / "postgres-16.bak")
    assert (old / ".reactor" / "postgres-16.bak" / "PG_VERSION").read_text() == "16\n"
    check(old)
    assert upgrade(old).kept is None
    assert sorted(path.name for path in (old / ".reactor").iterdir()) == [
        "postgres",
        "postgres-16.bak",
        "postgres.lock",
        "postgres.users",
    ]


def test_a_backup_from_an_earlier_upgrade_is_not_overwritten(old: Path) -> None:
    kept = old / ".reactor" / "postgres-16.bak"
    kept.mkdir()
    with pytest.raises(BootError) as caught:
        upgrade(old)
    assert str(caught.value) == (
        f"database error: {kept} is in the way: it is kept from an earlier upgrade\n  fix: move it away or remove it: rm -r {kept}"
    )


def test_programs_that_are_missing_are_named(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade_module, "wheel_versions", lambda: {18: programs(18)})
    with pytest.raises(BootError) as caught:
        upgrade(old)
    assert str(caught.value).startswith(
        f"database error: {old / '.reactor' / 'postgres'} was made by Postgres 16, and the programs of that version are not in "
        "the installed wheel\n  fix: "
    )


def test_a_cluster_in_use_is_left_alone(tmp_path: Path) -> None:
    embedded = EmbeddedPostgres(tmp_path)
    embedded.start()
    version = embedded.data / "PG_VERSION"
    version.write_text("16\n")
    try:
        with pytest.raises(BootError) as caught:
            upgrade(tmp_path)
    finally:
        version.write_text("18\n")
        embedded.stop()
    assert (
        str(caught.value)
        == f"database error: {embedded.data} is in use by another reactor process\n  fix: stop it first"
    )


def test_where_there_is_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(BootError) as caught:
        upgrade(tmp_path)
    assert (
        str(caught.value) == f"database error: there is no embedded database under {tmp_path / '.reactor' / 'postgres'}"
    )


def test_a_copy_that_differs_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = upgrade_module._copy

    def lossy(before: str, after: str) -> None:
        copy(before, after)
        with psycopg.connect(upgrade_module._database(after, "reactor"), autocommit=True) as connection:
            connection.execute("DELETE FROM t WHERE a = 5")

    monkeypatch.setattr(upgrade_module, "_copy", lossy)
    with pytest.raises(BootError) as caught:
        upgrade(old)
    assert str(caught.value) == (
        "database error: the copy differs: public.t of database reactor has 19999 rows instead of 20000; nothing was changed"
    )
    monkeypatch.undo()
    upgrade(old)
    check(old)


@pytest.mark.faults
@pytest.mark.slow
def test_killed_at_any_point_it_can_be_done_again(old: Path) -> None:
    program = "import sys\nfrom pathlib import Path\nfrom reactor_kernel.embedded.upgrade import upgrade\nupgrade(Path(sys.argv[1]))\n"
    for delay in (0.3, 0.8, 1.3, 1.8):
        process = subprocess.Popen([sys.executable, "-c", program, str(old)], start_new_session=True)
        time.sleep(delay)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
    upgrade(old)
    check(old)


def test_a_kill_between_the_two_renames_is_completed_by_the_next_start(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def die_at_the_second(self: Path, target: Path) -> Path:
        if self.name == "postgres.upgrade":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        upgrade(old)
    monkeypatch.undo()
    assert not (old / ".reactor" / "postgres").exists()
    check(old)
