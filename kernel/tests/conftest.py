"""Real Postgres servers for the kernel's tests: the embedded one, and Debian's 15 over TCP with a password."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from reactor_kernel.embedded.postgres import EmbeddedPostgres
from reactor_kernel.embedded.settings import SUPERUSER
from reactor_kernel.testing import free_port
from reactor_kernel.testing.postgres import spare_the_disk

# How long an example takes depends on what else the machine does; speed is measured in bench/.
settings.register_profile("reactor", settings(), deadline=None)
settings.load_profile("reactor")

_DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
_COUNT = iter(range(1_000_000))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make what was captured sendable: some tests log what is not UTF-8, and a worker's report travels as UTF-8."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@dataclass
class Server:
    """A running server: `admin` may do anything, `login(name)` is what Reactor gets for a database."""

    kind: str
    admin: str
    template: str
    data: Path

    def login(self, database: str) -> str:
        """Return the URL of a database as the login role, which is no superuser."""
        return self.template.replace("/reactor?", f"/{database}?")

    def kill(self) -> int:
        """kill -9 the server; return its former process number."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        return pid


@pytest.fixture(scope="session")
def embedded_18(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded Postgres in a project of its own."""
    embedded = EmbeddedPostgres(tmp_path_factory.mktemp("embedded"))
    url = embedded.start()
    spare_the_disk(url)
    admin = url.replace("//reactor@/reactor", f"//{SUPERUSER}@/postgres")
    yield Server("embedded 18", admin, url, embedded.data)
    embedded.stop()


@pytest.fixture(scope="session")
def external_15() -> Iterator[Server]:
    """Debian's Postgres 15 over TCP, with a password, and a login that may make roles but cannot grant BYPASSRLS."""
    if not (_DEBIAN_15 / "postgres").exists():
        pytest.skip("Postgres 15 is not installed (apt-get install postgresql-15)")
    place = Path("/tmp") / f"reactor-test-15-{secrets.token_hex(4)}"
    place.mkdir(mode=0o700)
    switch: dict[str, object] = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(place, account.pw_uid, account.pw_gid)
        switch = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    port = free_port()

    def call(*command: str) -> None:
        subprocess.run(command, check=True, cwd="/", capture_output=True, **switch)  # type: ignore[call-overload]

    initdb = [
        str(_DEBIAN_15 / "initdb"),
        "-D",
        str(place / "data"),
        "-U",
        "postgres",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]
    call(*initdb, "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {place} -c fsync=off -c password_encryption=scram-sha-256"
    call(str(_DEBIAN_15 / "pg_ctl"), "start", "-w", "-D", str(place / "data"), "-l", str(place / "log"), "-o", options)
    admin = f"postgresql://postgres@/postgres?host={place}&port={port}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("CREATE ROLE app LOGIN CREATEDB CREATEROLE PASSWORD 's3cret %/ word'")
    url = f"postgresql://app:s3cret%20%25%2F%20word@127.0.0.1:{port}/reactor?sslmode=prefer"
    yield Server("external 15", admin, url, place / "data")
    call(str(_DEBIAN_15 / "pg_ctl"), "stop", "-m", "immediate", "-D", str(place / "data"))
    shutil.rmtree(place)


@pytest.fixture(scope="session", params=["embedded_18", "external_15"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the servers in turn."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def dsn(server: Server) -> Iterator[str]:
    """An empty database of its own, as the login role that owns it."""
    name = f"t{os.getpid()}_{next(_COUNT)}"
    owner = "reactor" if server.kind == "embedded 18" else "app"
    with psycopg.connect(server.admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER {owner}")
    yield server.login(name)
    deadline = time.monotonic() + 20
    while True:
        try:
            with psycopg.connect(server.admin, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            return
        except psycopg.OperationalError:  # a test has just restarted the server
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
