"""Start servers, wait for their first answer, weigh and end them."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(
    command: Sequence[str], port: int, probe: str, *, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """Run a server; yields its process and the seconds to its first 200, and ends it afterwards."""
    variables = {**os.environ, **(environ or {})}
    # pip compiles what it installs; an editable install is compiled by the first run, if that may write.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    log = (Path(cwd or HERE) / f"server-{port}.log").open("wb")
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process, _first_answer(process, port, probe, Path(log.name)) - began
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()
        os.unlink(log.name)


def _first_answer(process: subprocess.Popen[bytes], port: int, probe: str, log: Path) -> float:
    ends = time.perf_counter() + 60
    while time.perf_counter() < ends:
        if process.poll() is not None:
            sys.exit(f"the server ended with code {process.returncode}:\n{log.read_text()}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", probe)
            if connection.getresponse().status == 200:
                return time.perf_counter()
        except OSError:
            time.sleep(0.005)
        finally:
            connection.close()
    sys.exit(f"the server did not answer {probe} within 60 s:\n{log.read_text()}")


def serving_processes(master: int) -> list[int]:
    """Return the workers' pids, or the process itself where it serves alone. Postgres' processes are no workers."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    own = Path(f"/proc/{master}/comm").read_text()
    workers = [int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text() == own]
    return workers or [master]


def memory_mb(pid: int) -> tuple[float, float]:
    """Return a process' resident and proportional set size in MB (shared pages divided among their users)."""
    facts = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        facts[name] = int(value.split()[0]) / 1024
    return facts["Rss"], facts["Pss"]


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor time that processes have used so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
