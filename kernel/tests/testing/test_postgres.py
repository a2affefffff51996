"""The databases that tests get."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from reactor_kernel.testing import TestPostgres, free_port
from reactor_kernel.testing.postgres import VARIABLE, database_name, start, with_database


def test_the_plugin_imports_nothing_heavy_in_a_run_that_uses_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n"
        "def test_nothing():\n"
        "    assert 'reactor_kernel.testing.plugin' in sys.modules\n"
        "    heavy = {'falcon', 'sqlalchemy', 'alembic', 'psycopg', 'httpx', 'msgspec', 'reactor_kernel.kernel'}\n"
        "    assert heavy & set(sys.modules) == set()\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_clone_has_what_its_template_has_and_is_migrated_once(reactor_postgres: TestPostgres) -> None:
    migrated: list[str] = []

    def migrate(url: str) -> None:
        migrated.append(url)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (n int)")

    key = object()
    first = reactor_postgres.clone(key, migrate)
    second = reactor_postgres.clone(key, migrate)
    try:
        with psycopg.connect(first) as connection:
            connection.execute("INSERT INTO kept VALUES (1)")
        with psycopg.connect(second) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        assert len(migrated) == 1
        assert database_name(migrated[0]) not in {database_name(first), database_name(second)}
    finally:
        reactor_postgres.drop(first)
        reactor_postgres.drop(second)


def test_a_template_that_could_not_be_migrated_is_not_kept(reactor_postgres: TestPostgres) -> None:
    key = object()

    def broken(url: str) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match=r"^no$"):
        reactor_postgres.clone(key, broken)
    again = reactor_postgres.clone(key, lambda url: None)
    reactor_postgres.drop(again)


def test_a_dropped_database_is_gone_even_while_somebody_is_connected(reactor_postgres: TestPostgres) -> None:
    url = reactor_postgres.create()
    with psycopg.connect(url):
        reactor_postgres.drop(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_the_embedded_server_of_a_run_does_not_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with start() as server, psycopg.connect(server.url) as connection:
        shown = [connection.execute(f"SHOW {setting}").fetchone() for setting in ("fsync", "full_page_writes")]
    assert shown == [("off",), ("off",)]


def test_workers_get_ports_of_their_own_that_can_be_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, set[int]] = {}
    for worker in ("gw0", "gw1"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        ports = [free_port() for _ in range(20)]
        assert len(set(ports)) == 20, "not handed out twice"
        seen[worker] = set(ports)
    assert seen["gw0"] & seen["gw1"] == set()
    with socket.create_server(("127.0.0.1", free_port())):
        pass


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h:5432/old", "postgresql://u:p@h:5432/new"),
        ("postgresql://u@/old?host=%2Ftmp%2Fs", "postgresql://u@/new?host=%2Ftmp%2Fs"),
        ("postgresql:///old?host=%2Ftmp%2Fs", "postgresql:///new?host=%2Ftmp%2Fs"),
    ],
)
def test_only_the_database_name_of_a_url_changes(url: str, expected: str) -> None:
    assert with_database(url, "new") == expected
