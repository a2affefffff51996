"""Statements of the migration runner. They run as the login role, which owns what migrations create."""

from __future__ import annotations

from collections.abc import Sequence

from reactor_data.sql.native import qualified, quote
from reactor_kernel.api import Statement

HISTORY = Statement("select version, encode(source_sha256, 'hex') from _reactor_data.migrations order by version")

# One server at a time migrates, until its transaction ends.
LOCK = Statement("select pg_advisory_xact_lock(hashtextextended('reactor_data:migrations', 0))")


def recorded(version: str) -> Statement:
    """Ask with which hash a file was applied; no row where it was not."""
    return Statement("select encode(source_sha256, 'hex') from _reactor_data.migrations where version = $1", (version,))


# An administrator's own SET, temporary tables, locks and LISTEN last for the session; a pooled connection must not keep them.
FORGET_SESSION = tuple(
    Statement(text, prepare=False)
    for text in (
        "reset session authorization",
        "reset role",
        "reset all",
        "discard temp",
        "select pg_catalog.pg_advisory_unlock_all()",
        "unlisten *",
    )
)

# Relations and routines a migration may have made: those outside of the system's, the platform's and extensions'
# own. With what the runner has to know about each to protect it.
_OWN_SCHEMAS = """n.nspname !~ '^(pg_|_reactor_)' and n.nspname not in ('information_schema', 'auth', 'storage')"""

RELATIONS = f"""
select c.oid::text, n.nspname::text, c.relname::text, c.relkind::text, c.relrowsecurity::text,
       (c.relkind = 'v' and not exists (select from unnest(c.reloptions) o where o like 'security_invoker=%'))::text,
       c.relpersistence::text
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and {_OWN_SCHEMAS}
  and not exists (select from pg_catalog.pg_depend d
                  where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.oid
"""

ROUTINES = f"""
select p.oid::text, n.nspname::text, p.oid::regprocedure::text, p.prokind::text
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where {_OWN_SCHEMAS}
  and not exists (select from pg_catalog.pg_depend d
                  where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
order by p.oid
"""


SCHEMAS = Statement("select nspname::text from pg_catalog.pg_namespace where nspname !~ '^pg_' order by oid")

_DDL_TRIGGER = "reactor_data_ddl"
_DDL_FUNCTION = "_reactor_data.announce_ddl"


def _announcement(channel: str) -> str:
    """Return the body of the function that makes every node reload its schema after a change that is no temporary table's."""
    return (
        " begin if tg_tag like 'DROP %' or exists (select from pg_catalog.pg_event_trigger_ddl_commands() c"
        " where c.schema_name is distinct from 'pg_temp') then"
        f" perform pg_catalog.pg_notify('{channel}', 'reload schema'); end if; end "
    )


def find_ddl_trigger(channel: str) -> Statement:
    """Ask whether the event trigger exists that announces changes on this channel."""
    return Statement(
        "select 1 from pg_catalog.pg_event_trigger t join pg_catalog.pg_proc p on p.oid = t.evtfoid"
        " where t.evtname = $1 and t.evtenabled <> 'D' and p.prosrc = $2",
        (_DDL_TRIGGER, _announcement(channel)),
    )


def make_ddl_trigger(channel: str) -> list[Statement]:
    """Announce every change of the schema, whoever makes it; takes a superuser."""
    texts = (
        f"create or replace function {_DDL_FUNCTION}() returns event_trigger language plpgsql"
        f" as $body${_announcement(channel)}$body$",
        f"revoke execute on function {_DDL_FUNCTION}() from public",
        f"drop event trigger if exists {_DDL_TRIGGER}",
        f"create event trigger {_DDL_TRIGGER} on ddl_command_end execute function {_DDL_FUNCTION}()",
    )
    return [Statement(text, prepare=False) for text in texts]


def open_schema(schema: str, roles: Sequence[str]) -> list[Statement]:
    """Let the platform's roles use an exposed schema."""
    return [Statement(f"grant usage on schema {quote(schema)} to {quote(role)}", prepare=False) for role in roles]


