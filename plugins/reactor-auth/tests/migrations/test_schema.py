"""The revisions make exactly the tables the code uses."""

from __future__ import annotations

from reactor_auth.tables import SCHEMA, metadata


def test_the_migrated_schema_equals_the_metadata(kernel):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with kernel.database.begin() as tx:
        context = MigrationContext.configure(
            tx.connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, parents: kind != "schema" or name == SCHEMA,
                "include_object": lambda item, name, kind, reflected, other: name != "alembic_version",
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        assert compare_metadata(context, metadata) == []


def test_a_second_run_applies_nothing(kernel):
    assert kernel.migrator.pending() == []
    report = kernel.migrator.run()
    assert report.applied == []
    assert "auth:auth_0001" in report.skipped
