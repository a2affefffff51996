"""Databases for tests: a server for the run, templates migrated once, a clone for each test."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reactor_kernel.ids import uuid7

if TYPE_CHECKING:
    import psycopg

VARIABLE = "REACTOR_TEST_DATABASE_URL"


class TestPostgres:
    """A Postgres server that this run may make databases on.

    Args:
        url: of a database whose role may create databases and roles.
    """

    __test__ = False  # its name would make pytest collect it

    def __init__(self, url: str) -> None:
        self.url = url
        self._templates: dict[Hashable, str] = {}
        self._live: set[str] = set()
        # A project of its own in the names, so that several runs may share one external server.
        self._run = uuid7().hex[-10:]
        self._count = 0
        self._lock = threading.Lock()

    def create(self) -> str:
        """Make an empty database; return its URL."""
        with self._lock:
            return self._create(None)

    def clone(self, key: Hashable, migrate: Callable[[str], None]) -> str:
        """Make a database from the template of `key`, which `migrate(url)` fills when it is first asked for.

        The key is kept, so objects may be part of it.
        """
        with self._lock:
            if key not in self._templates:
                url = self._create(None)
                try:
                    migrate(url)
                except BaseException:
                    self._drop(url)
                    raise
                self._templates[key] = url
            return self._create(self._templates[key])

    def drop(self, url: str) -> None:
        """Drop a database made here, ending the connections that are still open."""
        with self._lock:
            self._drop(url)

    def close(self) -> None:
        """Drop everything made in this run."""
        with self._lock:
            for url in sorted(self._live):
                self._drop(url)

    def _create(self, template: str | None) -> str:
        from psycopg import sql

        self._count += 1
        name = f"reactor_test_{self._run}_{self._count}"
        source = "template1" if template is None else database_name(template)
        with self._connect() as connection:
            if template is not None:
                # A backend that has just been told to go is still counted as connected for a moment.
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'",
                    (source,),
                )
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
            )
        url = with_database(self.url, name)
        self._live.add(url)
        return url

    def _drop(self, url: str) -> None:
        from psycopg import errors, sql

        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database_name(url)))
        until = time.monotonic() + 20
        while True:
            try:
                with self._connect() as connection:
                    connection.execute(drop)
                break
            except (errors.InsufficientPrivilege, errors.ObjectInUse):
                # An autovacuum worker visits the database; it is not ours to end, and leaves by itself.
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        self._live.discard(url)

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        import psycopg

        return psycopg.connect(self.url, autocommit=True)


@contextmanager
def start() -> Iterator[TestPostgres]:
    """Start an embedded server for the block, or use the one of `REACTOR_TEST_DATABASE_URL`."""
    external = os.environ.get(VARIABLE)
    if external:
        server = TestPostgres(external)
        try:
            yield server
        finally:
            server.close()
        return
    from reactor_kernel.embedded.postgres import EmbeddedPostgres

    # Not under pytest's own directory: each run by the same user takes other accounts' rights to that away, and where tests
    # run as root Postgres is another account.
    with tempfile.TemporaryDirectory(prefix="reactor-test-") as root:
        embedded = EmbeddedPostgres(Path(root))
        try:
            url = embedded.start()
            spare_the_disk(url)
            yield TestPostgres(url)
        finally:
            embedded.stop()


def spare_the_disk(url: str) -> None:
    """Let the embedded server of a run keep what it writes in the system's memory.

    Each new and each dropped database waits for the disk otherwise. A killed server still loses nothing; a power cut may lose
    the cluster, which nobody will miss.
    """
    import psycopg

    from reactor_kernel.embedded.settings import LOGIN, SUPERUSER

    admin = with_database(url, "postgres").replace(f"//{LOGIN}@", f"//{SUPERUSER}@", 1)
    with psycopg.connect(admin, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


def with_database(url: str, name: str) -> str:
    """Return `url` with another database name."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/{name}{query}"


def database_name(url: str) -> str:
    """Return the database name of a URL."""
    return urlsplit(url).path.lstrip("/")