def record(version: str, sha256: bytes, applied_by: str) -> Statement:
    """Write a file into the history."""
    return Statement(
        "insert into _reactor_data.migrations (version, source_sha256, applied_by)"
        " values ($1, decode($2, 'hex'), $3 || ' as ' || session_user)",
        (version, sha256.hex(), applied_by),
    )


def set_search_path(schemas: Sequence[str]) -> Statement:
    """Make unqualified names of a migration mean the user schema."""
    path = ", ".join(quote(schema) for schema in schemas)
    return Statement("select set_config('search_path', $1, true)", (path,))


def find_domain(schema: str) -> Statement:
    """Ask whether the type `reactor_id` of the user schema exists."""
    return Statement(
        "select 1 from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace"
        " where n.nspname = $1 and t.typname = 'reactor_id'",
        (schema,),
    )


def make_foundation(schema: str, roles: Sequence[str], *, server_has_uuidv7: bool) -> list[Statement]:
    """Make the types `reactor_id` and `reactorid` and the generator `reactor_id()`; let the roles use the schema."""
    domain, other, generator = (qualified(schema, name) for name in ("reactor_id", "reactorid", "reactor_id"))
    # Milliseconds since the epoch over the first 48 bits of a version 4 UUID, then version 4 (0100) made 7 (0111).
    made = (
        "uuidv7()"
        if server_has_uuidv7
        else "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing"
        " substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),"
        " 52, 1), 53, 1), 'hex')::uuid"
    )
    texts = [
        f"create schema if not exists {quote(schema)}",
        f"create domain {domain} as uuid constraint reactor_id_is_version_7"
        " check ((get_byte(uuid_send(value), 6) >> 4) = 7)",
        f"create domain {other} as {domain}",
        f"create function {generator}() returns uuid language sql volatile parallel safe as $body$ select {made} $body$",
        f"revoke execute on function {generator}() from public",
    ]
    for role in roles:
        texts += [
            f"grant usage on schema {quote(schema)} to {quote(role)}",
            f"grant execute on function {generator}() to {quote(role)}",
        ]
    return [Statement(sql, prepare=False) for sql in texts]


def protect_relation(
    schema: str, name: str, kind: str, *, roles: Sequence[str], service: str | None, exposed: bool, row_security: bool
) -> list[Statement]:
    """Protect a relation that has just been made and grant the defaults on it (decision 50).

    A materialised view or foreign table cannot have row security, so that only the service role is granted it.
    """
    relation = qualified(schema, name)
    texts: list[str] = []
    if kind in ("r", "p") and row_security:
        texts.append(f"alter table {relation} enable row level security")
    if exposed:
        rights = "usage, select on sequence" if kind == "S" else "select, insert, update, delete on table"
        granted = roles if kind not in ("m", "f") else [service] if service else []
        texts += [f"grant {rights} {relation} to {quote(role)}" for role in granted]
    return [Statement(sql, prepare=False) for sql in texts]


def make_invoker(schema: str, view: str) -> Statement:
    """Let a view read as its caller, so that the policies of its tables apply."""
    return Statement(f"alter view {qualified(schema, view)} set (security_invoker = true)", prepare=False)


def protect_routine(signature: str, kind: str, *, roles: Sequence[str], exposed: bool) -> list[Statement]:
    """Take EXECUTE from PUBLIC and give it to the platform's roles; `signature` is Postgres' own, already quoted."""
    word = "procedure" if kind == "p" else "function"
    texts = [f"revoke execute on {word} {signature} from public"]
    if exposed:
        texts += [f"grant execute on {word} {signature} to {quote(role)}" for role in roles]
    return [Statement(sql, prepare=False) for sql in texts]


def find_table(schema: str, name: str) -> Statement:
    """Look a table up: its kind and whether row security is on."""
    return Statement(
        "select c.relkind::text, c.relrowsecurity::text from pg_catalog.pg_class c"
        " join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2",
        (schema, name),
    )


