"""What the linter reads of the catalogue: the project's own tables, views and functions, with what callers may do."""

from __future__ import annotations

from collections.abc import Sequence

from reactor_data.usermigrations.queries import array
from reactor_kernel.api import Statement

_OWN = "n.nspname !~ '^(pg_|_reactor_)' and n.nspname not in ('information_schema', 'auth')"
# A plugin's schema says so in its comment. What it ships there, policies `reactor__shipped_…` included, is not the project's to mend;
# the project's own policies on its tables are.
_OF_PLUGIN = """exists (select from pg_catalog.pg_description d where d.objoid = n.oid
  and d.classoid = 'pg_catalog.pg_namespace'::regclass and starts_with(d.description, 'reactor: '))"""
_SHIPPED = "starts_with(p.polname, 'reactor__shipped_')"
_NOT_OF_EXTENSION = """not exists (select from pg_catalog.pg_depend e
  where e.classid = %s::regclass and e.objid = %s and e.deptype = 'e')"""

# $1 the roles of callers.
_TABLES = f"""
select json_build_object('schema', n.nspname, 'name', c.relname, 'row_security', c.relrowsecurity,
  'columns', coalesce((select json_agg(a.attname order by a.attnum) from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]'),
  'indexed', coalesce((select json_agg(distinct a.attname) from pg_catalog.pg_index i
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0] where i.indrelid = c.oid), '[]'),
  'policies', coalesce((select json_agg(json_build_object('name', p.polname,
      'declared', (select d.name from _reactor_data.policies d
        where d.schema_name = n.nspname and d.table_name = c.relname and p.polname = any(d.native_names)),
      'command', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
                               else 'all' end,
      'permissive', p.polpermissive, 'using', pg_get_expr(p.polqual, p.polrelid),
      'check', pg_get_expr(p.polwithcheck, p.polrelid)) order by p.polname)
    from pg_catalog.pg_policy p where p.polrelid = c.oid
      and not {_SHIPPED}), '[]'),
  'open_to', coalesce((select json_object_agg(r.rolname, r.rights) from (
      select r.rolname, array_remove(array[
        case when has_any_column_privilege(r.oid, c.oid, 'SELECT') then 'SELECT' end,
        case when has_any_column_privilege(r.oid, c.oid, 'INSERT') then 'INSERT' end,
        case when has_any_column_privilege(r.oid, c.oid, 'UPDATE') then 'UPDATE' end,
        case when has_table_privilege(r.oid, c.oid, 'DELETE') then 'DELETE' end], null) as rights
      from pg_catalog.pg_roles r where r.rolname = any($1) and has_schema_privilege(r.oid, n.oid, 'USAGE')) r
    where cardinality(r.rights) > 0), '{{}}'))
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't' and {_OWN}
  and (not {_OF_PLUGIN} or exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid and not {_SHIPPED}))
  and {_NOT_OF_EXTENSION % ("'pg_catalog.pg_class'", "c.oid")}
order by n.nspname, c.relname
"""

_VIEWS = f"""
select json_build_object('schema', n.nspname, 'name', c.relname,
  'open_to', array(select r.rolname from pg_catalog.pg_roles r where r.rolname = any($1)
    and has_schema_privilege(r.oid, n.oid, 'USAGE') and has_any_column_privilege(r.oid, c.oid, 'SELECT') order by 1),
  'tables', array(select distinct t.oid::regclass::text from pg_catalog.pg_rewrite w
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
      and d.refclassid = 'pg_catalog.pg_class'::regclass
    join pg_catalog.pg_class t on t.oid = d.refobjid and t.relrowsecurity where w.ev_class = c.oid order by 1))
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'v' and {_OWN} and not {_OF_PLUGIN} and {_NOT_OF_EXTENSION % ("'pg_catalog.pg_class'", "c.oid")}
  and not coalesce((select bool_or(lower(o) in ('security_invoker=true', 'security_invoker=on', 'security_invoker=1',
                                                'security_invoker=yes')) from unnest(c.reloptions) o), false)
order by n.nspname, c.relname
"""

_FUNCTIONS = f"""
select json_build_object('signature', f.oid::regprocedure::text, 'definer', f.prosecdef,
  'fixed_path', coalesce((select bool_or(s like 'search_path=%') from unnest(f.proconfig) s), false),
  'public', exists (select from aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a
                    where a.grantee = 0 and a.privilege_type = 'EXECUTE'),
  'open_to', array(select r.rolname from pg_catalog.pg_roles r where r.rolname = any($1)
    and has_schema_privilege(r.oid, n.oid, 'USAGE') and has_function_privilege(r.oid, f.oid, 'EXECUTE') order by 1))
from pg_catalog.pg_proc f join pg_catalog.pg_namespace n on n.oid = f.pronamespace
where f.prokind in ('f', 'p') and f.prorettype <> 'pg_catalog.event_trigger'::regtype and {_OWN} and not {_OF_PLUGIN}
  and {_NOT_OF_EXTENSION % ("'pg_catalog.pg_proc'", "f.oid")}
order by 1::text
"""


def everything(search_path: Sequence[str], roles: Sequence[str]) -> list[Statement]:
    """Read tables, views and functions, each row one JSON document, in the second to fourth result."""
    callers = (array(roles),)
    return [
        Statement("select set_config('search_path', $1, true)", (", ".join(search_path),)),
        Statement(_TABLES, callers),
        Statement(_VIEWS, callers),
        Statement(_FUNCTIONS.replace("order by 1::text", "order by f.oid::regprocedure::text"), callers),
    ]
