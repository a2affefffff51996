"""Put load on one URL and measure it: with wrk where it is installed, else with processes of our own."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_REPORT = Path(__file__).parent / "report.lua"


@dataclass(frozen=True)
class Load:
    """What one run measured."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int
    requests: int
    cpu_us: float = 0.0  # of the serving processes, per request


def generator() -> str:
    """Name what makes the load."""
    return "wrk" if shutil.which("wrk") else "own processes"


def put_load(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    seconds: float = 5,
    connections: int = 16,
    body: str | None = None,
) -> Load:
    """Request one URL on keep-alive connections for some seconds, by POST where there is a body; every answer must be a 2xx."""
    if shutil.which("wrk"):
        return _with_wrk(url, dict(headers or {}), seconds, connections, body)
    if body is not None:
        raise SystemExit("requests with a body are made by wrk: apt-get install wrk")
    return _with_processes(url, dict(headers or {}), seconds, connections)


def _with_wrk(url: str, headers: dict[str, str], seconds: float, connections: int, body: str | None) -> Load:
    sent = None if body is None else {**os.environ, "BENCH_BODY": body}
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", str(_REPORT)]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    ran = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + 60, check=True, env=sent)
    line = next(line for line in ran.stdout.splitlines() if line.startswith("JSON "))
    found = json.loads(line.removeprefix("JSON "))
    return Load(
        found["requests"] / found["seconds"], found["p50_ms"], found["p99_ms"], found["failed"], found["requests"]
    )


def _with_processes(url: str, headers: dict[str, str], seconds: float, connections: int) -> Load:
    # Two processes like wrk's two threads; Python makes the load dearer, so these numbers are lower than wrk's.
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parts = pool.starmap(_hammer, [(url, headers, seconds, max(1, connections // 2))] * 2)
    latencies = sorted(latency for part, _ in parts for latency in part)
    cuts = statistics.quantiles(latencies, n=100)
    return Load(
        len(latencies) / seconds, cuts[49] * 1000, cuts[98] * 1000, sum(failed for _, failed in parts), len(latencies)
    )


def _hammer(url: str, headers: dict[str, str], seconds: float, connections: int) -> tuple[list[float], int]:
    import selectors

    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        sock = socket.create_connection((parts.hostname or "", parts.port or 80))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sock, selectors.EVENT_READ, [b"", time.perf_counter()])
        sock.sendall(request)
    latencies, failed, ends = [], 0, time.perf_counter() + seconds
    while time.perf_counter() < ends:
        for key, _ in selector.select(0.1):
            state = key.data
            state[0] += key.fileobj.recv(65536)
            head, found, body = state[0].partition(b"\r\n\r\n")
            if not found:
                continue
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(body) < length:
                continue
            now = time.perf_counter()
            latencies.append(now - state[1])
            failed += not head.startswith(b"HTTP/1.1 2")
            state[:] = [b"", now]
            key.fileobj.sendall(request)
    return latencies, failed
