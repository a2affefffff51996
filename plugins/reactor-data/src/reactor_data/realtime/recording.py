"""The triggers that record changes, and keeping them on the tables they belong on.

A writer pays for the keys of the rows it changed, not for their contents: what a subscriber receives is read with its own
rights when it is delivered. One statement writes one outbox row for every 1024 rows it changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from reactor_data.sql.native import literal, qualified, quote
from reactor_kernel.api import Statement, Tx

CHANNEL = "reactor_data_changes"
CHUNK = 1024

_TRIGGER = "reactor_realtime_"
# Any number will do; it is taken for the length of a transaction that wakes the readers.
_WAKER = 7_311_042_026

# Every ordinary or partitioned table of an exposed schema that the login role owns, partitions included: a statement on a
# partition fires the partition's triggers, one on its parent the parent's.
_TABLES = """
select n.nspname::text, c.relname::text,
       coalesce((select json_agg(a.attname order by k.at) from pg_catalog.pg_constraint o,
           unnest(o.conkey) with ordinality k(num, at), pg_catalog.pg_attribute a
         where o.conrelid = c.oid and o.contype = 'p' and a.attrelid = c.oid and a.attnum = k.num), '[]')::text,
       not exists (select from pg_catalog.pg_constraint o join pg_catalog.pg_attribute a
                   on a.attrelid = c.oid and a.attnum = any(o.conkey)
                   where o.conrelid = c.oid and o.contype = 'p' and (a.attlen < 0 or cardinality(o.conkey) > 1)),
       coalesce(rn.nspname, n.nspname)::text, coalesce(r.relname, c.relname)::text,
       not exists (select from _reactor_data.realtime_exempt e
                   where e.schema_name = coalesce(rn.nspname, n.nspname) and e.table_name = coalesce(r.relname, c.relname)),
       coalesce((select json_object_agg(t.tgname, obj_description(t.oid, 'pg_trigger')) from pg_catalog.pg_trigger t
         where t.tgrelid = c.oid and not t.tgisinternal and t.tgname like 'reactor\\_realtime\\_%'), '{}')::text
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_class r on c.relispartition and r.oid = pg_catalog.pg_partition_root(c.oid)
left join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname = any($1::text[])
  and pg_catalog.pg_has_role(c.relowner, 'usage')
  and not exists (select from pg_catalog.pg_depend d
                  where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1, 2
"""

_FORGET_EXEMPTIONS = """
delete from _reactor_data.realtime_exempt e where not exists (
  select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = e.schema_name and c.relname = e.table_name and c.relkind in ('r', 'p'))
"""

# What tables that were dropped or renamed left behind.
_UNUSED = """
select p.oid::regprocedure::text from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname = '_reactor_data' and p.proname like 'record\\_%'
  and not exists (select from pg_catalog.pg_trigger t where t.tgfoid = p.oid)
"""


@dataclass(frozen=True, slots=True)
class RecordedTable:
    """A table as it is.

    `plain` says that its key is one column of a fixed length; `published` is the table its changes are published as; `triggers`
    are those it has, with their digests.
    """

    schema: str
    name: str
    key: tuple[str, ...]
    plain: bool
    published: tuple[str, str]
    wanted: bool
    triggers: dict[str, str | None]

    @property
    def sql(self) -> str:
        """The quoted, qualified name."""
        return qualified(self.schema, self.name)


def keep_recording(tx: Tx, schemas: Sequence[str], *, enabled: bool) -> list[str]:
    """Make the triggers of every table what they should be; return the names of the tables that were changed.

    A table records its changes when `enabled`, it has a primary key and it is not exempt. Changing a table's triggers waits
    for its writers; a table that is as it should be is not touched.
    """
    import msgspec

    array = "{" + ",".join(quote(schema) for schema in schemas) + "}"
    _, found = tx.run([Statement(_FORGET_EXEMPTIONS, prepare=False), Statement(_TABLES, (array,), prepare=False)])
    changed: list[str] = []
    for schema, name, key, plain, root_schema, root, wanted, triggers in found.rows:
        table = RecordedTable(
            _text(schema),
            _text(name),
            msgspec.json.decode(key or b"[]", type=tuple[str, ...]),
            plain == b"t",
            (_text(root_schema), _text(root)),
            wanted == b"t",
            msgspec.json.decode(triggers or b"{}", type=dict[str, str | None]),
        )
        work = _remedy(table, enabled=enabled)
        if work:
            tx.run([Statement(sql, prepare=False) for sql in work])
            changed.append(f"{table.schema}.{table.name}")
    (unused,) = tx.run([Statement(_UNUSED, prepare=False)])
    if unused.rows:
        tx.run([Statement(f"drop function {_text(function)}", prepare=False) for (function,) in unused.rows])
    return changed


def _remedy(table: RecordedTable, *, enabled: bool) -> list[str]:
    function = qualified("_reactor_data", function_name(table.schema, table.name))
    if not (enabled and table.wanted and table.key):
        if not table.triggers:
            return []
        return [f"drop trigger {quote(name)} on {table.sql}" for name in table.triggers]
    body = function_sql(table)
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    if len(table.triggers) == len(_EVENTS) and set(table.triggers.values()) == {digest}:
        return []
    work = [body, f"revoke execute on function {function}() from public"]
    for event, transition in _EVENTS.items():
        trigger = quote(_TRIGGER + event)
        work += [
            f"create or replace trigger {trigger} after {event} on {table.sql} {transition}"
            f" for each statement execute function {function}()",
            f"comment on trigger {trigger} on {table.sql} is {literal(digest)}",
        ]
    return work


_EVENTS = {
    "insert": "referencing new table as new_rows",
    "update": "referencing old table as old_rows new table as new_rows",
    "delete": "referencing old table as old_rows",
    "truncate": "",
}


def function_name(schema: str, table: str) -> str:
    """Return the name of a table's recording function: readable, and unique whatever the names are."""
    digest = hashlib.sha256(f"{schema}\0{table}".encode()).hexdigest()[:10]
    return f"record_{table.encode()[:40].decode(errors='ignore')}_{digest}"


def function_sql(table: RecordedTable) -> str:
    """Return CREATE FUNCTION of the trigger function.

    It names the key's columns. Where one was renamed behind the migrations' back, a writer must not fail because of it: the
    change is then recorded as one of the whole table, until the triggers are made anew.
    """
    schema, name = table.published
    facts = f"'schema', {literal(schema)}, 'table', {literal(name)}, 'key', {literal(_json(table.key))}::jsonb"
    request = "'request_id', nullif(current_setting('reactor.request_id', true), '')"
    routine = function_name(table.schema, table.name)
    function = qualified("_reactor_data", routine)

    def write(op: str, rows: str) -> str:
        return (
            f"insert into _reactor_data.realtime_outbox (event)\n"
            f"      select jsonb_build_object('op', '{op}', {facts}, 'keys', a.keys, {request})\n"
            f"      from {_portions(table, rows)} a order by a.part;"
        )

    def whole(op: str) -> str:
        return (
            f"insert into _reactor_data.realtime_outbox (event)"
            f" values (jsonb_build_object('op', '{op}', {facts}, {request}));"
        )

    # Both transition tables are filled row by row, so that their rows correspond; only a changed key is worth recording.
    updated = (
        f"insert into _reactor_data.realtime_outbox (event)\n"
        f"      select jsonb_build_object('op', 'update', {facts}, 'keys', n.keys, {request})"
        f" || case when o.keys = n.keys then '{{}}' else jsonb_build_object('old', o.keys) end\n"
        f"      from {_portions(table, 'new_rows')} n\n"
        f"      join {_portions(table, 'old_rows')} o using (part) order by part;"
    )
    body = f"""
begin
  begin
    if tg_op = 'INSERT' then
      {write("insert", "new_rows")}
    elsif tg_op = 'UPDATE' then
      {updated}
    elsif tg_op = 'DELETE' then
      {write("delete", "old_rows")}
    else
      {whole("truncate")}
    end if;
  exception when undefined_column then
    {whole("resync")}
  end;
  -- A commit that notifies waits for every other such commit, so one at a time wakes the readers; they also look by themselves.
  if found and pg_try_advisory_xact_lock({_WAKER}) then
    perform pg_notify('{CHANNEL}', '');
  end if;
  return null;
end
"""
    # A literal rather than dollar quotes, which the name of a column could end.
    return f"""create or replace function {function}() returns trigger
language plpgsql security definer set search_path = pg_catalog as {literal(body)}"""


def _portions(table: RecordedTable, rows: str) -> str:
    """Return the keys of a transition table in portions, as (part, keys)."""
    columns = [f"r.{quote(column)}" for column in table.key]
    if table.plain:
        # Cutting slices out of one array costs half of what numbering the rows does; where elements differ in length,
        # finding a slice costs the more the further behind it lies.
        return (
            f"(select s.part, to_jsonb(g.keys[s.part : s.part + {CHUNK - 1}]) as keys"
            f" from (select array_agg({columns[0]}) as keys from {rows} r) g,"
            f" generate_series(1, cardinality(g.keys), {CHUNK}) s(part))"
        )
    key = columns[0] if len(columns) == 1 else f"jsonb_build_array({', '.join(columns)})"
    return (
        f"(select k.part, jsonb_agg(k.key) as keys from"
        f" (select {key} as key, (row_number() over () - 1) / {CHUNK} as part from {rows} r) k group by k.part)"
    )


def _json(names: Sequence[str]) -> str:
    import msgspec

    return msgspec.json.encode(names).decode()


def exempt(schema: str, table: str) -> Statement:
    """Let a table record nothing."""
    return Statement(
        "insert into _reactor_data.realtime_exempt values ($1, $2) on conflict do nothing",
        (schema, table),
        prepare=False,
    )


def include(schema: str, table: str) -> Statement:
    """Let a table that was exempt record its changes again."""
    return Statement(
        "delete from _reactor_data.realtime_exempt where schema_name = $1 and table_name = $2",
        (schema, table),
        prepare=False,
    )


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode()
