"""Measure data: five shapes of requests on a table of a million rows under row-level security. See README.md.

python bench/data.py                                     all shapes, waitress and granian, one and two workers
python bench/data.py --shapes key,insert --engines granian --workers 2
python bench/data.py --rows 100000                       a smaller table
python bench/data.py --postgraphile FOLDER               beside PostGraphile, installed in a folder
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load import Load, put_load
from peer import Peer, pgbench, run_peer
from postgraphile import answer, documents, serving_postgraphile
from processes import HERE, cpu_seconds, free_port, serving, serving_processes
from project import Reader, call, make
from run import table

MIGRATION = """
create table artists (id int primary key, org_id uuid not null, name text not null);
create table albums (id int primary key, org_id uuid not null, artist_id int not null references artists, title text not null);
create table genres (id int primary key, name text not null);
create table tracks (
  id int primary key, org_id uuid not null, album_id int not null references albums, genre_id int not null references genres,
  name text not null, seconds int not null, price numeric(6,2) not null
);
create table plays (
  id bigint generated always as identity primary key, org_id uuid not null default auth.org_id(),
  track_id int not null, at timestamptz not null default now(), device text
);
create index on albums (artist_id);
create index on tracks (album_id);
policy artists_of_the_org on artists for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
policy albums_of_the_org on albums for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
policy tracks_of_the_org on tracks for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
policy plays_of_the_org on plays for all using (org_id = auth.org_id()) check (org_id = auth.org_id());
policy genres_of_all on genres for select using (true);
"""
# Ten organisations own the rows in turn, so that a policy that is not a filter of an index would be seen.
FILL = """
insert into genres select g, 'genre ' || g from generate_series(1, 25) g;
insert into artists select a, ({orgs})[1 + a % 10], 'artist ' || a from generate_series(1, {artists}) a;
insert into albums select b, ({orgs})[1 + (1 + b % {artists}) % 10], 1 + b % {artists}, 'album ' || b
  from generate_series(1, {albums}) b;
insert into tracks select t, b.org_id, b.id, 1 + t % 25, 'track ' || t, 60 + t % 400, (t % 300) / 100.0
  from generate_series(1, {rows}) t join albums b on b.id = 1 + t % {albums};
analyze artists, albums, tracks, genres;
"""


@dataclass(frozen=True)
class Shape:
    """One kind of request. `body` is sent by POST; without one it is a GET."""

    name: str
    path: str
    body: object | None = None

    def headers(self, reader: Reader) -> dict[str, str]:
        """Return what is sent with it."""
        sent = {"Content-Type": "application/json", "Prefer": "return=minimal"} if self.body is not None else {}
        return {**reader.headers, **sent}


def shapes(album: int, track: int) -> list[Shape]:
    """Return the five shapes, on things that the reader's organisation owns."""
    play = {"track_id": track, "device": "bench"}
    return [
        Shape("key", f"/data/v1/tracks?id=eq.{track}"),
        Shape(
            "filtered", f"/data/v1/tracks?select=id,name,seconds&seconds=gt.60&album_id=lte.{album}&order=id&limit=20"
        ),
        Shape("embeds", f"/data/v1/tracks?select=id,name,albums(title,artists(name)),genres(name)&id=eq.{track}"),
        Shape("insert", "/data/v1/plays", play),
        Shape("bulk", "/data/v1/plays", [play] * 100),
    ]


