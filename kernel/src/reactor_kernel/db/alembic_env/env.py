"""The only Alembic environment: one plugin's branch on the connection the migrator hands over."""

from alembic import context

_given = context.config.attributes

context.configure(
    connection=_given["connection"],
    version_table="alembic_version",
    version_table_schema=_given["schema"],
    on_version_apply=_given["on_version_apply"],
    include_schemas=True,
    # The migrator's transaction spans the branch: a failing revision takes its predecessors of the same run with it.
    transaction_per_migration=False,
)
context.run_migrations()
