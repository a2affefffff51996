"""`reactor db`: the project's whole database."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import click

from reactor_kernel.cli.errors import CliError
from reactor_kernel.cli.invocation import Invocation

_SECRET_PARTS = frozenset({"password", "sslpassword"})
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("db")
def command() -> None:
    """Back up, restore, upgrade or reach the database.

    Works on the project's own database, embedded or not; an embedded one that does not run is started meanwhile.
    """


def _database(invocation: Invocation) -> str:
    """Return a URL that can be connected to now."""
    from reactor_kernel.embedded.postgres import EmbeddedPostgres

    invocation.need_project()
    raw = invocation.raw()
    url = invocation.kernel_config(raw).database.url
    if url != "embedded":
        return url
    server = EmbeddedPostgres(raw.root)
    url = server.start()
    invocation.on_close(server.stop)
    return url


@command.command("backup")
@click.argument("file", type=_FILE)
@click.pass_obj
def backup(invocation: Invocation, file: Path) -> None:
    """Write the whole database and the roles its grants name into FILE; writers are not held up."""
    from reactor_kernel.embedded.backup import backup as dump

    if file.exists():
        invocation.confirm(f"replacing {file}")
    invocation.out.progress(f"backing up into {file}")
    dump(_database(invocation), file)
    data = {"file": str(file), "bytes": file.stat().st_size}
    invocation.emit(data, lambda: invocation.out.success(f"{file}: {data['bytes']} bytes"))


@command.command("restore")
@click.argument("file", type=_FILE)
@click.pass_obj
def restore(invocation: Invocation, file: Path) -> None:
    """Replace what is in the database by the backup in FILE."""
    from reactor_kernel.embedded.backup import restore as load

    if not file.exists():
        raise CliError("IO_ERROR", f"{file}: there is no such file")
    invocation.confirm(f"replacing everything in the database by {file}")
    invocation.out.progress(f"restoring {file}")
    load(_database(invocation), file)
    invocation.emit({"file": str(file), "restored": True}, lambda: invocation.out.success(f"{file} is restored"))


@command.command("upgrade-cluster")
@click.pass_obj
def upgrade_cluster(invocation: Invocation) -> None:
    """Bring the embedded database's files to the installed major version of Postgres, by dump and restore.

    The old files are kept beside the new ones.
    """
    from reactor_kernel.embedded.upgrade import upgrade

    invocation.need_project()
    raw = invocation.raw()
    if invocation.kernel_config(raw).database.url != "embedded":
        raise CliError("USER_ERROR", '[database] url is not "embedded"', hint="upgrade that server by its own means")
    result = upgrade(raw.root)
    data = {"from": result.old, "to": result.new, "kept": str(result.kept) if result.kept else None}
    if result.kept is None:
        invocation.emit(data, f"The embedded database is at Postgres {result.new} already.")
    else:
        invocation.emit(
            data,
            lambda: invocation.out.success(f"Postgres {result.old} → {result.new}; the old files are in {result.kept}"),
        )


@command.command("url")
@click.option("--show-password", is_flag=True, help="Print the password, too.")
@click.pass_obj
def url_(invocation: Invocation, show_password: bool) -> None:
    """Print the URL of the database, without its password.

    An embedded database is only reachable while it runs, by the account that runs it.
    """
    from reactor_kernel.embedded.postgres import EmbeddedPostgres

    invocation.need_project()
    raw = invocation.raw()
    url = invocation.kernel_config(raw).database.url
    embedded = url == "embedded"
    if embedded:
        running = EmbeddedPostgres(raw.root).status().dsn
        if running is None:
            raise CliError("USER_ERROR", "the embedded database does not run", hint="start it with: reactor up")
        url = running
    shown = url if show_password else _masked(url)
    invocation.emit({"url": shown, "embedded": embedded}, shown)


def _masked(url: str) -> str:
    from urllib.parse import parse_qs, urlsplit

    from psycopg.conninfo import make_conninfo

    from reactor_kernel.db.conninfo import parse

    shown = {name: value for name, value in parse(url).items() if name not in _SECRET_PARTS}
    if len(shown) == len(parse(url)):
        return url
    # Where it stands not only where a URL has its password, or libpq reads the URL in another way, it is written anew.
    with suppress(ValueError):
        split = urlsplit(url)
        login, _, place = split.netloc.rpartition("@")
        user, password, _ = login.partition(":")
        if split.scheme and password and _SECRET_PARTS.isdisjoint(parse_qs(split.query)):
            return split._replace(netloc=f"{user}:***@{place}").geturl()
    return make_conninfo(**shown)


@command.command("shell", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def shell(invocation: Invocation, arguments: tuple[str, ...]) -> int:
    """Open psql on the database, as the login role that owns the plugins' schemas.

    ARGUMENTS go to psql: reactor db shell -- -c 'select 1'. Its exit code and output are psql's own.
    """
    from reactor_kernel.db.conninfo import without_password
    from reactor_kernel.embedded.binaries import client

    conninfo, password = without_password(_database(invocation))
    # The password stays out of the process list.
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    # Ctrl-C cancels a statement inside of psql; it must not end this process before psql.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        program = client("psql", 0)
        return subprocess.run([program, "-d", conninfo, *arguments], env=environment, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