class Bench:
    """Runs what was asked for and keeps the rows of the table."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args = args
        self.root = folder / "project"
        self.rows: list[list[str]] = []
        self.documents: dict[str, dict[str, str]] = {}

    def prepare(self) -> tuple[Reader, list[Shape], str]:
        """Make the project with its rows; return a reader, the shapes and the database's URL."""
        make(self.root, self.args.database_url)
        (self.root / "migrations" / "002_tracks.sql").write_text(MIGRATION)
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        command = [sys.executable, str(HERE / "serve_reactor.py"), str(self.root), str(port), "waitress", "1", "4"]
        with serving(command, port, "/health", cwd=self.root):
            token, orgs = _organisations(base)
            dsn = self.dsn()
            _fill(dsn, orgs, self.args.rows)
            reader = Reader({"Authorization": f"Bearer {token}", "X-Reactor-Org": orgs[0]})
            [first, *_] = json.loads(
                json.dumps(call(base, "/data/v1/tracks?select=id,album_id&limit=1", headers=reader.headers))
            )
        self.documents = documents(first["album_id"], first["id"])
        return reader, shapes(first["album_id"], first["id"]), dsn

    def dsn(self) -> str:
        """Return the URL of the database."""
        if self.args.database_url is not None:
            return str(self.args.database_url)
        from reactor_kernel.embedded.postgres import EmbeddedPostgres

        return str(EmbeddedPostgres(self.root).status().dsn)

    def record(self, shape: Shape, reader: Reader) -> Path:
        """Record what a request of a shape sends to Postgres, with a server of its own."""
        recorded, port = self.root / f"{shape.name}.json", free_port()
        base = f"http://127.0.0.1:{port}"
        command = [sys.executable, str(HERE / "serve_reactor.py"), str(self.root), str(port), "waitress", "1", "4"]
        marks = {"BENCH_RECORD": str(recorded), "BENCH_RECORD_MARK": "plays" if shape.body is not None else "tracks"}
        with serving(command, port, "/health", cwd=self.root, environ=marks):
            call(base, shape.path, shape.body, shape.headers(reader))
        recorded.write_text(json.dumps([_repeatable(command) for command in json.loads(recorded.read_text())]))
        return recorded

    def run(self) -> None:
        """Measure every shape on every engine and number of workers, its peers right after it."""
        reader, found, dsn = self.prepare()
        for shape in found:
            if shape.name not in self.args.shapes:
                continue
            recorded = self.record(shape, reader)
            for engine in self.args.engines.split(","):
                for workers in map(int, self.args.workers.split(",")):
                    self.compare(shape, reader, recorded, dsn, engine, workers)
        head = [
            "shape",
            "engine x workers",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "CPU s per 1,000",
            "of bare (by CPU)",
            "of pgbench",
        ]
        table(f"Five shapes on {self.args.rows:,} rows under row-level security", head, self.rows)

    def row(self, shape: Shape, where: str, ours: Load, bare: Load, peer: Peer | None) -> None:
        """Keep a line for ours and one for the bare route."""
        for name, load in ((shape.name, ours), ("  bare Falcon", bare)):
            share = f"{load.rate / bare.rate:.2f} ({bare.cpu_us / load.cpu_us:.2f})"
            ratio = "no pgbench" if peer is None else f"{load.rate / peer.rate:.2f}"
            self.rows.append(
                [
                    name,
                    where,
                    f"{load.rate:,.0f}",
                    f"{load.p50_ms:.2f}",
                    f"{load.p99_ms:.2f}",
                    f"{load.cpu_us / 1000:.2f}",
                    share,
                    ratio,
                ]
            )
        if peer is not None:
            self.rows.append(
                [
                    "  pgbench",
                    f"{peer.clients} clients",
                    f"{peer.rate:,.0f}",
                    f"{peer.average_ms:.2f} avg",
                    "-",
                    "-",
                    "-",
                    "1.00",
                ]
            )

    def compare(self, shape: Shape, reader: Reader, recorded: Path, dsn: str, engine: str, workers: int) -> None:
        """Measure Reactor, then its peers beside it while it idles: the embedded Postgres lives as long as it does."""
        port = free_port()
        command = [sys.executable, str(HERE / "serve_reactor.py"), str(self.root), str(port), engine, str(workers)]
        with serving([*command, str(self.args.threads)], port, "/health", cwd=self.root) as (process, _):
            ours = self.load(process.pid, f"http://127.0.0.1:{port}{shape.path}", shape.headers(reader), shape.body)
            bare = self.bare(recorded, dsn, engine, workers)
            self.row(shape, f"{engine} x {workers}", ours, bare, self.peer(dsn, recorded))
            if self.args.postgraphile is not None and engine == self.args.engines.split(",")[-1]:
                self.postgraphile(shape, recorded, dsn, workers, ours)

    def postgraphile(self, shape: Shape, recorded: Path, dsn: str, workers: int, ours: Load) -> None:
        """Measure PostGraphile on the same database, once for each number of workers."""
        document = self.documents[shape.name]
        with serving_postgraphile(self.args.postgraphile, dsn, workers, recorded) as (pid, url):
            answer(url, document)
            load = self.load(pid, url, {"Content-Type": "application/json"}, document, strict=False)
        self.rows.append(
            [
                "  PostGraphile",
                f"node x {workers}",
                f"{load.rate:,.0f}",
                f"{load.p50_ms:.2f}",
                f"{load.p99_ms:.2f}",
                f"{load.cpu_us / 1000:.2f}",
                f"we {ours.rate / load.rate:.2f}",
                f"{load.failed} failed" if load.failed else "-",
            ]
        )

    def bare(self, recorded: Path, dsn: str, engine: str, workers: int) -> Load:
        """Measure the recorded statements behind a bare Falcon route on the same engine."""
        port = free_port()
        command = [sys.executable, str(HERE / "serve_bare.py"), str(port), engine, str(workers), str(self.args.threads)]
        environ = {"BENCH_STATEMENTS": str(recorded), "BENCH_DSN": dsn}
        with serving(command, port, "/noop/v1/noop", environ=environ) as (process, _):
            return self.load(process.pid, f"http://127.0.0.1:{port}/read/v1/read", {}, None)

    def peer(self, dsn: str, recorded: Path) -> Peer | None:
        """Let pgbench run the recorded statements with 8 and 16 clients; the better counts."""
        if pgbench() is None:
            return None
        seconds = max(1, round(self.args.seconds / 2))
        return max(
            (run_peer(dsn, recorded, self.root, seconds=seconds, clients=clients) for clients in (8, 16)),
            key=lambda run: run.rate,
        )

    def load(
        self, master: int, url: str, headers: Mapping[str, str], body: object | None, *, strict: bool = True
    ) -> Load:
        """Put load on a URL, after a second of warming up, and weigh the processor time of the serving processes.

        A peer may fail (not `strict`): wrk gives an answer two seconds, which is how a peer that is too slow is seen.
        """
        content = None if body is None else json.dumps(body)
        put_load(url, headers=headers, seconds=1, connections=self.args.connections, body=content)
        pids = serving_processes(master)
        before = cpu_seconds(pids)
        found = put_load(
            url, headers=headers, seconds=self.args.seconds, connections=self.args.connections, body=content
        )
        spent = cpu_seconds(pids) - before
        if found.failed and strict:
            sys.exit(f"{found.failed} answers of {url} were no 2xx")
        if not found.requests:
            sys.exit(f"{url} answered nothing within {self.args.seconds:g} s; give it more with --seconds")
        return Load(found.rate, found.p50_ms, found.p99_ms, found.failed, found.requests, spent / found.requests * 1e6)


