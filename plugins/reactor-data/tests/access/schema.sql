-- Tables whose policies take each form that a denial can have. Every table has the columns id, org_id, owner_id, a, n.

-- In Reactor's form, with checks that become restrictive.
create table notes (
  id uuid primary key default gen_random_uuid(), org_id uuid default auth.org_id(), owner_id uuid default auth.user_id(),
  a text, n int, shout text generated always as (upper(a)) stored
);
create index on notes (org_id);
policy notes_read on notes for select using (org_id = auth.org_id());
policy notes_write on notes for insert, update
  using (org_id = auth.org_id() and owner_id = auth.user_id())
  check (org_id = auth.org_id() and a is distinct from 'forbidden' and (n is null or n between 0 and 10));
policy notes_delete on notes for delete using (org_id = auth.org_id() and auth.has_permission('notes:delete'));

create table no_policy (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);

create table shut (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy shut_all on shut using (false) with check (false);

create table ungranted (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy ungranted_all on ungranted using (true);
revoke all on ungranted from reactor_authenticated;

create table in_part (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy in_part_all on in_part using (true);
revoke all on in_part from reactor_authenticated;
grant select (id, a), insert (id, a), update (a) on in_part to reactor_authenticated;

-- A permissive door and a restrictive wall behind it.
create table walled (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy walled_door on walled using (true);
create policy walled_wall on walled as restrictive using (org_id = (select auth.org_id()) and a <> 'secret');

create table only_walls (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy only_walls_wall on only_walls as restrictive using (n > 0);

-- Rows of a team's members; the sub-select sees what the caller may see of the memberships.
create table members (org_id uuid, user_id uuid, active boolean not null default true, primary key (org_id, user_id));
create policy members_own on members for select using (user_id = (select auth.user_id()) and active);
create table by_team (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy by_team_all on by_team
  using (exists (select 1 from members m where m.org_id = by_team.org_id and m.user_id = (select auth.user_id())));

create table lookups (owner_id uuid primary key);
alter table lookups disable row level security;
revoke all on lookups from reactor_authenticated;
create table by_lookup (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy by_lookup_all on by_lookup using (owner_id in (select l.owner_id from lookups l));

create table expiring (
  id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int, until timestamptz not null
);
create policy expiring_all on expiring using (until > now() and org_id = (select auth.org_id()));

-- Written, never read.
create table dropbox (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy dropbox_put on dropbox for insert with check (a is not null);
create policy dropbox_change on dropbox for update using (true);
create policy dropbox_clear on dropbox for delete using (true);

-- A row that may be updated into what nobody sees.
create table archive (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy archive_read on archive for select using (a is distinct from 'archived');
create policy archive_change on archive for update using (true) with check (true);

-- A helper in a schema that callers may not use, and one they may not execute.
create schema private;
create function private.is_owner(owner uuid) returns boolean language sql stable security definer set search_path = ''
  return owner = auth.user_id();
grant execute on function private.is_owner(uuid) to reactor_authenticated;
create function private.is_admin() returns boolean language sql stable return auth.role() = 'admin';
create table by_helper (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy by_helper_read on by_helper for select using (private.is_owner(owner_id));
create policy by_helper_write on by_helper for delete using (private.is_admin());

create table numbered (id serial primary key, org_id uuid, owner_id uuid, a text, n int);
create policy numbered_all on numbered using (true);
revoke all on sequence numbered_id_seq from reactor_authenticated;

create table others (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy others_anon on others to reactor_anon using (true);

create table by_plan (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy by_plan_all on by_plan
  using (((nullif(current_setting('request.jwt.claims', true), ''))::jsonb ->> 'plan') = 'pro');

create table by_any (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy by_any_all on by_any
  using ((a = 'public' and n is not null) or owner_id = (select auth.user_id()) or (select auth.role()) = 'owner');

create table stepped_up (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy stepped_up_own on stepped_up using (owner_id = (select auth.user_id()));
create policy stepped_up_aal on stepped_up as restrictive for update
  using ((select auth.jwt() ->> 'aal') = 'aal2') with check ((select auth.jwt() ->> 'aal') = 'aal2');

create table private.kept (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy kept_all on private.kept using (true);

-- The whole row goes to a function, and a row decides by another row of its own table.
create table whole (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create function is_even(whole) returns boolean language sql immutable return $1.n % 2 = 0;
create policy whole_all on whole using (is_even(whole));

-- What a constraint or a trigger says no to, with policies that do not mind.
create table strict (
  id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text not null, n int check (n < 100), unique (a)
);
create policy strict_all on strict using (true);
create function stamp() returns trigger language plpgsql as $$
begin
  if new.a = 'trigger' then
    raise exception 'no triggers here';
  elsif new.a = 'moved' then
    new.org_id := null;
  end if;
  return new;
end $$;
create trigger stamp before insert or update on strict for each row execute function stamp();
create table stamped (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int);
create policy stamped_all on stamped using (org_id = (select auth.org_id()));
create trigger stamp before insert or update on stamped for each row execute function stamp();

create table free (id uuid primary key default gen_random_uuid(), org_id uuid, owner_id uuid, a text, n int) with (rls = false);
create view notes_seen as select id, org_id, a from notes;
