"""The migration that notes renditions, back and forth over objects and renditions that are there."""

from __future__ import annotations

from importlib import import_module

from .conftest import encoded, opened, quarters


def test_down_and_up_again(kernel, ann, files, sql):
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    migration = import_module("reactor_storage.migrations.storage_0003_renditions")
    ann.bucket()
    ann.put("docs/a", encoded(quarters((80, 40)), "JPEG"))
    path = "render/image/authenticated/docs/a?width=20"
    first = ann.call("GET", path)
    for step in (migration.downgrade, migration.upgrade):
        with kernel.database.begin() as tx, Operations.context(MigrationContext.configure(tx.connection)):
            step()
    assert sql("select count(*) from _reactor_storage.renditions") == [("0",)]
    again = ann.call("GET", path)
    assert (opened(again).size, again.headers["ETag"]) == ((20, 10), first.headers["ETag"])
    assert len(files()) == 2
    ann.call("DELETE", "object/docs/a")
    assert files() == []
