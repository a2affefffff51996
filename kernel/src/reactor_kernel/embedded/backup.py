"""A whole database in one file, and back: works for the embedded server and for any URL.

The file is a tar archive of three members, readable without Reactor:
`manifest.json`, `roles.json` (the roles the database grants to, which pg_dump leaves out because they belong to the cluster)
and `database.dump` (pg_dump's custom format, for pg_restore).
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import psycopg
from psycopg import sql

from reactor_kernel import __version__
from reactor_kernel.db.conninfo import complete, describe, without_password
from reactor_kernel.db.faults import translated
from reactor_kernel.embedded.binaries import client
from reactor_kernel.errors import ReactorError, ValidationError

_FORMAT = 1
_DUMP = "database.dump"
_BLOCK = 512
_PATIENCE = "30s"
# Those that privileges and policies name, and those with default privileges of their own.
_ROLES = """
SELECT role.rolname, role.rolbypassrls FROM pg_catalog.pg_roles role
WHERE role.rolname !~ '^pg_' AND (
    role.rolname <> session_user AND EXISTS (
        SELECT FROM pg_catalog.pg_shdepend
        WHERE refclassid = 'pg_catalog.pg_authid'::regclass AND refobjid = role.oid AND deptype IN ('a', 'r', 'i')
          AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
    OR EXISTS (SELECT FROM pg_catalog.pg_default_acl WHERE defaclrole = role.oid))
ORDER BY 1
"""
# Everything of the database but its system schemas; `public` itself stays, as pg_dump does not make it.
_EMPTY = """
DO $$
DECLARE
    doomed text;
BEGIN
    FOR doomed IN
        SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_catalog.pg_namespace
        WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
    LOOP
        EXECUTE doomed;
    END LOOP;
    FOR doomed IN
        SELECT format('DROP %s IF EXISTS %s CASCADE', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
            WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, c.oid::regclass)
        FROM pg_catalog.pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'i', 'a'))
    LOOP
        EXECUTE doomed;
    END LOOP;
    FOR doomed IN
        SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure) FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE doomed;
    END LOOP;
    FOR doomed IN
        SELECT format('DROP %s IF EXISTS %s CASCADE', CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, t.oid::regtype)
        FROM pg_catalog.pg_type t
        WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd', 'r')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
    LOOP
        EXECUTE doomed;
    END LOOP;
