"""What happens when the database is wrong, away, or goes away."""

from __future__ import annotations

import socket

import httpx
import psycopg
import pytest

from reactor_hello.plugin import HelloPlugin
from reactor_kernel.errors import BootError, MigrationFailed
from reactor_kernel.kernel import Stage
from reactor_kernel.testing import KernelFactory, TestPostgres, live
from reactor_kernel.testing.postgres import database_name, with_database


def test_a_database_that_is_down_at_boot_ends_it_with_exit_code_5(kernel_factory: KernelFactory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(BootError) as caught:
        kernel_factory(HelloPlugin, database_url=f"postgresql://me:s3cret@127.0.0.1:{port}/app")
    assert str(caught.value) == (
        f'database error: cannot connect to the database "app" at 127.0.0.1:{port} as "me": '
        "nothing answers there\n  fix: start Postgres, or correct host and port in [database] url"
    )
    assert caught.value.exit_code == 5


def test_a_missing_database_is_told_apart_from_a_missing_server(
    kernel_factory: KernelFactory, reactor_postgres: TestPostgres
) -> None:
    with pytest.raises(BootError) as caught:
        kernel_factory(HelloPlugin, database_url=with_database(reactor_postgres.url, "no_such_database_qz"))
    assert "the server has no such database" in str(caught.value)
    assert caught.value.exit_code == 5


def test_a_schema_ahead_of_the_code_is_refused_with_both_versions(kernel_factory: KernelFactory) -> None:
    url = kernel_factory.database_url(HelloPlugin)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE _reactor_hello.alembic_version SET version_num = 'hello_9999'")
    with pytest.raises(MigrationFailed) as caught:
        kernel_factory(HelloPlugin, database_url=url)
    assert caught.value.message == (
        "plugin hello: the database is at revision hello_9999, which this version (0.1.0) does not have; "
        "upgrade reactor-hello or restore a backup"
    )
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT version_num FROM _reactor_hello.alembic_version").fetchall()
    assert found == [("hello_9999",)], "nothing was changed"


def test_the_server_survives_a_database_that_goes_away_and_comes_back(
    kernel_factory: KernelFactory, reactor_postgres: TestPostgres
) -> None:
    url = kernel_factory.database_url(HelloPlugin)
    kernel = kernel_factory(HelloPlugin, database_url=url)
    name = database_name(url)
    with live(kernel) as server, httpx.Client(base_url=server.url, timeout=20) as client:
        assert client.get("/health").status_code == 200
        with psycopg.connect(reactor_postgres.url, autocommit=True) as admin:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            ill = _health_until(client, 503)
            assert {"name": "hello", "status": "healthy"} not in ill["capabilities"]
            assert client.get("/hello/v1/greeting/Ann").status_code == 200, "what needs no database goes on"
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert _health_until(client, 200)["status"] == "healthy"


def _health_until(client: httpx.Client, status: int) -> dict[str, object]:
    """Ask until `/health` has the status: it keeps a verdict for a second, and a pool reconnects when asked."""
    import time

    for _ in range(200):
        answer = client.get("/health")
        if answer.status_code == status:
            return answer.json()
        time.sleep(0.1)
    raise AssertionError(f"/health stayed {answer.status_code}: {answer.text}")


def test_a_broken_revision_names_plugin_revision_and_the_databases_words(kernel_factory: KernelFactory) -> None:
    url = kernel_factory.empty_database_url()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA _reactor_hello")
        connection.execute("CREATE TABLE _reactor_hello.greetings (id int)")
    with pytest.raises(MigrationFailed) as caught:
        kernel_factory(HelloPlugin, database_url=url)
    assert caught.value.message == ('plugin hello: migration hello_0001 failed: relation "greetings" already exists')
    assert caught.value.details["capability"] == "hello"
    assert caught.value.details["revision"] == "hello_0001"
    applied = caught.value.details["applied"]
    assert isinstance(applied, list)
    assert any(name.startswith("kernel:") for name in applied), "the kernel's own branch stays applied"


def test_a_taken_port_is_exit_code_3_and_leaves_the_database_alone(kernel_factory: KernelFactory) -> None:
    url = kernel_factory.empty_database_url()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        kernel = kernel_factory(
            HelloPlugin, config={"server": {"bind": f"127.0.0.1:{port}"}}, database_url=url, until=Stage.BUILT
        )
        with pytest.raises(BootError) as caught:
            kernel.serve()
    assert caught.value.exit_code == 3
    message = str(caught.value)
    assert message.startswith(f"bind error: 127.0.0.1:{port} is already in use; process ")
    assert message.endswith("\n  fix: stop it, or choose another address with --bind or [server] bind")
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE '\\_reactor%'").fetchall()
    assert found == []
