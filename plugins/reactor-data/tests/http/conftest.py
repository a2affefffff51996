"""A booted kernel with data and a plugin that believes who a test says it is."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor_kernel.testing import fakes

SCHEMA = """
create table todos (
  id reactor_id primary key default reactor_id(),
  org_id uuid not null default auth.org_id(),
  title text not null,
  n int,
  done boolean not null default false,
  tags text[],
  data jsonb,
  unique (org_id, title)
);
policy todos_of_the_org on todos for select, update, delete using (org_id = auth.org_id());
policy todos_write on todos for insert, update
  using (org_id = auth.org_id())
  check (org_id = auth.org_id() and title is distinct from 'forbidden');

create table closed (id bigint generated always as identity primary key, a text);
create table secrets (id int primary key, a text);
revoke all on secrets from reactor_authenticated, reactor_anon;
create table canary (id int primary key) with (rls = false);
insert into canary select generate_series(1, 3);
revoke insert, update, delete on canary from reactor_authenticated, reactor_anon;
create table facts (id int primary key, org_id uuid, what text, unique (what)) with (rls = false);
create view titles as select title, n from todos;
"""


class Member(fakes.Member):
    """A user in an organisation, with an HTTP client."""

    def __init__(self, client: Any) -> None:
        super().__init__(client, "/data/v1")

    def insert(self, *rows: dict[str, Any], table: str = "todos") -> list[dict[str, Any]]:
        answer = self.call("POST", table, body=list(rows), Prefer="return=representation")
        assert answer.status_code == 201, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "served"
    (root / "migrations").mkdir(parents=True)
    (root / "migrations" / "001_schema.sql").write_text(SCHEMA, encoding="utf-8")
    return root


@pytest.fixture
def boot(kernel_factory: Any, project: Path) -> Callable[..., Any]:
    from reactor_data.plugin import DataPlugin

    def make(*, _database: dict[str, Any] | None = None, _url: str | None = None, **config: Any) -> Any:
        sections = {"data": config} if _database is None else {"data": config, "database": _database}
        auth = fakes.TrustingAuth.named("auth")
        return kernel_factory(auth, DataPlugin, config=sections, root=project, database_url=_url)

    return make


@pytest.fixture
def kernel(boot: Callable[..., Any]) -> Any:
    return boot()


@pytest.fixture
def rows(kernel: Any) -> Callable[[str], list[tuple[str | None, ...]]]:
    from reactor_kernel.api import Statement

    def run(sql: str) -> list[tuple[str | None, ...]]:
        (result,) = kernel.database.run(None, [Statement(sql)])
        return [tuple(None if value is None else value.decode() for value in row) for row in result.rows]

    return run


@pytest.fixture
def two_orgs(client: Any) -> tuple[Member, Member]:
    return Member(client), Member(client)


@pytest.fixture
def ann(two_orgs: tuple[Member, Member]) -> Member:
    return two_orgs[0]


@pytest.fixture
def wire(boot: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Boot with other configuration: `wire(max_limit=2)` returns a client."""
    import httpx

    opened: list[Any] = []

    def make(**config: Any) -> Any:
        transport = httpx.WSGITransport(app=boot(**config).app, raise_app_exceptions=True, remote_addr="127.0.0.1")
        opened.append(httpx.Client(transport=transport, base_url="http://reactor.test"))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


_HERE = Path(__file__).parent
# The other organisation's twin of a row of the record shop: added to its ids, and put before its texts.
_OTHER_IDS, _OTHER = 50_000, "theirs"
_TEXTS = ("name", "title", "codec", "city")


def _twin(row: dict[str, Any]) -> dict[str, Any]:
    twin = dict(row)
    for key, value in row.items():
        if value is not None and (key == "id" or key.endswith("_id")):
            twin[key] = value + _OTHER_IDS
        elif value is not None and key in _TEXTS:
            twin[key] = f"{_OTHER} {value}"
    return twin


@pytest.fixture
def shop_project(tmp_path: Path) -> Path:
    """A project with the tables of the record shop, for modules whose `project` it is."""
    root = tmp_path / "served"
    (root / "migrations").mkdir(parents=True)
    shutil.copy(_HERE / "music.sql", root / "migrations" / "001_music.sql")
    return root


@pytest.fixture
def stock() -> Callable[[Member, Member], Member]:
    """Fill the record shop with rows of the first member and twins of them of the second; return the first."""

    def fill(ann: Member, bob: Member) -> Member:
        for table, rows in json.loads((_HERE / "music.json").read_text(encoding="utf-8")).items():
            ann.insert(*rows, table=table)
            bob.insert(*map(_twin, rows), table=table)
        return ann

    return fill


@pytest.fixture
def shop(stock: Callable[[Member, Member], Member], two_orgs: tuple[Member, Member]) -> Member:
    """Ann, beside whose rows of the record shop are those of another organisation."""
    return stock(*two_orgs)


@pytest.fixture
def theirs() -> Callable[[str], bool]:
    """Tell whether an answer has anything of the other organisation."""
    return lambda text: _OTHER in text or re.search(r"\b5[01]\d{3}\b", text) is not None


class Served:
    """A kernel of a test's own: two members in different organisations, and the database as its owner sees it."""

    def __init__(self, kernel: Any, client: Any) -> None:
        self.kernel = kernel
        self.client = client
        self.ann, self.bob = Member(client), Member(client)

    def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        from reactor_kernel.api import Statement

        (result,) = self.kernel.database.run(None, [Statement(sql)])
        return [tuple(None if value is None else value.decode() for value in row) for row in result.rows]


@pytest.fixture
def served(boot: Callable[..., Any], project: Path) -> Iterator[Callable[..., Served]]:
    """Boot with another migration and configuration: `served("create table …", max_limit=2)`."""
    import httpx

    opened: list[Any] = []

    def make(migration: str = "", **config: Any) -> Served:
        (project / "migrations" / "002_own.sql").write_text(migration, encoding="utf-8")
        kernel = boot(**config)
        transport = httpx.WSGITransport(app=kernel.app, raise_app_exceptions=True, remote_addr="127.0.0.1")
        opened.append(httpx.Client(transport=transport, base_url="http://reactor.test"))
        return Served(kernel, opened[-1])

    yield make
    for one in opened:
        one.close()
