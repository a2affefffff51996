"""The catalogue queries of one snapshot; they run as the login role."""

from __future__ import annotations

from collections.abc import Sequence

from reactor_data.sql.native import quote
from reactor_kernel.api import Statement

# One JSON document a relation. format_type() leaves out a schema on the search path, so that the types it writes
# can be used as they are in statements that run with the same search path.
_RELATIONS = """
select json_build_object(
  'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'partition', c.relispartition,
  'row_security', c.relrowsecurity, 'updatable', pg_relation_is_updatable(c.oid, true),
  'policies', (select count(*) from pg_catalog.pg_policy p where p.polrelid = c.oid),
  'comment', obj_description(c.oid, 'pg_class'),
  'columns', coalesce((
    select json_agg(json_build_object(
      'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
      'base', coalesce(nullif(b.typbasetype::regtype::text, '-'), format_type(a.atttypid, null)),
      'nullable', not a.attnotnull, 'generated', a.attgenerated <> '', 'identity_always', a.attidentity = 'a',
      'default', case when a.attidentity <> '' then
                        format('nextval(%L)', pg_get_serial_sequence(c.oid::regclass::text, a.attname))
                      when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,
      'comment', col_description(c.oid, a.attnum)) order by a.attnum)
    from pg_catalog.pg_attribute a join pg_catalog.pg_type b on b.oid = a.atttypid
    left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]'),
  'primary_key', coalesce((select json_agg(a.attname order by k.at) from pg_catalog.pg_constraint o,
      unnest(o.conkey) with ordinality k(num, at), pg_catalog.pg_attribute a
    where o.conrelid = c.oid and o.contype = 'p' and a.attrelid = c.oid and a.attnum = k.num), '[]'),
  'uniques', coalesce((select json_agg((select json_agg(a.attname order by k.at)
      from unnest(o.conkey) with ordinality k(num, at)
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.num) order by o.conname)
    from pg_catalog.pg_constraint o where o.conrelid = c.oid and o.contype = 'u'), '[]'),
  'foreign_keys', coalesce((select json_agg(json_build_object(
      'name', o.conname, 'target', o.confrelid::bigint,
      'columns', (select json_agg(a.attname order by k.at) from unnest(o.conkey) with ordinality k(num, at)
        join pg_catalog.pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.num),
      'target_columns', (select json_agg(a.attname order by k.at) from unnest(o.confkey) with ordinality k(num, at)
        join pg_catalog.pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.num)) order by o.conname)
    from pg_catalog.pg_constraint o where o.conrelid = c.oid and o.contype = 'f' and o.conparentid = 0), '[]'))
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname = $1
order by c.relname
"""

# Types a client may cast to: by the name it writes, the name that is sent.
_TYPES = """
select t.typname::text, quote_ident(n.nspname) || '.' || quote_ident(t.typname)
from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where t.typtype in ('b', 'd', 'e', 'r', 'm') and n.nspname = any($1::text[]) and t.typelem = 0
order by array_position($1::text[], n.nspname::text) desc
"""

_POLICIES = """
select d.table_name, unnest(d.native_names), d.name from _reactor_data.policies d where d.schema_name = $1
"""


def snapshot(schema: str, search_path: Sequence[str]) -> list[Statement]:
    """Return the statements of one snapshot: relations, types, policies."""
    path = ", ".join(quote(name) for name in search_path)
    array = "{" + ",".join((*(f'"{name}"' for name in search_path), "pg_catalog")) + "}"
    return [
        Statement("select set_config('search_path', $1, true)", (path,)),
        Statement(_RELATIONS, (schema,)),
        Statement(_TYPES, (array,)),
        Statement(_POLICIES, (schema,)),
    ]
