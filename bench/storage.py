"""Measure storage: put, get and ranges beside nginx on the same files and living S3 servers of other makers. See README.md.

python bench/storage.py                                          4 KB and 1 MB, 1 and 16 clients
python bench/storage.py --sizes 4K,1M,1G --clients 1,16          with contents of a gigabyte
python bench/storage.py --engines granian --peers nginx          some servers
python bench/storage.py --peers s3rver --s3rver DIRECTORY        after: npm install --prefix DIRECTORY s3rver
python bench/storage.py --only memory --large 2G                 what the server's memory grows by
"""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from processes import cpu_seconds, free_port, memory_mb, serving, serving_processes
from project import call, make, reactor
from run import table
from storage_client import Target, Work, perform
from storage_peers import moto, nginx, s3rver

UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}
HEAD = ["", "req/s", "MB/s", "p50 ms", "p99 ms", "CPU s / 1,000"]


def size(text: str) -> int:
    """Read a size such as 4K, 1M or 2G."""
    return int(text[:-1]) * UNITS[text[-1].upper()] if text[-1].upper() in UNITS else int(text)


@contextmanager
def ours(root: Path, engine: str, args: argparse.Namespace) -> Iterator[tuple[Target, int]]:
    """Serve Reactor on an engine, with a bucket and a member who may use it."""
    make(root, args.database_url)
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    environ = {
        "REACTOR_SERVER__ENGINE": engine, "REACTOR_SERVER__WORKERS": str(args.workers),
        "REACTOR_SERVER__THREADS": str(args.threads), "REACTOR_STORAGE__MAX_UPLOAD_SIZE": str(8 * UNITS["G"]),
        "REACTOR_LOG": os.environ.get("REACTOR_LOG", "warning"),
    }  # fmt: skip
    command = [reactor(), "up", "--bind", f"127.0.0.1:{port}"]
    with serving(command, port, "/health", cwd=root, environ=environ) as (process, _):
        credentials = {"email": "bench@example.com", "password": "a benchmark's long password"}
        token = call(base, "/auth/v1/signup", credentials)["session"]["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        org = call(base, "/auth/v1/orgs", {"name": "Bench", "slug": "bench"}, headers)
        headers["X-Reactor-Org"] = org.get("org", org)["id"]
        call(base, "/storage/v1/buckets", {"name": "bench"}, headers)
        key = call(base, "/storage/v1/s3-credentials", {"name": "bench"}, headers)
        keys = (key["access_key_id"], key["secret_access_key"])
        target = Target(engine, f"{base}/storage/v1/object/bench", f"{base}/storage/v1/s3", headers, keys)
        yield target, process.pid


class Bench:
    """Runs what was asked for."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args = args
        self.folder = folder
        self.sizes = [size(text) for text in args.sizes.split(",")]
        self.rows: dict[tuple[int, int, str, str], list[list[str]]] = {}

    def servers(self) -> Iterator[tuple[str, Any]]:
        """Return each server's name, and how it is started."""
        for engine in filter(None, self.args.engines.split(",")):
            yield engine, lambda engine=engine: ours(self.folder / engine, engine, self.args)
        for peer in filter(None, self.args.peers.split(",")):
            place = self.folder / peer
            place.mkdir()
            if peer == "nginx":
                yield peer, lambda place=place: nginx(place, self.sizes, self.args.workers)
            elif peer == "s3rver":
                yield peer, lambda place=place: s3rver(place, self.args.s3rver)
            elif peer == "moto":
                yield peer, lambda place=place: moto(place)
            else:
                raise SystemExit(f"there is no peer {peer!r}; known are nginx, s3rver and moto")

    def load(self) -> None:
        """Put, get and range on each server, by each client."""
        for name, start in self.servers():
            with start() as (target, master):
                for client in self.args.by.split(","):
                    if client == "boto3" and target.endpoint is None:
                        continue
                    if client == "plain" and target.endpoint is not None and not target.headers:
                        continue  # it wants signed requests, which boto3 makes
                    for length in self.sizes:
                        self._measure(name, target, master, client, length)
        for (length, clients, verb, client), rows in sorted(self.rows.items()):
            table(f"{verb} of {length:,} bytes, {clients} clients, {client}", HEAD, rows)

    def _measure(self, name: str, target: Target, master: int, client: str, length: int) -> None:
        if target.endpoint is not None:
            seed(target, client, length)
        for verb in self.args.verbs.split(","):
            if target.endpoint is None and verb == "put":
                continue
            for clients in map(int, self.args.clients.split(",")):
                work = Work(verb, client, length, clients, self.args.seconds)
                pids = serving_processes(master)
                before = cpu_seconds(pids)
                found = perform(target, work)
                cpu = (cpu_seconds(pids) - before) / len(found.latencies) * 1000
                row = [
                    name, f"{found.rate:,.1f}", f"{found.moved / found.took / 1e6:,.1f}", f"{found.percentile(50):.2f}",
                    f"{found.percentile(99):.2f}", f"{cpu:.3f}",
                ]  # fmt: skip
                self.rows.setdefault((length, clients, verb, client), []).append(row)
                print(f"{verb} {length} bytes, {clients} clients, {client}: " + "  ".join(row), file=sys.stderr)

    def memory(self) -> None:
        """What an upload and a download of one large content leave in the server's memory."""
        large, rows = size(self.args.large), []
        for name, start in self.servers():
            if name not in self.args.engines.split(","):
                continue
            with start() as (target, master):
                seed(target, "plain", 4096)
                [pid, *_] = serving_processes(master)
                before = memory_mb(pid)[0]
                peaks = []
                for verb in ("put", "get"):
                    Path(f"/proc/{pid}/clear_refs").write_text("5")  # begin the peak anew
                    work = Work(verb, "plain", large, 1, 0)
                    if verb == "get":
                        seed(target, "plain", large)
                    perform(target, work)
                    peaks.append(peak_mb(pid))
                after = memory_mb(pid)[0]
                rows.append(
                    [name, *(f"{value:.0f}" for value in (before, *peaks, after)), f"{max(*peaks, after) - before:.0f}"]
                )
        table(
            f"Resident memory in MB around one put and one get of {large:,} bytes (goal: less than 50 more)",
            ["", "before", "peak of put", "peak of get", "after", "growth"], rows,
        )  # fmt: skip


def peak_mb(pid: int) -> float:
    """Return a process' largest resident size in MB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def seed(target: Target, client: str, length: int) -> None:
    """Store the content that is read."""
    if client == "boto3":
        import boto3

        store = boto3.client(
            "s3", endpoint_url=target.endpoint, region_name="us-east-1", aws_access_key_id=target.keys[0],
            aws_secret_access_key=target.keys[1],
        )  # fmt: skip
        if "bench" not in [one["Name"] for one in store.list_buckets()["Buckets"]]:
            store.create_bucket(Bucket="bench")
        store.put_object(Bucket="bench", Key=str(length), Body=os.urandom(length))
        return
    from urllib.parse import urlsplit

    from storage_client import _Content

    parts = urlsplit(target.base)
    connection = http.client.HTTPConnection(parts.netloc, timeout=600)
    headers = {**target.headers, "Content-Length": str(length)}
    connection.request("PUT", f"{parts.path}/{length}", _Content(length).again(0), headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"storing {length} bytes: {answer.status} {answer.read()!r}")


def main() -> None:
    """Parse options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="load,memory", help="load and memory")
    parser.add_argument("--sizes", default="4K,1M", help="of contents: 4K,1M,1G")
    parser.add_argument("--clients", default="1,16", help="how many at a time")
    parser.add_argument("--verbs", default="put,get,range")
    parser.add_argument("--by", default="plain,boto3", help="which clients")
    parser.add_argument("--engines", default="waitress,granian")
    parser.add_argument("--peers", default="nginx,moto", help="nginx, s3rver and moto")
    parser.add_argument("--s3rver", default="", help="directory in which npm installed s3rver")
    parser.add_argument("--large", default="2G", help="the content of the memory measurement")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--database-url", help="an empty external Postgres instead of the embedded one")
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reactor-bench-")))
        for name in args.only.split(","):
            bench = Bench(args, folder / name)
            bench.folder.mkdir()
            {"load": bench.load, "memory": bench.memory}[name]()


if __name__ == "__main__":
    main()
