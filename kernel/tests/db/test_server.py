"""What a person reads when the database cannot be used."""

from __future__ import annotations

import socket

import pytest

from reactor_kernel.contracts import Statement
from reactor_kernel.db import server as server_module
from reactor_kernel.db.database import PostgresDatabase
from reactor_kernel.errors import BootError, DatabaseUnavailable, Fault


def fault(dsn: str) -> Fault:
    with pytest.raises(BootError) as caught:
        PostgresDatabase(dsn, acquire_timeout_secs=2).check_server()
    [found] = caught.value.faults
    return found


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_server_that_is_new_enough_passes(dsn: str) -> None:
    assert PostgresDatabase(dsn).check_server() // 10000 in (15, 18)


def test_nothing_listens(closed_port: int) -> None:
    found = fault(f"postgresql://me:s3cret@127.0.0.1:{closed_port}/shop")
    assert (found.message, found.fix, found.exit_code) == (
        f'cannot connect to the database "shop" at 127.0.0.1:{closed_port} as "me": nothing answers there',
        "start Postgres, or correct host and port in [database] url",
        5,
    )


def test_a_request_meets_a_database_that_is_down(closed_port: int) -> None:
    database = PostgresDatabase(f"postgresql://me:s3cret@127.0.0.1:{closed_port}/shop")
    for _ in range(25):  # more than the pool holds: failures must not use places up
        with pytest.raises(DatabaseUnavailable) as caught:
            database.run(None, [Statement("SELECT 1")])
        assert caught.value.message == "The database cannot be reached."
    assert database.stats().size == 0


def test_a_wrong_password_is_not_repeated(dsn: str) -> None:
    if "s3cret" not in dsn:
        pytest.skip("the embedded server asks for no password: its socket is the key")
    found = fault(dsn.replace("s3cret", "wr0ng"))
    assert 'as "app": the server refused the password' in found.message
    assert found.fix == "check user and password in [database] url"
    assert "wr0ng" not in str(found)
    assert found.exit_code == 5


def test_a_database_that_does_not_exist(dsn: str) -> None:
    name = dsn.split("?")[0].rsplit("/", 1)[1]
    found = fault(dsn.replace(f"/{name}?", "/nowhere?"))
    assert found.message.startswith('cannot connect to the database "nowhere" at ')
    assert found.message.endswith(": the server has no such database")
    assert found.fix == "create it (createdb NAME) or correct its name in [database] url"


def test_an_unknown_host() -> None:
    found = fault("postgresql://me@no-such-host.invalid/shop")
    assert found.message == (
        'cannot connect to the database "shop" at no-such-host.invalid:5432 as "me": the host name is unknown'
    )


def test_a_server_that_is_too_old(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # No Postgres 14 is at hand; the bound is moved above the server instead.
    monkeypatch.setattr(server_module, "OLDEST", 990000)
    found = fault(dsn)
    assert "runs on Postgres 1" in found.message
    assert found.message.endswith("; Reactor needs 15 or newer")
    assert found.exit_code == 5


@pytest.mark.parametrize("text", ["mysql://root:s3cret@h/db", "postgresql://a:s3cret@h:port:x/db?nope=1", "s3cret"])
def test_what_is_not_a_url_is_not_repeated(text: str) -> None:
    with pytest.raises(BootError) as caught:
        PostgresDatabase(text)
    assert str(caught.value) == (
        "config error: database.url: is not a Postgres URL (the text is not shown because it may hold a password)\n"
        '  fix: url = "postgresql://USER:PASSWORD@HOST:5432/DATABASE", or url = "embedded"; '
        "percent-encode special characters of the password"
    )
    assert caught.value.exit_code == 2
    assert caught.value.__cause__ is None
