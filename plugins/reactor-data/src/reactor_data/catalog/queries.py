"""The catalogue queries of one snapshot; they run as the login role.

They run with nothing but `pg_catalog` on the search path, so that every type, default and function is written with its schema
and means the same whatever a request's search path is.
"""

from __future__ import annotations

from collections.abc import Sequence

from reactor_kernel.api import Statement

_OWN = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"

# One JSON document a relation.
_RELATIONS = """
select json_build_object(
  'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'partition', c.relispartition,
  'row_security', c.relrowsecurity, 'updatable', pg_relation_is_updatable(c.oid, true),
  'policies', (select count(*) from pg_policy p where p.polrelid = c.oid),
  'comment', obj_description(c.oid, 'pg_class'),
  'columns', coalesce((
    select json_agg(json_build_object(
      'name', a.attname, 'number', a.attnum, 'type_oid', a.atttypid::bigint,
      'type', format_type(a.atttypid, a.atttypmod), 'base', format_type(a.atttypid, null),
      'nullable', not a.attnotnull, 'generated', a.attgenerated <> '', 'identity_always', a.attidentity = 'a',
      'default', case when a.attidentity <> '' then
                        format('nextval(%L)', pg_get_serial_sequence(c.oid::regclass::text, a.attname))
                      when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,
      'comment', col_description(c.oid, a.attnum)) order by a.attnum)
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]'))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname = any($1::text[])
order by c.relname
"""

# Keys of tables that are not exposed too: views show their columns. Those that a partition or the reference to a
# partitioned table got from its parent are left out.
_KEYS = f"""
select json_build_object(
  'kind', o.contype, 'name', o.conname, 'relation', o.conrelid::bigint, 'target', o.confrelid::bigint,
  'numbers', to_json(o.conkey), 'target_numbers', to_json(o.confkey),
  'columns', (select json_agg(a.attname order by k.at) from unnest(o.conkey) with ordinality k(num, at)
    join pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.num),
  'target_columns', (select json_agg(a.attname order by k.at) from unnest(o.confkey) with ordinality k(num, at)
    join pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.num))
from pg_constraint o join pg_namespace n on n.oid = o.connamespace
where o.conrelid <> 0 and (o.contype in ('p', 'u') or o.contype = 'f' and o.conparentid = 0) and {_OWN}
order by o.conrelid, o.conname
"""

_RULES = f"""
select r.ev_class::bigint::text, r.ev_action::text
from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('v', 'm') and r.ev_type = '1' and {_OWN}
"""

# A function counts when its callers can name its parameters or it has one unnamed one that takes a whole body; and,
# whatever its parameters are called, when it takes one row: it may be a computed field or relationship.
_FUNCTIONS = f"""
select json_build_object(
  'oid', p.oid::bigint, 'schema', n.nspname, 'name', p.proname, 'parameters', coalesce(i.parameters, '[]'),
  'callable', i.named or i.count = 1 and p.proargtypes[0] in (17, 25, 114, 142, 3802), 'required', i.required,
  'argument', coalesce((select t.typrelid::bigint from pg_type t where t.oid = p.proargtypes[0]), 0),
  'result_oid', p.prorettype::bigint, 'result', format_type(p.prorettype, null),
  'result_relation', coalesce(r.typrelid, 0)::bigint, 'void', p.prorettype = 2278, 'returns_set', p.proretset,
  'composite', r.typtype = 'c' or coalesce(p.proargmodes && '{{t,b,o}}'::"char"[], false),
  'columns', coalesce(u.columns, case when r.typtype = 'c' then (
    select json_agg(json_build_object('name', a.attname, 'number', a.attnum, 'type_oid', a.atttypid::bigint,
      'type', format_type(a.atttypid, a.atttypmod), 'base', format_type(a.atttypid, null), 'nullable', true)
      order by a.attnum)
    from pg_attribute a where a.attrelid = r.typrelid and a.attnum > 0 and not a.attisdropped) end, '[]'),
  'volatility', case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
  'rows', p.prorows, 'security_definer', p.prosecdef,
  'settings', coalesce((select json_agg(json_build_array(split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)))
    from unnest(p.proconfig) s), '[]'),
  'comment', obj_description(p.oid, 'pg_proc'))
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
join pg_type g on g.oid = p.prorettype
join pg_type r on r.oid = case when g.typtype = 'd' then g.typbasetype else g.oid end
cross join lateral (
  select json_agg(json_build_object('name', coalesce(x.name, ''), 'type', format_type(x.type, null),
      'required', x.at <= p.pronargs - p.pronargdefaults, 'variadic', coalesce(x.mode = 'v', false)) order by x.at)
      filter (where x.at is not null) as parameters,
    count(*) as count, count(*) filter (where x.at <= p.pronargs - p.pronargdefaults) as required,
    coalesce(bool_and(x.name <> '' and x.name is not null), true) as named
  from (select a.name, a.type, a.mode, row_number() over (order by a.at) as at
        from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes)
          with ordinality a(type, name, mode, at)
        where coalesce(a.mode, 'i') in ('i', 'b', 'v')) x) i
cross join lateral (
  select json_agg(json_build_object('name', coalesce(nullif(a.name, ''), 'column' || a.at), 'type_oid', a.type::bigint,
      'type', format_type(a.type, null), 'base', format_type(a.type, null), 'nullable', true) order by a.at) as columns
  from (select o.name, o.type, row_number() over (order by o.at) as at
        from unnest(p.proallargtypes, p.proargnames, p.proargmodes) with ordinality o(type, name, mode, at)
        where o.mode in ('o', 'b', 't')) a) u
where p.prokind = 'f' and p.prorettype not in (2279, 3838) and {_OWN} and n.nspname = any($1::text[])
  and (i.named or i.count = 1)
order by p.proname, p.oid
"""

