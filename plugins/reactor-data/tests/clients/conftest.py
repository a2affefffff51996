"""A served library for the official clients: people who sign in with a token, and rows that begin the same in every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ANN, ORG = "00000000-0000-7000-8000-0000000000a1", "00000000-0000-7000-8000-00000000000a"
BOB, OTHER = "00000000-0000-7000-8000-0000000000b1", "00000000-0000-7000-8000-00000000000b"
SCHEMA = f"""
create table authors (
  id int primary key, org_id uuid not null default auth.org_id(), name text not null, country text, tags text[], data jsonb);
create table books (
  id int primary key, org_id uuid not null default auth.org_id(), author_id int references authors, title text not null unique,
  year int, price numeric(6, 2), lent boolean, sold int4range, about text not null default 'nothing');
policy authors_of_the_org on authors for select, insert, update, delete using (org_id = auth.org_id());
policy books_of_the_org on books for select, insert, update, delete using (org_id = auth.org_id());
create function add_them(a int, b int) returns int language sql immutable as $$ select a + b $$;
create function books_since(since int) returns setof books language sql stable as $$ select * from books where year >= since $$;
create function touch() returns void language sql as $$ select $$;
create schema annex;
create table annex.notes (id int primary key, body text) with (rls = false);
insert into annex.notes values (1, 'other schema');
insert into authors (id, org_id, name, country, tags, data) values
  (1, '{ORG}', 'Ursula', 'US', '{{sf,"two words"}}', '{{"a": {{"b": 1}}}}'), (2, '{ORG}', 'Stanislaw', 'PL', '{{sf}}', '{{"a": 2}}'),
  (3, '{ORG}', 'Nobody', null, null, null), (9, '{OTHER}', 'Hidden', 'XX', null, null);
insert into books (id, org_id, author_id, title, year, price, lent, sold, about) values
  (1, '{ORG}', 1, 'The Dispossessed', 1974, 9.50, true, '[10,20)', 'two moons and a wall'),
  (2, '{ORG}', 1, 'Lathe of Heaven', 1971, 7.00, false, '[1,5)', 'dreams that come true'),
  (3, '{ORG}', 2, 'Solaris', 1961, 8.25, null, '[20,30)', 'an ocean that thinks'),
  (4, '{ORG}', 2, 'Fiasco, or "not"', 1986, null, false, null, 'a failed visit'),
  (9, '{OTHER}', 9, 'Secret', 2000, 1.00, null, null, 'hidden');
"""


def identities() -> Any:
    """Make a plugin that knows ann and bob by their tokens."""
    from reactor_kernel.api import DbRole, Identity, IdentityKind
    from reactor_kernel.testing import fake_identities

    def user(user_id: str, org_id: str) -> Identity:
        return Identity(
            kind=IdentityKind.USER,
            subject=f"user_{user_id}",
            db_role=DbRole.AUTHENTICATED,
            user_id=user_id,
            org_id=org_id,
        )

    return fake_identities({"ann": user(ANN, ORG), "bob": user(BOB, OTHER)}, plugin="auth")


@pytest.fixture
def kernel(kernel_factory: Callable[..., Any], tmp_path: Path) -> Any:
    from reactor_data.plugin import DataPlugin

    root = tmp_path / "served"
    (root / "migrations").mkdir(parents=True)
    (root / "migrations" / "001_library.sql").write_text(SCHEMA, encoding="utf-8")
    config = {"data": {"user_schema": "public, annex", "aggregates_enabled": True, "plan_enabled": True}}
    return kernel_factory(identities(), DataPlugin, config=config, root=root)


@pytest.fixture
def base(live_server: Any) -> str:
    """The base URL that a client is given."""
    return f"{live_server.url}/data/v1"
