"""The catalogue, asked about one table and one role."""

from __future__ import annotations

from collections.abc import Sequence

from reactor_data.sql.native import quote
from reactor_kernel.api import Statement

# $1 schema, $2 relation, $3 role.
_TABLE = """
select json_build_object(
  'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'row_security', c.relrowsecurity,
  'forced', c.relforcerowsecurity, 'schema_usage', has_schema_privilege(r.oid, n.oid, 'USAGE'),
  'may_delete', has_table_privilege(r.oid, c.oid, 'DELETE'),
  'may_insert', has_table_privilege(r.oid, c.oid, 'INSERT') or has_any_column_privilege(r.oid, c.oid, 'INSERT'),
  'bypass', case when c.relkind not in ('r', 'p') then null
                 when not c.relrowsecurity then format('row security is off for table %s', c.relname)
                 when r.rolsuper then format('role %s is a superuser', r.rolname)
                 when r.rolbypassrls then format('role %s bypasses row security', r.rolname)
                 when not c.relforcerowsecurity and pg_has_role(r.oid, c.relowner, 'USAGE') then
                   format('role %s owns table %s, and row security is not forced', r.rolname, c.relname) end,
  'has_triggers', exists (select from pg_catalog.pg_trigger g where not g.tgisinternal and g.tgrelid in (
      select c.oid union select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = c.oid
      union select f.conrelid from pg_catalog.pg_constraint f where f.confrelid = c.oid)),
  'primary_key', coalesce((select json_agg(a.attname order by k.at) from pg_catalog.pg_constraint o,
      unnest(o.conkey) with ordinality k(num, at), pg_catalog.pg_attribute a
    where o.conrelid = c.oid and o.contype = 'p' and a.attrelid = c.oid and a.attnum = k.num), '[]'),
  'reads', coalesce((select json_agg(distinct d.refobjid::regclass::text) from pg_catalog.pg_rewrite w
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
      and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> c.oid
    where w.ev_class = c.oid and c.relkind = 'v'), '[]'),
  'columns', coalesce((select json_agg(json_build_object(
      'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'generated', a.attgenerated <> '',
      'identity', a.attidentity, 'default', pg_get_expr(d.adbin, d.adrelid),
      'may_select', has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT'),
      'may_insert', has_column_privilege(r.oid, c.oid, a.attnum, 'INSERT'),
      'may_update', has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE')) order by a.attnum)
    from pg_catalog.pg_attribute a
    left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]'))
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_roles r on r.rolname = $3
where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p', 'v', 'm', 'f')
"""

_POLICIES = """
select p.polname::text, (select d.name from _reactor_data.policies d join pg_catalog.pg_class c on c.oid = p.polrelid
                         join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                         where d.schema_name = n.nspname and d.table_name = c.relname and p.polname = any(d.native_names)),
       case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
                     else 'all' end,
       p.polpermissive,
       array_to_json(array(select case m when 0 then 'public' else m::regrole::text end from unnest(p.polroles) m)),
       (0 = any(p.polroles) or exists (select from unnest(p.polroles) m, pg_catalog.pg_roles r
                                       where m <> 0 and r.rolname = $2 and pg_has_role(r.oid, m, 'USAGE'))),
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
from pg_catalog.pg_policy p where p.polrelid = $1::oid order by p.polpermissive desc, p.polname
"""

# What a statement on the table uses besides: functions of policies, defaults and checks; sequences of defaults; tables
# that policies read. Built-in functions are pinned and not recorded.
_NEEDED = """
with origin(classid, objid, by, subject, col) as (
  select 'pg_catalog.pg_policy'::regclass, p.oid, 'policy', p.polname::text, null::text
  from pg_catalog.pg_policy p where p.polrelid = $1::oid
  union all select 'pg_catalog.pg_attrdef'::regclass, d.oid, 'default', a.attname::text, a.attname::text
  from pg_catalog.pg_attrdef d join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
  where d.adrelid = $1::oid
  union all select 'pg_catalog.pg_constraint'::regclass, k.oid, 'constraint', k.conname::text, null
  from pg_catalog.pg_constraint k where k.conrelid = $1::oid and k.contype = 'c'
), used as (
  select o.by, o.subject, o.col, d.refclassid, d.refobjid, d.refobjsubid from origin o
  join pg_catalog.pg_depend d on d.classid = o.classid and d.objid = o.objid and d.deptype = 'n'
), me as (select oid from pg_catalog.pg_roles where rolname = $2)
select json_build_object('kind', kind, 'name', name, 'granted', granted, 'by', by, 'user', subject, 'column', col) from (
  select distinct 'function' as kind, f.oid::regprocedure::text as name,
         has_function_privilege((select oid from me), f.oid, 'EXECUTE') as granted, u.by, u.subject, u.col
  from used u join pg_catalog.pg_proc f on u.refclassid = 'pg_catalog.pg_proc'::regclass and f.oid = u.refobjid
  union all
  select distinct case c.relkind when 'S' then 'sequence' else 'table' end, c.oid::regclass::text,
         case when c.relkind = 'S' then has_sequence_privilege((select oid from me), c.oid, 'USAGE')
                                     or has_sequence_privilege((select oid from me), c.oid, 'UPDATE')
              else bool_and(case when u.refobjsubid > 0
                                 then has_column_privilege((select oid from me), c.oid, u.refobjsubid::int2, 'SELECT')
                                 else has_any_column_privilege((select oid from me), c.oid, 'SELECT') end) end,
         u.by, u.subject, u.col
  from used u join pg_catalog.pg_class c on u.refclassid = 'pg_catalog.pg_class'::regclass and c.oid = u.refobjid
  where c.oid <> $1::oid and (c.relkind = 'S' or u.by = 'policy') group by c.oid, c.relkind, u.by, u.subject, u.col
) found order by by, subject, kind, name
"""


# $1 the default schema, $2 `table` or `schema.table`.
_PLACE = """
select n.nspname::text, c.relname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and (n.nspname = $1 and c.relname = $2 or n.nspname || '.' || c.relname = $2)
order by (n.nspname = $1 and c.relname = $2) desc limit 1
"""
_NAMES = """
select c.relname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f')
"""


def place(schema: str, name: str) -> list[Statement]:
    """Find a relation by `table` or `schema.table`: its schema and name; then the names of all relations of the schema."""
    return [Statement(_PLACE, (schema, name), prepare=False), Statement(_NAMES, (schema,), prepare=False)]


def owner(sql: str, *params: str | None) -> Statement:
    """Return a statement that the login role runs, once."""
    return Statement(sql, params, as_owner=True, prepare=False)


def search_path(schemas: Sequence[str]) -> Statement:
    """Set the search path for the rest of the transaction."""
    return Statement("select set_config('search_path', $1, true)", (", ".join(quote(name) for name in schemas),))


def table(schema: str, name: str, role: str) -> Statement:
    """Describe a relation to a role, as one JSON document; no row where there is none."""
    return owner(_TABLE, schema, name, role)


def policies(oid: int, role: str) -> Statement:
    """List a table's policies.

    Columns: name, declared name, command, permissive, roles as JSON, whether it applies to the role, USING, CHECK.
    """
    return owner(_POLICIES, str(oid), role)


def needed(oid: int, role: str) -> Statement:
    """List what statements on the table use besides, one JSON document each."""
    return owner(_NEEDED, str(oid), role)