# Types that a client may cast to or that a column may have; those of arrays are written with [].
_TYPES = """
select json_build_object(
  'oid', t.oid::bigint, 'schema', n.nspname, 'name', t.typname, 'kind', t.typtype,
  'sql', quote_ident(n.nspname) || '.' || quote_ident(t.typname), 'shown', format_type(t.oid, null),
  'base', case when t.typtype = 'd' then (
    with recursive up(oid, at) as (select t.typbasetype, 0 union all
      select b.typbasetype, up.at + 1 from up join pg_type b on b.oid = up.oid where b.typtype = 'd')
    select format_type(up.oid, null) from up order by up.at desc limit 1) end,
  'default', case when t.typtype = 'd' then pg_get_expr(t.typdefaultbin, 0) end,
  'labels', case when t.typtype = 'e' then (
    select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid) end)
from pg_type t join pg_namespace n on n.oid = t.typnamespace
where t.typtype in ('b', 'd', 'e', 'r', 'm') and not (t.typtype = 'b' and t.typcategory = 'A')
  and n.nspname <> 'information_schema'
"""

# The implicit casts between a domain and json or text (114, 25) that have a function.
_CASTS = """
select json_build_object('source', k.castsource::bigint, 'target', k.casttarget::bigint,
  'function', quote_ident(n.nspname) || '.' || quote_ident(p.proname))
from pg_cast k join pg_proc p on p.oid = k.castfunc join pg_namespace n on n.oid = p.pronamespace
join pg_type s on s.oid = k.castsource join pg_type t on t.oid = k.casttarget
where k.castcontext = 'i' and k.castmethod = 'f'
  and (s.typtype = 'd' and k.casttarget = 114 or t.typtype = 'd' and k.castsource in (25, 114))
"""

# Aggregates over a relation's rows (or any: 2283 is anyelement) whose result is a domain named like a media type.
_HANDLERS = r"""
select json_build_object('schema', n.nspname, 'media', lower(t.typname),
  'binary', t.typbasetype = 17, 'relation', coalesce(a.typrelid, 0)::bigint,
  'sql', quote_ident(n.nspname) || '.' || quote_ident(p.proname))
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
join pg_type t on t.oid = p.prorettype join pg_type a on a.oid = p.proargtypes[0]
where p.prokind = 'a' and p.pronargs = 1 and n.nspname = any($1::text[]) and t.typtype = 'd'
  and (a.typtype = 'c' or a.oid = 2283) and (t.typname ~* '^[a-z0-9.-]+/[a-z0-9.+-]+$' or t.typname = '*/*')
"""

_POLICIES = """
select d.schema_name, d.table_name, unnest(d.native_names), d.name
from _reactor_data.policies d where d.schema_name = any($1::text[])
"""

# What the login role may set for the roles it can become; settings for this database only come last.
_ROLE_SETTINGS = """
select r.rolname::text, split_part(v, '=', 1), substr(v, strpos(v, '=') + 1)
from pg_db_role_setting s join pg_roles r on r.oid = s.setrole cross join unnest(s.setconfig) v
left join pg_settings g on lower(g.name) = lower(split_part(v, '=', 1))
where s.setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database()))
  and r.rolname <> session_user and pg_has_role(session_user, r.oid, 'MEMBER')
  and (g.name is null or g.context = 'user'
       or g.context = 'superuser' and has_parameter_privilege(session_user, g.name, 'SET'))
order by s.setdatabase
"""

_COMMENTS = """
select n.nspname::text, obj_description(n.oid, 'pg_namespace') from pg_namespace n where n.nspname = any($1::text[])
"""

# Every change of what a snapshot shows writes one of these catalogues, but for the settings of roles; reading how far they
# are costs a few milliseconds.
_SHOWN = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_proc", "pg_aggregate", "pg_type", "pg_enum"),
    *("pg_cast", "pg_rewrite", "pg_policy", "pg_description"),
)
FINGERPRINT = Statement(
    "select "
    + " || '/' || ".join(
        f"(select count(*) || ':' || coalesce(max(xmin::text::bigint), 0) from pg_catalog.{name})" for name in _SHOWN
    )
)


def snapshot(schemas: Sequence[str], extra_search_path: Sequence[str]) -> list[Statement]:
    """Return the statements of one snapshot, in the order in which `loading.Results` takes them, after a first one."""
    exposed, reachable = _array(schemas), _array((*schemas, *extra_search_path))
    return [
        Statement("select set_config('search_path', 'pg_catalog', true), set_config('jit', 'off', true)"),
        Statement(_RELATIONS, (exposed,)),
        Statement(_KEYS),
        Statement(_RULES),
        Statement(_FUNCTIONS, (reachable,)),
        Statement(_TYPES),
        Statement(_CASTS),
        Statement(_HANDLERS, (exposed,)),
        Statement(_POLICIES, (exposed,)),
        Statement(_ROLE_SETTINGS),
        Statement(_COMMENTS, (exposed,)),
        FINGERPRINT,
    ]


def _array(names: Sequence[str]) -> str:
    return "{" + ",".join(f'"{name}"' for name in names) + "}"
