"""Migrations of a database that holds something."""

from __future__ import annotations

import importlib

import pytest
import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.pool import NullPool

from reactor_auth.plugin import AuthPlugin
from reactor_storage.plugin import StoragePlugin

from .conftest import SECRET

ORG = "019213f5-0000-7000-8000-000000000001"
ANN = "019213f5-0000-7000-8000-00000000000a"
OBJECT = "019213f5-0000-7000-8000-0000000000b1"
AUTH = {"data_key": "A" * 43 + "=", "public_url": "http://127.0.0.1:8000"}
BEFORE = f"""
insert into storage.buckets (id, name, org_id, versioning) values
  (gen_random_uuid(), 'kept', '{ORG}', true), (gen_random_uuid(), 'plain', '{ORG}', false);
insert into _reactor_storage.blobs values ('l', 5, 'x');
insert into _reactor_storage.versions (id, org_id, bucket, key, locator, size, etag, delete_marker, created_by, superseded_at) values
  ('019213f5-0000-7000-8000-000000000011', '{ORG}', 'kept', 'a', 'l', 1, 'e', false, '{ANN}', now()),
  ('019213f5-0000-7000-8000-000000000012', '{ORG}', 'kept', 'a', null, 0, '', true, '{ANN}', null),
  ('019213f5-0000-7000-8000-000000000013', '{ORG}', 'kept', 'a', 'l', 2, 'e', false, '{ANN}', now()),
  ('019213f5-0000-7000-8000-000000000014', '{ORG}', 'kept', 'a', 'l', 3, 'e', false, '{ANN}', null),
  ('019213f5-0000-7000-8000-000000000015', '{ORG}', 'kept', 'gone', 'l', 4, 'e', false, '{ANN}', now()),
  ('019213f5-0000-7000-8000-000000000016', '{ORG}', 'kept', 'gone', null, 0, '', true, '{ANN}', null),
  ('019213f5-0000-7000-8000-000000000017', '{ORG}', 'plain', 'a', 'l', 5, 'e', false, '{ANN}', null);
insert into storage.objects (id, org_id, bucket, key, owner_id, version_id, size, etag) values
  ('{OBJECT}', '{ORG}', 'kept', 'a', '{ANN}', '019213f5-0000-7000-8000-000000000014', 3, 'e'),
  (gen_random_uuid(), '{ORG}', 'plain', 'a', null, '019213f5-0000-7000-8000-000000000017', 5, 'e');
"""


@pytest.fixture
def connection(kernel_factory):
    config = {"storage": {"signing_secret": SECRET}, "auth": AUTH}
    url = kernel_factory.database_url(AuthPlugin, StoragePlugin, config=config)
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://{url.partition('://')[2]}", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_what_was_kept_before_is_reached_afterwards(connection):
    history = importlib.import_module("reactor_storage.migrations.storage_0002_history")
    with Operations.context(MigrationContext.configure(connection)):
        history.downgrade()
        connection.exec_driver_sql(BEFORE)
        history.upgrade()
    rows = connection.exec_driver_sql(
        """select right(id::text, 2), object_id::text, owner_id::text, versioned, superseded_at is null
          from _reactor_storage.versions order by id"""
    ).all()
    assert rows[:6] == [
        # Of what was deleted before it is not known whose it was, so no policy can be told that it was Ann's.
        ("11", None, None, True, False),
        ("12", None, None, True, False),
        ("13", OBJECT, ANN, True, False),
        ("14", OBJECT, ANN, True, True),
        ("15", None, None, True, False),
        ("16", None, None, True, True),
    ]
    assert rows[6][0] == "17"
    assert rows[6][2:] == (None, False, True)
    usage = connection.exec_driver_sql(
        "select bucket, objects, bytes, versions, noncurrent_bytes from _reactor_storage.usage_changes order by 1"
    ).all()
    assert usage == [("kept", 1, 3, 3, 7), ("plain", 1, 5, 0, 0)]
