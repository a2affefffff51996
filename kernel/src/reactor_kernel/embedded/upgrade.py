"""Brings the embedded data directory to the installed major version: dump by the old programs' server, restore beside, swap."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from reactor_kernel.embedded.account import account_for
from reactor_kernel.embedded.binaries import MAJOR, programs, wheel_versions
from reactor_kernel.embedded.cluster import Cluster, data_major, dsn, remove, wrong_major
from reactor_kernel.embedded.postgres import FINISHED, finish_upgrade, locked, users_file
from reactor_kernel.embedded.settings import SUPERUSER
from reactor_kernel.errors import BootError, ExitCode, Fault


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The major version before and after, and where the old data directory is kept (None: nothing was to do)."""

    old: int
    new: int
    kept: Path | None


def upgrade(root: Path) -> Upgraded:
    """Move the embedded database of a project to the installed major version of Postgres.

    The old directory is kept as `.reactor/postgres-<major>.bak`. Killed at any point it leaves the old cluster, or the
    new one, which the next start puts in place.

    Raises:
        BootError: there is no cluster, it is in use, its programs are not installed, or a program failed.
    """
    data = root.resolve() / ".reactor" / "postgres"
    if not data.parent.is_dir():
        raise _fault(f"there is no embedded database under {data}")
    with locked(data):
        finish_upgrade(data)
        major = data_major(data)
        if major is None:
            raise _fault(f"there is no embedded database under {data}")
        if major == MAJOR:
            return Upgraded(major, MAJOR, None)
        if major > MAJOR:
            raise wrong_major(data, major)
        users = os.open(users_file(data), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _fault(f"{data} is in use by another reactor process", fix="stop it first") from None
            return Upgraded(major, MAJOR, _upgrade(data, major))
        finally:
            os.close(users)


def _upgrade(data: Path, major: int) -> Path:
    account = account_for(data)
    if major not in wheel_versions():
        raise _fault(
            f"{data} was made by Postgres {major}, and the programs of that version are not in the installed wheel",
            fix="go back to the reactor-kernel that made it, run `reactor db backup FILE`, upgrade, move .reactor/postgres away "
            "and run `reactor db restore FILE`",
        )
    kept = data.with_name(f"{data.name}-{major}.bak")
    if kept.exists():
        raise _fault(
            f"{kept} is in the way: it is kept from an earlier upgrade", fix=f"move it away or remove it: rm -r {kept}"
        )
    fresh_data = data.with_name(f"{data.name}.upgrade")
    remove(fresh_data)  # of an upgrade that was killed before it was complete
    old, fresh = Cluster(data, programs(major), account), Cluster(fresh_data, programs(MAJOR), account)
    fresh.make(bootstrap=False)
    try:
        old_url, fresh_url = _urls(old), _urls(fresh)
        _copy(old_url, fresh_url)
        _compare(old_url, fresh_url)
    finally:
        old.stop()
        fresh.stop()
    # From here on a kill leaves either the old directory in its place or a complete new one, which `finish_upgrade` renames.
    (fresh_data / FINISHED).touch()
    account.own(fresh_data / FINISHED)
    _sync(fresh_data)
    data.rename(kept)
    fresh_data.rename(data)
    _sync(data.parent)
    (data / FINISHED).unlink()
    return kept


def _urls(cluster: Cluster) -> str:
    found = cluster.start()
    assert found.socket_dir is not None
    return dsn(found.socket_dir, user=SUPERUSER, database="{}")


def _copy(old: str, fresh: str) -> None:
    bin_dir = programs(MAJOR)
    with tempfile.TemporaryDirectory() as place:
        # A new pg_dump reads older servers, never the other way round.
        roles = _run(bin_dir / "pg_dumpall", "--roles-only", "--dbname", _database(old, "postgres")).decode()
        kept = [line for line in roles.splitlines() if line != f"CREATE ROLE {SUPERUSER};"]
        _run(
            *(bin_dir / "psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"),
            *("--dbname", _database(fresh, "postgres")),
            stdin="\n".join(kept).encode(),
        )
        for name in _databases(old):
            dump = Path(place) / "database.dump"
            _run(bin_dir / "pg_dump", "--format=custom", "--file", dump, "--dbname", _database(old, name))
            create = [] if name == "postgres" else ["--create"]
            _run(bin_dir / "pg_restore", *create, "--exit-on-error", "--dbname", _database(fresh, "postgres"), dump)
            dump.unlink()


def _compare(old: str, fresh: str) -> None:
    """Count the rows of every table on both sides; a difference ends the upgrade before anything is swapped."""
    for name in _databases(old):
        before, after = _counts(_database(old, name)), _counts(_database(fresh, name))
        for table in sorted(before.keys() | after.keys()):
            if before.get(table) != after.get(table):
                was, now = before.get(table), after.get(table)
                raise _fault(
                    f"the copy differs: {table} of database {name} has {now} rows instead of {was}; nothing was changed"
                )


def _counts(url: str) -> dict[str, int]:
    query = (
        "SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'"
    )
    counts: dict[str, int] = {}
    with psycopg.Connection.connect(url) as connection:
        for (table,) in connection.execute(query).fetchall():
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert row is not None
            counts[table] = row[0]
    return counts


def _databases(url: str) -> list[str]:
    with psycopg.Connection.connect(_database(url, "postgres")) as connection:
        return [
            name for (name,) in connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1")
        ]


def _database(url: str, name: str) -> str:
    return url.replace("%7B%7D", quote(name, safe=""))


def _run(*command: str | Path, stdin: bytes | None = None) -> bytes:
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _fault(f"{Path(command[0]).name} failed, nothing was changed: {'; '.join(said[-3:])}")
    return done.stdout


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _fault(message: str, *, fix: str | None = None) -> BootError:
    return BootError([Fault(category="database", message=message, fix=fix, exit_code=ExitCode.DATABASE)])
