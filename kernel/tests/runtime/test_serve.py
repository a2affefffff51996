"""Processes: drains, second signals, killed workers, a killed master, a taken port."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from reactor_kernel.errors import BootError
from reactor_kernel.runtime.serve import bind

from .conftest import SCRIPT, eventually

both_sizes = pytest.mark.parametrize("workers", [1, 2])


def begin_slow(server, secs: float) -> socket.socket:
    """Send a request that takes `secs`, and wait until a thread has it.

    Another request's answer would not tell: each worker has a queue of connections of its own.
    """
    sock = server.connect()
    sock.sendall(f"GET /slow?secs={secs} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    eventually(lambda: "slow request begins" in server.log)
    return sock


def rest(sock: socket.socket) -> bytes:
    received = b""
    with sock:
        while block := sock.recv(65536):
            received += block
    return received


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def refuses(server) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


@both_sizes
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_request_in_flight_survives_the_signal(start, engine, workers, number):
    server = start("--engine", engine, "--workers", workers).until_up()
    sock = begin_slow(server, 2)
    server.signal(number)
    eventually(lambda: refuses(server))
    assert server.process.poll() is None
    answer = rest(sock)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"slept": "2' in answer
    assert b"connection: close" in answer.lower()
    assert server.wait() == 0


@both_sizes
def test_a_second_signal_ends_everything_at_once(start, engine, workers):
    server = start("--engine", engine, "--workers", workers, "--drain", 60).until_up()
    pids = server.worker_pids()
    sock = begin_slow(server, 50)
    server.signal(signal.SIGTERM)
    eventually(lambda: "draining" in server.log)
    server.signal(signal.SIGTERM)
    assert server.wait(5) == 128 + signal.SIGTERM
    assert not [pid for pid in pids if alive(pid)]
    assert refuses(server)
    sock.close()


@both_sizes
@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
@pytest.mark.parametrize("early", ["dropped", "seen"])
def test_a_signal_that_came_while_it_started_ends_it(start, workers, before, early):
    """Shells let what they start in the background ignore SIGINT."""
    former = signal.signal(signal.SIGINT, before)
    try:
        server = start("--workers", workers, "--early", early)
    finally:
        signal.signal(signal.SIGINT, former)
    assert server.wait() == 0
    said = server.process.stdout.read()
    if early == "seen":
        assert said == "interrupted\n"
    else:
        assert "Exception ignored" in server.log
        assert said.count("stopped ") == workers
        assert "draining" in server.log


def test_an_interrupt_sent_to_the_whole_group_drains_once(start):
    server = start("--workers", 2).until_up()
    sock = begin_slow(server, 1)
    os.killpg(server.process.pid, signal.SIGINT)
    assert b'"slept"' in rest(sock)
    assert server.wait() == 0


@both_sizes
def test_what_overruns_the_drain_timeout_is_cut_off(start, engine, workers):
    server = start("--engine", engine, "--workers", workers, "--drain", 0.5).until_up()
    sock = begin_slow(server, 60)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert b"200 OK" not in rest(sock)
    assert "1 request(s) had not finished when the drain timeout ended" in server.log


@both_sizes
def test_idle_keep_alive_connections_do_not_hold_up_the_end(start, engine, workers):
    server = start("--engine", engine, "--workers", workers, "--drain", 60).until_up()
    idle = server.connect()
    idle.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    received = idle.recv(65536)
    while b"}" not in received:
        received += idle.recv(65536)
    untouched = server.connect()
    server.signal(signal.SIGTERM)
    assert server.wait(10) == 0
    assert rest(idle) == b""
    untouched.close()


@both_sizes
def test_the_application_can_ask_for_the_end(start, engine, workers):
    server = start("--engine", engine, "--workers", workers).until_up()
    pids = server.worker_pids()
    assert server.request("POST", "/shutdown").json == {"status": "accepted"}
    assert server.wait() == 0
    assert not [pid for pid in pids if alive(pid)]


def test_a_killed_worker_is_replaced_while_the_others_serve(start, engine):
    server = start("--engine", engine, "--workers", 2).until_up()
    first = eventually(lambda: len(server.worker_pids()) == 2 and server.worker_pids())
    os.kill(first[0], signal.SIGKILL)
    # Gone with all of its threads only once it is reaped; until then one of them may still accept.
    eventually(lambda: "was killed by signal 9" in server.log)
    for _ in range(20):
        assert server.get("/health").json["pid"] != first[0]
    second = eventually(lambda: len(server.worker_pids()) == 2 and server.worker_pids())
    assert first[1] in second
    assert first[0] not in second
    assert "was killed by signal 9; another is started in 0.0 s" in server.log
    server.signal(signal.SIGTERM)
    assert server.wait() == 0


def test_a_worker_that_cannot_be_forked_now_is_forked_later_while_the_others_serve(start):
    server = start("--workers", 2, "--fail", "fork").until_up()
    first = eventually(lambda: len(server.worker_pids()) == 2 and server.worker_pids())
    os.kill(first[0], signal.SIGKILL)
    eventually(lambda: "cannot be forked: Resource temporarily unavailable; tried again in 1.0 s" in server.log)
    assert server.get("/health").json["pid"] == first[1]
    second = eventually(lambda: len(server.worker_pids()) == 2 and server.worker_pids())
    assert first[1] in second
    server.signal(signal.SIGTERM)
    assert server.wait() == 0


def test_more_connections_are_served_than_files_may_be_open_by_default(start, engine):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 512:
        pytest.skip("the hard limit of this machine is too low to tell")
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        server = start("--engine", engine).until_up()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with contextlib.ExitStack() as open_ones:
        for _ in range(150):
            open_ones.enter_context(server.connect())
        assert server.get("/health").status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux spreads connections over sockets")
def test_connections_are_spread_over_the_workers(start, engine):
    server = start("--engine", engine, "--workers", 2).until_up()
    eventually(lambda: {server.get("/health").json["pid"] for _ in range(40)} == set(server.worker_pids()))
    held = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=15) for _ in range(40)]
    served = Counter()
    for connection in held:
        connection.request("GET", "/health")
        served[json.loads(connection.getresponse().read())["pid"]] += 1
    for connection in held:
        connection.close()
    # A fair coin gives one side fewer than 4 of 40 once in 50 million runs.
    assert min(served[pid] for pid in server.worker_pids()) >= 4, served


def test_no_connection_waits_for_a_worker_that_is_leaving(start):
    server = start("--workers", 2, "--drain", 60).until_up()
    eventually(lambda: {server.get("/health").json["pid"] for _ in range(40)} == set(server.worker_pids()))
    sock = begin_slow(server, 8)
    # One of the two holds the slow request, and drains for as long as that takes; nothing new may be queued for it.
    first, second = server.worker_pids()
    for leaving in (first, second):
        os.kill(leaving, signal.SIGTERM)
        eventually(lambda leaving=leaving: leaving not in {server.get("/health").json["pid"] for _ in range(20)})
        if alive(leaving):
            break
        # It held nothing and is gone; with its successor there, the other one is the one.
        eventually(lambda: len({server.get("/health").json["pid"] for _ in range(40)}) == 2)
    assert b'"slept"' in rest(sock)


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells who listens")
def test_who_holds_a_port_is_told_also_while_it_opens_and_closes_files():
    ended = threading.Event()

    def churn() -> None:
        while not ended.is_set():
            opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(30)]
            for descriptor in opened:
                os.close(descriptor)

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            for _ in range(10):
                with pytest.raises(BootError, match=rf"process {os.getpid()} \("):
                    bind("127.0.0.1", taken.getsockname()[1])
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_a_second_server_is_refused_the_port_of_workers(start):
    server = start("--workers", 2).until_up()
    eventually(lambda: len({server.get("/health").json["pid"] for _ in range(40)}) == 2)
    with pytest.raises(BootError, match="already in use"):
        bind("127.0.0.1", server.port)


def test_a_worker_that_is_told_to_end_alone_is_replaced(start):
    server = start("--workers", 2).until_up()
    first = eventually(lambda: len(server.worker_pids()) == 2 and server.worker_pids())
    os.kill(first[0], signal.SIGTERM)
    eventually(lambda: first[0] not in server.worker_pids() and len(server.worker_pids()) == 2)
    assert server.answers()


def test_workers_go_when_the_master_is_killed(start, engine):
    server = start("--engine", engine, "--workers", 2).until_up()
    pids = eventually(lambda: len(server.worker_pids()) == 2 and server.worker_pids())
    sock = begin_slow(server, 1)
    server.process.kill()
    assert b'"slept"' in rest(sock)
    eventually(lambda: not [pid for pid in pids if alive(pid)])
    assert refuses(server)
    again = start("--port", server.port).until_up()
    assert again.port == server.port


def test_a_leader_only_service_runs_on_exactly_one_worker(start, tmp_path):
    folder = tmp_path / "leaders"
    folder.mkdir()
    server = start("--workers", 2, "--leaders", folder).until_up()

    def leaders() -> list[int]:
        return [int(path.suffix[1:]) for path in folder.glob("leading.*") if alive(int(path.suffix[1:]))]

    first = eventually(leaders)
    assert len(first) == 1
    os.kill(first[0], signal.SIGKILL)
    second = eventually(lambda: [pid for pid in leaders() if pid != first[0]])
    assert len(second) == 1
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert leaders() == []


def test_a_worker_that_cannot_start_ends_the_server_with_its_own_code(start):
    server = start("--workers", 2, "--fail", "boot")
    assert server.wait() == 4
    assert "could not start:\nboot error: no signing key" in server.log


def test_workers_that_crash_in_a_loop_end_the_server(start):
    server = start("--workers", 1, "--fail", "none")
    server.until_up()
    looping = start("--workers", 2, "--fail", "segfault")
    assert looping.wait(60) == 1
    assert "was killed by signal 11" in looping.log
    assert "5 times in a row, and no other worker serves; giving up" in looping.log


@both_sizes
def test_the_engine_is_checked_before_anything_is_forked(workers):
    program = (
        "import importlib.metadata as m, sys\n"
        "real = m.version\n"
        "def version(name):\n"
        "    if name == 'granian': raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version\n"
        f"sys.argv = ['x', '--engine', 'granian', '--workers', '{workers}']\n"
        f"import runpy; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20)
    assert ran.returncode == 2
    assert ran.stderr.startswith("config error: server.engine: granian is not installed\n")


# -- bind -----------------------------------------------------------------------------------------------------------


def fault_of(host: str, port: int) -> str:
    with pytest.raises(BootError) as caught:
        bind(host, port)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_a_taken_port_names_its_holder():
    with bind("127.0.0.1", 0) as holder:
        port = holder.getsockname()[1]
        name = Path("/proc/self/comm").read_text().strip()
        assert fault_of("127.0.0.1", port) == (
            f"bind error: 127.0.0.1:{port} is already in use; process {os.getpid()} ({name}) listens there\n"
            "  fix: stop it, or choose another address with --bind or [server] bind"
        )


def test_a_second_server_on_the_port_exits_with_3(start):
    server = start().until_up()
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), "--port", str(server.port)], capture_output=True, text=True, timeout=20
    )
    assert ran.returncode == 3
    assert ran.stderr.startswith(
        f"bind error: 127.0.0.1:{server.port} is already in use; process {server.process.pid} ("
    )


def test_foreign_and_unknown_addresses_are_told_apart():
    assert fault_of("203.0.113.7", 8000) == (
        "bind error: 203.0.113.7:8000 is not an address of this machine\n"
        "  fix: set [server] bind to 127.0.0.1 or 0.0.0.0 and a port"
    )
    assert fault_of("no-such-host.invalid", 8000).startswith(
        "bind error: no-such-host.invalid:8000 cannot be resolved: "
    )
    assert fault_of("127.0.0.1", 70000) == (
        "bind error: 127.0.0.1:70000 has no valid port\n  fix: choose a port from 1 to 65535"
    )


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_ipv6_addresses_are_bound_with_and_without_brackets():
    for spelling in ("::1", "[::1]"):
        with bind(spelling, 0) as listener:
            assert listener.family == socket.AF_INET6
            port = listener.getsockname()[1]
            assert f"[::1]:{port} is already in use" in fault_of("::1", port)


def test_a_port_is_free_again_after_connections_were_closed(start):
    server = start().until_up()
    server.get("/health")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    bind("127.0.0.1", server.port).close()


# -- off the main thread --------------------------------------------------------------------------------------------


def test_a_server_in_a_thread_ends_on_request_and_touches_no_signal_handler():
    from reactor_kernel.runtime import serve
    from reactor_kernel.runtime.engines import WAITRESS

    class Target:
        listener = bind("127.0.0.1", 0)
        engine = WAITRESS
        workers = 1
        threads = 2
        drain_timeout = 5.0
        body_limit = 100
        events: list[str] = []  # noqa: RUF012

        def before_fork(self):
            self.events.append("fork")

        def start_worker(self, index):
            self.events.append("start")

            def app(environ, start_response):
                start_response("200 OK", [("Content-Length", "2")])
                return [b"ok"]

            app.body_limit_for = lambda method, path: 100
            app.cross_origin_headers = lambda path, origin: ()
            return app

        def drain(self, deadline):
            self.events.append(f"drain {deadline}")

        def stop_worker(self):
            self.events.append("stop")

    target, codes = Target(), []
    address = target.listener.getsockname()
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: codes.append(serve.run(target)))
    thread.start()
    with socket.create_connection(address, timeout=5) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert rest(sock).endswith(b"ok")
    serve.request_shutdown()
    thread.join(10)
    assert codes == [0]
    assert target.events == ["start", "drain 5.0", "stop"]
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_is_posted_while_draining_is_told_so(start, engine):
    server = start("--engine", engine).until_up()
    slow = begin_slow(server, 1.5)
    with server.connect() as kept:
        # Half a request when the drain begins: it may be finished, and is the connection's last.
        kept.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        eventually(lambda: server.get("/health").status == 200)
        server.signal(signal.SIGTERM)
        eventually(lambda: refuses(server))
        if engine == "waitress":
            kept.sendall(b"\r\n")
            head, body = rest(kept).split(b"\r\n\r\n", 1)
            assert b"Connection: close" in head
            assert json.loads(body)["draining"] is True
    assert b'"slept"' in rest(slow)
    assert server.wait() == 0
