"""`serving.run`: the server inside a program of somebody else's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from reactor_kernel.testing import free_port, raw_config

PROGRAM = """
import sys
from pathlib import Path
from reactor_kernel.config.loader import load
from reactor_kernel.serving import run
flags = dict(zip(("server.bind", "server.engine", "server.workers"), (*sys.argv[1:3], int(sys.argv[3]))))
code = run(load(None, environ={}, flags=flags, cwd=Path.cwd()))
print("returned", code, flush=True)
"""


def embedding(place: Path, bind: str, engine: str = "waitress", workers: int = 1) -> subprocess.Popen[str]:
    raw_config(place, [], database_url="embedded")
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, bind, engine, str(workers)],
        cwd=place,
        env={**os.environ, "TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_serves_until_told_to_stop_and_returns(tmp_path: Path) -> None:
    port = free_port()
    process = embedding(tmp_path, f"127.0.0.1:{port}")
    until = time.monotonic() + 60
    while True:
        try:
            health = httpx.get(f"http://127.0.0.1:{port}/health", timeout=5)
            break
        except httpx.TransportError:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)
    assert health.json() == {"status": "healthy", "capabilities": []}
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == ("returned 0\n", 0), "the program goes on after the server"
    assert not (tmp_path / ".reactor" / "postgres" / "postmaster.pid").exists()


def test_it_returns_the_codes_of_the_executable(tmp_path: Path) -> None:
    out, err = embedding(tmp_path, "127.0.0.1:0", "warp").communicate(timeout=60)
    assert (out, err) == (
        "returned 2\n",
        "config error: server.engine: there is no engine 'warp'; known are granian, waitress (command line)\n",
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        out, err = embedding(tmp_path, f"127.0.0.1:{port}").communicate(timeout=60)
    assert out == "returned 3\n"
    assert err.startswith(f"bind error: 127.0.0.1:{port} is already in use; ")


def test_a_taken_port_leaves_nothing_of_several_workers_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = embedding(tmp_path, f"127.0.0.1:{taken.getsockname()[1]}", workers=2)
        assert process.communicate(timeout=60)[0] == "returned 3\n"
    assert [left.name for left in tmp_path.glob("reactor-metrics-*")] == []
