"""Measure Reactor beside its peers and print tables. See README.md.

python bench/run.py                      everything
python bench/run.py --only boot,bare     some scenarios
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from load import Load, generator, put_load
from peer import Peer, pgbench, run_peer
from processes import HERE, cpu_seconds, free_port, memory_mb, serving, serving_processes
from project import READ, Reader, call, fill, make, reactor

SCENARIOS = ("version", "boot", "bare", "kernel", "read")
NOOP = "/noop/v1/noop"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print one table."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = zip(cells, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)])

    print(f"\n{title}\n{line(head)}\n{'  '.join('-' * width for width in widths)}")
    for row in rows:
        print(line(row))


def measured(name: str, load: Load, *more: str) -> list[str]:
    """One row of a load table."""
    failed = f" ({load.failed} failed)" if load.failed else ""
    return [name, f"{load.rate:,.0f}{failed}", f"{load.p50_ms:.2f}", f"{load.p99_ms:.2f}", f"{load.cpu_us:.0f}", *more]


class Bench:
    """One run of the scenarios that were asked for."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args = args
        self.folder = folder
        self.engines: list[str] = args.engines.split(",")
        self.sizes = [int(size) for size in args.workers.split(",")]
        self.bare: dict[tuple[str, int], Load] = {}

    def load(self, master: int, url: str, headers: dict[str, str] | None = None) -> Load:
        """Warm a URL up, then measure it and what its server's processes spend."""
        put_load(url, headers=headers, seconds=1, connections=self.args.connections)
        pids = serving_processes(master)
        before = cpu_seconds(pids)
        load = put_load(url, headers=headers, seconds=self.args.seconds, connections=self.args.connections)
        return dataclasses.replace(load, cpu_us=(cpu_seconds(pids) - before) / load.requests * 1e6)

    # -- scenarios --------------------------------------------------------------------------------------------------

    def version(self) -> None:
        """`reactor --version`, whole processes."""
        took = []
        for _ in range(10):
            began = time.perf_counter()
            subprocess.run([reactor(), "--version"], check=True, capture_output=True)
            took.append(time.perf_counter() - began)
        table(
            "reactor --version (10 runs)",
            ["", "median", "worst", "budget"],
            [["seconds", f"{statistics.median(took):.3f}", f"{max(took):.3f}", "0.100"]],
        )

    def boot(self) -> None:
        """The tool's own start: process begin to first 200 on /health."""
        root = self.folder / "boot"
        make(root, self.args.database_url)
        port = free_port()
        command = [reactor(), "serve", "--bind", f"127.0.0.1:{port}"]
        took = []
        for _ in range(1 + self.args.boots):
            with serving(command, port, "/health", cwd=root) as (process, seconds):
                took.append(seconds)
                time.sleep(1)
                rss, pss = memory_mb(process.pid)
        cold, warm = took[0], took[1:]
        table(
            "Boot to the first 200 on /health (auth and data enabled; seconds)",
            ["", "measured", "budget"],
            [
                ["cold: no database cluster yet", f"{cold:.2f}", "3.00"],
                [f"warm: median of {len(warm)}", f"{statistics.median(warm):.2f}", "1.00"],
                ["warm: worst", f"{max(warm):.2f}", ""],
            ],
        )
        table(
            "Idle memory after boot, one process (MB)", ["", "RSS", "PSS"], [["waitress", f"{rss:.0f}", f"{pss:.0f}"]]
        )

    def bare_falcon(self) -> None:
        """Falcon alone on both engines."""
        rows = []
        for engine in self.engines:
            for size in self.sizes:
                port = free_port()
                command = [
                    sys.executable,
                    str(HERE / "serve_bare.py"),
                    str(port),
                    engine,
                    str(size),
                    str(self.args.threads),
                ]
                with serving(command, port, NOOP) as (process, _):
                    self.bare[engine, size] = self.load(process.pid, f"http://127.0.0.1:{port}{NOOP}")
                rows.append(measured(f"{engine} x {size}", self.bare[engine, size]))
        table("Bare Falcon, no-op route", ["engine x workers", "requests/s", "p50 ms", "p99 ms", "CPU µs"], rows)

    def reactor(self, *, kernel: bool, read: bool) -> None:
        """Reactor's /health, a PUBLIC route that touches nothing, and a read of 20 rows under RLS."""
        root = self.folder / "load"
        make(root, self.args.database_url)
        with (root / "Reactor.toml").open("a") as file:
            file.write("\n[noop]\n")
        recorded = root / "read.json"
        reader = self.prepare(root, recorded) if read else None
        routes: list[list[str]] = []
        memory: list[list[str]] = []
        reads: list[list[str]] = []
        peers: list[Peer] = []
        for engine in self.engines:
            for size in self.sizes:
                port, name = free_port(), f"{engine} x {size}"
                base = f"http://127.0.0.1:{port}"
                command = [sys.executable, str(HERE / "serve_reactor.py"), str(root), str(port), engine, str(size)]
                with serving([*command, str(self.args.threads)], port, "/health", cwd=root) as (
                    process,
                    _,
                ):
                    time.sleep(1)
                    idle = [memory_mb(pid) for pid in serving_processes(process.pid)]
                    memory.append([name, *(f"{statistics.mean(part):.0f}" for part in zip(*idle, strict=True))])
                    if kernel:
                        for path in ("/health", NOOP):
                            load = self.load(process.pid, base + path)
                            ratio = "-"
                            if path == NOOP and (bare := self.bare.get((engine, size))) is not None:
                                ratio = f"{load.rate / bare.rate:.2f} ({bare.cpu_us / load.cpu_us:.2f})"
                            routes.append(measured(f"{path} on {name}", load, ratio))
                    if reader is not None:
                        load = self.load(process.pid, base + READ, reader.headers)
                        # Beside each of ours, because a machine with other work changes its speed by the minute.
                        bare = self.bare_read(root, recorded, engine, size)
                        ratios = ["no pgbench", "no pgbench"]
                        if (peer := self.peer(root, recorded)) is not None:
                            peers.append(peer)
                            ratios = [f"{one.rate / peer.rate:.2f}" for one in (load, bare)]
                        share = f"{load.rate / bare.rate:.2f} ({bare.cpu_us / load.cpu_us:.2f})"
                        reads.append(measured(name, load, share, ratios[0]))
                        reads.append(measured(f"  bare Falcon, {name}", bare, "1.00", ratios[1]))
        table("Idle memory per worker (MB, mean)", ["engine x workers", "RSS", "PSS"], memory)
        if kernel:
            head = ["route on engine x workers", "requests/s", "p50 ms", "p99 ms", "CPU µs", "of bare Falcon (by CPU)"]
            table("Reactor without the database", head, routes)
        if read:
            for peer in peers:
                name = f"pgbench, {peer.clients} clients"
                reads.append([name, f"{peer.rate:,.0f}", f"{peer.average_ms:.2f} avg", "-", "-", "-", "1.00"])
            head = ["engine x workers", "requests/s", "p50 ms", "p99 ms", "CPU µs", "of bare (by CPU)", "of pgbench"]
            table(f"Read of 20 of {self.args.rows} rows under RLS, token checked ({READ})", head, reads)

    def prepare(self, root: Path, recorded: Path) -> Reader:
        """Fill the table and record what one read sends to Postgres, with a server of its own: recording costs time."""
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        command = [sys.executable, str(HERE / "serve_reactor.py"), str(root), str(port), "waitress", "1", "4"]
        with serving(command, port, "/health", cwd=root, environ={"BENCH_RECORD": str(recorded)}):
            reader = fill(base, self.args.rows)
            call(base, READ, headers=reader.headers)
        return reader

    def bare_read(self, root: Path, recorded: Path, engine: str, size: int) -> Load:
        """Measure the recorded statements behind a bare Falcon route on the same engine: what of a read is not Reactor's."""
        port = free_port()
        command = [sys.executable, str(HERE / "serve_bare.py"), str(port), engine, str(size), str(self.args.threads)]
        environ = {"BENCH_STATEMENTS": str(recorded), "BENCH_DSN": self.dsn(root)}
        with serving(command, port, NOOP, environ=environ) as (process, _):
            return self.load(process.pid, f"http://127.0.0.1:{port}/read/v1/read")

    def dsn(self, root: Path) -> str:
        """Return the URL of the database that is measured."""
        if self.args.database_url is not None:
            return str(self.args.database_url)
        from reactor_kernel.embedded.postgres import EmbeddedPostgres

        return str(EmbeddedPostgres(root).status().dsn)

    def peer(self, root: Path, recorded: Path) -> Peer | None:
        """Let pgbench run the recorded statements with 8 and 16 clients; the better counts."""
        if pgbench() is None:
            return None
        runs = [
            run_peer(self.dsn(root), recorded, root, seconds=math.ceil(self.args.seconds / 2), clients=clients)
            for clients in (8, 16)
        ]
        return max(runs, key=lambda run: run.rate)


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SCENARIOS), help=f"scenarios, of {', '.join(SCENARIOS)}")
    parser.add_argument("--engines", default="waitress,granian")
    parser.add_argument("--workers", default="1,2", help="numbers of worker processes")
    parser.add_argument("--threads", type=int, default=8, help="threads per worker")
    parser.add_argument("--connections", type=int, default=16, help="connections that make load")
    parser.add_argument("--seconds", type=float, default=5, help="length of each measurement")
    parser.add_argument("--boots", type=int, default=5, help="warm boots")
    parser.add_argument("--rows", type=int, default=1000, help="rows per organisation; there are ten")
    parser.add_argument("--database-url", help="an external Postgres, empty; the embedded one where absent")
    args = parser.parse_args()
    wanted = args.only.split(",")
    if unknown := sorted(set(wanted) - set(SCENARIOS)):
        parser.error(f"unknown scenario {', '.join(unknown)}; known are {', '.join(SCENARIOS)}")
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}, "
        f"load by {generator()} with {args.connections} connections on the same machine"
    )
    with tempfile.TemporaryDirectory(prefix="reactor-bench-") as folder:
        bench = Bench(args, Path(folder))
        if "version" in wanted:
            bench.version()
        if "boot" in wanted:
            bench.boot()
        if "bare" in wanted:
            bench.bare_falcon()
        if "kernel" in wanted or "read" in wanted:
            bench.reactor(kernel="kernel" in wanted, read="read" in wanted)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
