"""Which relations and functions a caller's database role has rights on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from reactor_data.catalog.model import Schema
from reactor_data.running import Caller, Runner
from reactor_kernel.api import Statement

_RIGHTS = """
select pg_catalog.json_build_object(
  'relations', coalesce((
    select pg_catalog.json_object_agg(c.oid::bigint, pg_catalog.json_build_object(
      'select', pg_catalog.has_any_column_privilege(c.oid, 'SELECT'),
      'insert', pg_catalog.has_any_column_privilege(c.oid, 'INSERT'),
      'update', pg_catalog.has_any_column_privilege(c.oid, 'UPDATE'),
      'delete', pg_catalog.has_table_privilege(c.oid, 'DELETE'),
      'columns', case when not pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE') then coalesce((
        select pg_catalog.json_agg(a.attname) from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          and pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT, INSERT, UPDATE')), '[]') end))
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
      and pg_catalog.has_schema_privilege(n.oid, 'USAGE')), '{}'),
  'functions', coalesce((
    select pg_catalog.json_agg(p.oid::bigint)
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = $1 and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
      and pg_catalog.has_function_privilege(p.oid, 'EXECUTE')), '[]'))::text
"""


class RelationRights(msgspec.Struct, frozen=True):
    """What may be done with a relation; with some columns of it at least: `columns`, None = with all of them."""

    select: bool = True
    insert: bool = True
    update: bool = True
    delete: bool = True
    columns: tuple[str, ...] | None = None

    @property
    def any(self) -> bool:
        """Tell whether anything may be done."""
        return self.select or self.insert or self.update or self.delete


class Rights(msgspec.Struct, frozen=True):
    """The rights on relations, and the functions that may be called; both by oid."""

    relations: Mapping[int, RelationRights]
    functions: frozenset[int]


_decode = msgspec.json.Decoder(Rights).decode


class RightsReader:
    """Asks the database as the caller."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def read(self, caller: Caller, schema: Schema) -> Rights:
        """Return the caller's rights in a schema.

        Raises:
            DataError: what Postgres or the pool refused.
        """
        statement = Statement(_RIGHTS, (schema.name,))
        (result,) = self._runner.attempt(
            caller, schema.name, "select", lambda: self._runner.run(caller, [statement], readonly=True)
        )
        return _decode(result.rows[0][0] or b"{}")
