"""Clients of an object store, in processes of their own: plain HTTP on keep-alive connections, or boto3."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PIECE = 256 * 1024
# As many processes as make the load at most; further clients are threads in them.
PROCESSES = 2
Operation = Callable[[int], int]


@dataclass(frozen=True)
class Target:
    """A server as its clients see it. `base` is what a key is appended to, `endpoint` what boto3 is told."""

    name: str
    base: str
    endpoint: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, str] = ("bench", "bench")


@dataclass(frozen=True)
class Work:
    """What clients do: `verb` is put, get or range, on contents of `size` bytes, by `client` plain or boto3."""

    verb: str
    client: str
    size: int
    clients: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What came of it. Latencies in seconds, sorted."""

    latencies: list[float]
    moved: int
    took: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.took

    def percentile(self, percent: int) -> float:
        """A latency in milliseconds."""
        if len(self.latencies) < 2:
            return self.latencies[0] * 1000
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1] * 1000


def perform(target: Target, work: Work) -> Outcome:
    """Let clients work for a while; each finishes the request that it is at. Every answer must be a success."""
    processes = min(PROCESSES, work.clients)
    shares = [work.clients // processes + (number < work.clients % processes) for number in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        first = sum(shares[:1])
        parts = pool.starmap(_share, [(target, work, count, number * first) for number, count in enumerate(shares)])
    latencies = sorted(latency for part in parts for latency in part[0])
    return Outcome(latencies, sum(part[1] for part in parts), max(part[2] for part in parts))


def _share(target: Target, work: Work, count: int, first: int) -> tuple[list[float], int, float]:
    latencies: list[float] = []
    moved: list[int] = []
    problems: list[BaseException] = []
    operations = [_operation(target, work, first + number) for number in range(count)]
    began = time.perf_counter()

    def client(operation: Operation) -> None:
        turn = 0
        try:
            while turn == 0 or time.perf_counter() - began < work.seconds:
                start = time.perf_counter()
                moved.append(operation(turn))
                latencies.append(time.perf_counter() - start)
                turn += 1
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=client, args=(operation,)) for operation in operations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return latencies, sum(moved), time.perf_counter() - began


def _operation(target: Target, work: Work, number: int) -> Operation:
    """Make one client's request; it is told the turn and returns how many bytes it moved."""
    if work.client == "boto3":
        return _by_boto3(target, work, number)
    connection = http.client.HTTPConnection(urlsplit(target.base).netloc, timeout=600)
    path = urlsplit(target.base).path
    # One key for each client and turn, so that writers do not wait for each other.
    if work.verb == "put":
        body = _Content(work.size)

        def put(turn: int) -> int:
            headers = {**target.headers, "Content-Length": str(work.size), "Content-Type": "application/octet-stream"}
            connection.request("PUT", f"{path}/{work.size}/{number}/{turn % 50}", body.again(turn), headers)
            return _finish(connection.getresponse(), work.size)

        return put
    wanted, headers = _wanted(work)

    def get(turn: int) -> int:
        connection.request("GET", f"{path}/{work.size}", headers={**target.headers, **headers})
        return _finish(connection.getresponse(), wanted, body=True)

    return get


def _wanted(work: Work) -> tuple[int, dict[str, str]]:
    """Return how many bytes a read asks for, and the header that says so."""
    if work.verb == "get":
        return work.size, {}
    start, length = work.size // 2, max(1, min(work.size // 4, 64 * 1024))
    return length, {"Range": f"bytes={start}-{start + length - 1}"}


def _finish(answer: http.client.HTTPResponse, moved: int, *, body: bool = False) -> int:
    received, buffer = 0, bytearray(PIECE)
    while count := answer.readinto(buffer):
        received += count
    if answer.status not in (200, 201, 204, 206) or (body and received != moved):
        raise AssertionError(f"{answer.status} after {received} of {moved} bytes: {bytes(buffer[:300])!r}")
    return moved


class _Content:
    """A content of a size that is made while it is sent; another one each turn."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._piece = os.urandom(min(PIECE, max(size, 1)))

    def again(self, turn: int) -> _Content:
        self._left, self._mark = self._size, turn.to_bytes(8, "big") + os.urandom(8)
        return self

    def read(self, most: int = -1) -> bytes:
        """Be the file that http.client reads."""
        length = min(self._left, len(self._piece))
        self._left -= length
        return (self._mark + self._piece)[:length]


def _by_boto3(target: Target, work: Work, number: int) -> Operation:
    import boto3
    from botocore.config import Config

    id, secret = target.keys
    config = Config(
        s3={"addressing_style": "path"}, request_checksum_calculation="when_required", retries={"max_attempts": 1}
    )
    client = boto3.session.Session().client(
        "s3", endpoint_url=target.endpoint, region_name="us-east-1", aws_access_key_id=id, aws_secret_access_key=secret,
        config=config,
    )  # fmt: skip
    if work.verb == "put":
        piece = os.urandom(work.size)

        def put(turn: int) -> int:
            content = (turn.to_bytes(8, "big") + os.urandom(8) + piece)[: work.size]
            client.put_object(Bucket="bench", Key=f"{work.size}/{number}/{turn % 50}", Body=content)
            return work.size

        return put
    wanted, headers = _wanted(work)

    def get(turn: int) -> int:
        body = client.get_object(Bucket="bench", Key=str(work.size), **headers)["Body"]
        received = sum(len(chunk) for chunk in body.iter_chunks(PIECE))
        if received != wanted:
            raise AssertionError(f"{received} of {wanted} bytes came")
        return received

    return get