END
$$;
"""


class BackupFailed(ReactorError):
    """The backup could not be made."""

    code = "backup_failed"


class RestoreFailed(ReactorError):
    """The backup could not be restored; the database is as it was."""

    code = "restore_failed"


class _Role(msgspec.Struct, frozen=True):
    name: str
    bypasses_rls: bool


class _Manifest(msgspec.Struct, frozen=True):
    format: int
    reactor: str
    server_version: int
    database: str
    created_at: int


def backup(dsn: str, file: Path) -> None:
    """Write a consistent copy of the database to a file that only its owner can read; writers are not held up.

    The file appears under its name when it is complete and on disk; an older one of that name is replaced then.

    Raises:
        BackupFailed: pg_dump reported an error.
        BootError: no pg_dump new enough for the server.
    """
    version, database, roles = _facts(dsn)
    manifest = _Manifest(_FORMAT, __version__, version, database, int(time.time()))
    pending = tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False)  # noqa: SIM115 - renamed below
    try:
        with pending:
            archive = tarfile.TarFile(fileobj=pending, mode="w")
            _add(archive, "manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
            _add(archive, "roles.json", msgspec.json.format(msgspec.json.encode(roles)))
            _dump(dsn, version, pending)
            pending.write(b"\0" * (2 * _BLOCK))  # the end of a tar archive
            pending.flush()
            os.fsync(pending.fileno())
        os.replace(pending.name, file)
        _sync_directory(file.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(pending.name)
        raise


def restore(dsn: str, file: Path) -> None:
    """Replace the whole content of the database by a backup, in one transaction: all of it or nothing.

    Raises:
        ValidationError: the file is not a backup.
        RestoreFailed: Postgres refused a part of it, or the database was in use for half a minute.
        BootError: no client programs new enough for the server.
    """
    version, _, _ = _facts(dsn)
    with _opened(file) as archive:
        manifest = _member(archive, file, "manifest.json", _Manifest)
        if manifest.format > _FORMAT:
            raise ValidationError(f"{file} has format {manifest.format}; this version reads up to {_FORMAT}")
        roles = _member(archive, file, "roles.json", list[_Role])
        dump = archive.extractfile(_DUMP)
        if dump is None:
            raise ValidationError(f"{file} is not a Reactor backup: it holds no {_DUMP}")
        newest = max(version, manifest.server_version)
        restorer, psql = client("pg_restore", newest // 10000), client("psql", version // 10000)
        _make_roles(dsn, roles)
        _load(dsn, restorer, psql, dump)


def _facts(dsn: str) -> tuple[int, str, list[_Role]]:
    with _connected(dsn) as connection:
        roles = [_Role(name, bypasses) for name, bypasses in connection.execute(_ROLES)]
        return connection.info.server_version, connection.info.dbname, roles


def _dump(dsn: str, version: int, target: IO[bytes]) -> None:
    conninfo, environment = _call(dsn)
    header_at = target.tell()
    target.write(b"\0" * _BLOCK)
    program = str(client("pg_dump", version // 10000))
    command = [program, "--format=custom", "--no-password", "--dbname", conninfo]
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, env=environment) as dumping:
            assert dumping.stdout is not None
            shutil.copyfileobj(dumping.stdout, target, 1 << 20)
        if dumping.returncode != 0:
            raise BackupFailed(f"pg_dump of the {describe(dsn)} failed: {_said(complaints)}")
    size = target.tell() - header_at - _BLOCK
    target.write(b"\0" * (-size % _BLOCK))
    end = target.tell()
    header = tarfile.TarInfo(_DUMP)
    header.size, header.mode, header.mtime = size, 0o600, int(time.time())
    target.seek(header_at)
    # GNU's form: the size of a member beyond 8 GiB still fits into one block.
    target.write(header.tobuf(format=tarfile.GNU_FORMAT))
    target.seek(end)


def _load(dsn: str, restorer: Path, psql: Path, dump: IO[bytes]) -> None:
    conninfo, environment = _call(dsn)
    with tempfile.TemporaryFile() as script, tempfile.TemporaryFile() as complaints:
        os.write(script.fileno(), _EMPTY.encode())
        # First all of it to SQL: a damaged archive is found before anything is touched.
        with subprocess.Popen(
            [restorer, "--no-owner", "--file=-"], stdin=subprocess.PIPE, stdout=script, stderr=complaints
        ) as program:
            assert program.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                shutil.copyfileobj(dump, program.stdin, 1 << 20)
            with contextlib.suppress(BrokenPipeError):
                program.stdin.close()
        if program.returncode != 0:
            raise RestoreFailed(f"pg_restore cannot read the backup: {_said(complaints)}")
        _take_out_newer_setting(script)
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse"]
        patience = {"PGOPTIONS": f"-c lock_timeout={_PATIENCE} -c client_min_messages=warning"}
        # It reads the finished file itself: of a pipe from a process that was killed it would see the end too early, and
        # commit what it had got until then.
        os.lseek(script.fileno(), 0, os.SEEK_SET)
        loading = subprocess.run(
            [psql, *options, "--no-password", "--dbname", conninfo],
            stdin=script,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            env={**environment, **patience},
            check=False,
        )
        if loading.returncode != 0:
            raise RestoreFailed(f"the backup was not restored, the database is as it was: {_said(complaints)}")


def _take_out_newer_setting(script: IO[bytes]) -> None:
    """Make a comment of a setting that 17 brought and older servers refuse; pg_restore writes for the newest."""
    # pg_restore has set the file to append, wherever one writes.
    fcntl.fcntl(script.fileno(), fcntl.F_SETFL, fcntl.fcntl(script.fileno(), fcntl.F_GETFL) & ~os.O_APPEND)
    head = os.pread(script.fileno(), 1 << 16, 0)
    line = b"\nSET transaction_timeout = 0;\n"
    os.pwrite(script.fileno(), head.replace(line, line.replace(b"SET", b"-- "), 1), 0)


def _make_roles(dsn: str, roles: list[_Role]) -> None:
    with _connected(dsn) as connection:
        present = {name for (name,) in connection.execute("SELECT rolname FROM pg_catalog.pg_roles")}
        for role in roles:
            if role.name in present:
                continue
            try:
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role.name)))
                connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role.name)))
            except psycopg.errors.InsufficientPrivilege as problem:
                raise RestoreFailed(
                    f"the backup grants to the role {role.name}, which does not exist and which this login may not make",
                    hint=f'Run as a superuser: CREATE ROLE "{role.name}" NOLOGIN; GRANT "{role.name}" TO the login;',
                ) from problem
            if role.bypasses_rls:
                # Where it may not be granted, service access runs as the tables' owner (decision 50).
                with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
                    connection.execute(sql.SQL("ALTER ROLE {} BYPASSRLS").format(sql.Identifier(role.name)))


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        with psycopg.Connection.connect(complete(dsn, connect_timeout=10), autocommit=True) as connection:
            yield connection
    except psycopg.Error as problem:
        raise translated(problem) from problem


def _call(dsn: str) -> tuple[str, dict[str, str]]:
    conninfo, password = without_password(dsn)
    return conninfo, {**os.environ, "LC_ALL": "C", **({"PGPASSWORD": password} if password else {})}


def _said(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    lines = [line for line in complaints.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return "; ".join(lines[-3:]) or "no reason given"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = len(content), 0o600, int(time.time())
    archive.addfile(header, io.BytesIO(content))


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        archive = tarfile.open(file, mode="r:")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        raise ValidationError(f"there is no file {file}") from None
    except tarfile.TarError:
        raise ValidationError(f"{file} is not a Reactor backup") from None
    with archive:
        yield archive


def _member(archive: tarfile.TarFile, file: Path, name: str, shape: Any) -> Any:
    try:
        stream = archive.extractfile(name)
        if stream is None:
            raise KeyError(name)
        return msgspec.json.decode(stream.read(), type=shape)
    except (KeyError, msgspec.MsgspecError, tarfile.TarError):
        raise ValidationError(f"{file} is not a Reactor backup: {name} is missing or damaged") from None


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