def table_names(schema: str) -> Statement:
    """List the tables of a schema."""
    return Statement(
        "select c.relname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = $1 and c.relkind in ('r', 'p') order by 1",
        (schema,),
    )


def declared_policy(schema: str, table: str, name: str) -> Statement:
    """Ask whether a policy is recorded as declared."""
    return Statement(
        "select 1 from _reactor_data.policies where schema_name = $1 and table_name = $2 and name = $3",
        (schema, table, name),
    )


def forget_policy(schema: str, table: str, name: str) -> Statement:
    """Remove a declared policy's record."""
    return Statement(
        "delete from _reactor_data.policies where schema_name = $1 and table_name = $2 and name = $3",
        (schema, table, name),
    )


def record_policy(
    schema: str,
    table: str,
    name: str,
    *,
    scopes: Sequence[str],
    using: str | None,
    check: str | None,
    raw_text: str,
    native_names: Sequence[str],
    migration: str,
) -> Statement:
    """Record a declared policy."""
    return Statement(
        "insert into _reactor_data.policies (schema_name, table_name, name, scopes, using_ast, check_ast, raw_text,"
        " native_names, migration_name) values ($1, $2, $3, $4, case when $5::text is not null then"
        " jsonb_build_object('kind', jsonb_build_object('type', 'Sql', 'text', $5::text)) end,"
        " case when $6::text is not null then"
        " jsonb_build_object('kind', jsonb_build_object('type', 'Sql', 'text', $6::text)) end, $7, $8, $9)",
        (schema, table, name, array(scopes), using, check, raw_text, array(native_names), migration),
    )


def find_base(schema: str, table: str) -> Statement:
    """Ask whether a table has the base that lets restrictive insert checks decide."""
    return Statement(
        "select 1 from pg_catalog.pg_policies where schemaname = $1 and tablename = $2"
        " and policyname = 'reactor__insert'",
        (schema, table),
    )


def drop_native(name: str, schema: str, table: str) -> Statement:
    """Drop a native policy."""
    return Statement(f"drop policy if exists {quote(name)} on {qualified(schema, table)}", prepare=False)


# Where a table was dropped or a derived policy removed natively, its record describes nothing.
FORGET_LOST_POLICIES = Statement(
    "delete from _reactor_data.policies d where not exists (select from pg_catalog.pg_policies p"
    " where p.schemaname = d.schema_name and p.tablename = d.table_name and p.policyname = any(d.native_names))",
    prepare=False,
)

# Without a restrictive check beside it the base would allow every insert.
LONE_BASES = Statement(
    "select b.schemaname::text, b.tablename::text from pg_catalog.pg_policies b"
    " where b.policyname = 'reactor__insert' and not exists (select from pg_catalog.pg_policies p"
    " where p.schemaname = b.schemaname and p.tablename = b.tablename and p.cmd = 'INSERT'"
    " and p.permissive = 'RESTRICTIVE' and right(p.policyname, 8) = '__insert')"
)

# Native policies of declared ones, with the roles they apply to.
POLICY_ROLES = Statement(
    "select p.schemaname::text, p.tablename::text, p.policyname::text, array_to_string(p.roles, ',')"
    " from pg_catalog.pg_policies p where p.policyname = 'reactor__insert' or exists ("
    " select from _reactor_data.policies d where d.schema_name = p.schemaname and d.table_name = p.tablename"
    " and p.policyname = any(d.native_names))"
)


def alter_policy_roles(schema: str, table: str, native: str, roles: Sequence[str]) -> Statement:
    """Change whom a derived policy applies to."""
    to = ", ".join(quote(role) for role in roles)
    return Statement(f"alter policy {quote(native)} on {qualified(schema, table)} to {to}", prepare=False)


def array(items: Sequence[str]) -> str:
    """Write a text[] literal."""
    escaped = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return "{" + ",".join(f'"{item}"' for item in escaped) + "}"
