"""Tables and their migrations."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from reactor_kernel.api import SchemaBranch
from reactor_kernel.testing import KernelFactory
from reactor_plugin_conformance.subject import Subject


class SchemaChecks(Subject):
    """The branch, from an empty database to the metadata."""

    def _branch(self, factory: KernelFactory) -> SchemaBranch:
        branch = self.branch(factory)
        if branch is None:
            pytest.skip("the plugin has no schema")
        return branch

    def test_the_branch_is_labelled_has_one_head_and_depends_on_nobody(self, kernel_factory: KernelFactory) -> None:
        from alembic.script import ScriptDirectory

        branch = self._branch(kernel_factory)
        assert branch.label == self.info.name, f"the branch must be labelled {self.info.name!r}, not {branch.label!r}"
        package = importlib.import_module(branch.package)
        assert package.__file__ is not None
        folder = str(Path(package.__file__).parent)
        script = ScriptDirectory(folder, version_locations=[folder])
        assert len(script.get_heads()) == 1, f"{branch.package} has the heads {script.get_heads()}; merge them"
        bases = script.get_bases()
        assert len(bases) == 1, f"{branch.package} has the first revisions {bases}; there may be one"
        first = script.get_revision(bases[0])
        assert first is not None
        assert branch.label in first.branch_labels, f"{bases[0]} must say branch_labels = ({branch.label!r},)"
        others = [revision.revision for revision in script.walk_revisions() if revision.dependencies]
        assert others == [], f"depends_on is not allowed, the kernel orders the branches: {others}"

    def test_an_empty_database_is_upgraded_and_the_second_run_does_nothing(self, kernel_factory: KernelFactory) -> None:
        branch = self._branch(kernel_factory)
        url = kernel_factory.empty_database_url()
        kernel = self.boot(kernel_factory, database_url=url)
        assert branch_revisions(kernel.migrate(dry_run=False).skipped, branch.label) != []
        again = kernel.migrate(dry_run=False)
        assert again.applied == [], f"a second run applied {again.applied}"
        assert kernel.migrate(dry_run=True).applied == []

    def test_the_tables_are_those_of_the_metadata(self, kernel_factory: KernelFactory) -> None:
        import sqlalchemy
        from alembic.autogenerate import compare_metadata
        from alembic.runtime.migration import MigrationContext
        from sqlalchemy.pool import NullPool

        branch = self._branch(kernel_factory)
        assert branch.metadata is not None, "SchemaBranch.metadata is missing, so nothing can be compared"
        url = self.database_url(kernel_factory)
        _, _, rest = url.partition("://")
        engine = sqlalchemy.create_engine(f"postgresql+psycopg://{rest}", poolclass=NullPool)

        def mine(name: str | None, kind: str, parents: Any) -> bool:
            return name == self.info.schema if kind == "schema" else True

        options = {
            "include_schemas": True,
            "include_name": mine,
            "compare_type": True,
            "version_table": "alembic_version",
            "version_table_schema": self.info.schema,
        }
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts=options)
            differences = compare_metadata(context, branch.metadata())
        engine.dispose()
        assert differences == [], "the migrated tables differ from the metadata"

    def test_nothing_is_made_outside_of_its_schema(self, kernel_factory: KernelFactory) -> None:
        import psycopg

        self._branch(kernel_factory)
        others = [plugin.info.schema for plugin in self.requires]  # type: ignore[attr-defined]
        allowed = [self.info.schema, "_reactor_kernel", *others]
        with psycopg.connect(self.database_url(kernel_factory)) as connection:
            found = connection.execute(
                "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c"
                " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public' AND NOT n.nspname = ANY(%s)",
                (allowed,),
            ).fetchall()
        assert found == [], "user tables live in public; a plugin's own live in its schema"


def branch_revisions(names: list[str], label: str) -> list[str]:
    """Return those of a migration report's names that belong to one plugin."""
    return [name for name in names if name.startswith(f"{label}:")]