def _repeatable(command: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded command that can be run again: an audit entry's id is new each time, and its values stand in the text."""
    if "audit_events" not in command["sql"]:
        return command
    values = ["gen_random_uuid()", *(_literal(value) for value in command["params"][1:])]
    sql = re.sub(r"\$(\d+)", lambda found: values[int(found.group(1)) - 1], command["sql"])
    return {"sql": sql, "params": []}


def _literal(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


def _organisations(base: str) -> tuple[str, list[str]]:
    credentials = {"email": "bench@example.com", "password": "a benchmark's long password"}
    token = call(base, "/auth/v1/signup", credentials)["session"]["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    made = [
        call(base, "/auth/v1/orgs", {"name": f"Bench {number}", "slug": f"bench-{number}"}, headers)
        for number in range(10)
    ]
    return token, [one.get("org", one)["id"] for one in made]


def _fill(dsn: str, orgs: list[str], rows: int) -> None:
    import psycopg

    listed = "array[" + ", ".join(f"'{org}'" for org in orgs) + "]::uuid[]"
    albums = max(rows // 12, 10)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(FILL.format(orgs=listed, rows=rows, albums=albums, artists=max(albums // 4, 10)))  # type: ignore[arg-type]


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="key,filtered,embeds,insert,bulk", type=lambda text: text.split(","))
    parser.add_argument("--engines", default="waitress,granian")
    parser.add_argument("--workers", default="1,2", help="numbers of worker processes")
    parser.add_argument("--threads", type=int, default=8, help="threads per worker")
    parser.add_argument("--connections", type=int, default=16, help="connections that make load")
    parser.add_argument("--seconds", type=float, default=5, help="length of each measurement")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table of tracks")
    parser.add_argument("--postgraphile", type=Path, help="folder with PostGraphile's packages; see README.md")
    parser.add_argument(
        "--database-url", default=None, help="an external Postgres, empty; the embedded one where absent"
    )
    args = parser.parse_args()
    os.environ.setdefault("REACTOR_DATA__REALTIME", "false")
    with tempfile.TemporaryDirectory(prefix="reactor-bench-") as folder:
        Bench(args, Path(folder)).run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
