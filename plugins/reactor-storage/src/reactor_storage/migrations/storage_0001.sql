-- What policies may see: schema storage (decision 29). What only the platform sees: schema _reactor_storage.
create schema storage;
-- The linter of policies leaves what a plugin ships alone.
comment on schema storage is 'reactor: buckets and objects; policies on them are the project''s';

create table storage.buckets (
  id                 uuid primary key,
  name               text collate "C" not null,
  org_id             uuid not null,
  owner_id           uuid,
  public             boolean not null default false,
  file_size_limit    bigint check (file_size_limit > 0),
  allowed_mime_types text[],
  versioning         boolean not null default false,
  lifecycle          jsonb not null default '[]',
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now(),
  unique (org_id, name)
);
create index buckets_public on storage.buckets (name) where public;

create table storage.objects (
  id            uuid primary key,
  bucket        text collate "C" not null,
  -- Compared byte for byte: the order of listings, and what makes a prefix a range of the index.
  key           text collate "C" not null,
  owner_id      uuid,
  org_id        uuid not null,
  content_type  text,
  size          bigint not null,
  etag          text not null,
  metadata      jsonb not null default '{}',
  cache_control text,
  version_id    uuid not null,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  unique (org_id, bucket, key),
  foreign key (org_id, bucket) references storage.buckets (org_id, name)
);

-- One row for each content that the backend holds. Several versions may share one.
create table _reactor_storage.blobs (
  locator    text primary key,
  size       bigint not null,
  sha256     text not null,
  touched_at timestamptz not null default now()
);

-- Each content an object has had: the current one always, earlier ones where the bucket keeps versions.
create table _reactor_storage.versions (
  id            uuid primary key,
  org_id        uuid not null,
  bucket        text collate "C" not null,
  key           text collate "C" not null,
  locator       text references _reactor_storage.blobs (locator),
  size          bigint not null,
  etag          text not null,
  content_type  text,
  cache_control text,
  metadata      jsonb not null default '{}',
  delete_marker boolean not null default false,
  created_by    uuid,
  created_at    timestamptz not null default now(),
  -- When it stopped being the current one.
  superseded_at timestamptz,
  check (delete_marker or locator is not null)
);
create index versions_of_key on _reactor_storage.versions (org_id, bucket, key, created_at desc);
create index versions_of_blob on _reactor_storage.versions (locator);

create table _reactor_storage.multipart_uploads (
  id                uuid primary key,
  kind              text not null check (kind in ('multipart', 's3', 'tus')),
  org_id            uuid not null,
  bucket            text collate "C" not null,
  key               text collate "C" not null,
  content_type      text,
  cache_control     text,
  metadata          jsonb not null default '{}',
  -- What the protocol keeps beside: TUS the announced length and whether it may replace, S3 its checksum algorithm.
  facts             jsonb not null default '{}',
  backend_upload_id text,
  created_by        uuid,
  created_at        timestamptz not null default now(),
  expires_at        timestamptz not null
);
create index multipart_uploads_of_bucket on _reactor_storage.multipart_uploads (org_id, bucket, key);
create index multipart_uploads_expiry on _reactor_storage.multipart_uploads (expires_at);

create table _reactor_storage.multipart_parts (
  upload_id   uuid not null references _reactor_storage.multipart_uploads (id) on delete cascade,
  part_number integer not null,
  locator     text not null references _reactor_storage.blobs (locator),
  etag        text not null,
  size        bigint not null,
  uploaded_at timestamptz not null default now(),
  primary key (upload_id, part_number)
);
create index multipart_parts_of_blob on _reactor_storage.multipart_parts (locator);

-- The secret is needed in the clear to check Signature V4, so it is encrypted with a key of the vault.
create table _reactor_storage.s3_credentials (
  id            uuid primary key,
  access_key_id text not null unique,
  secret        text not null,
  name          text not null,
  org_id        uuid not null,
  user_id       uuid not null,
  scopes        text[] not null,
  created_at    timestamptz not null default now(),
  expires_at    timestamptz,
  last_used_at  timestamptz
);
create index s3_credentials_of_org on _reactor_storage.s3_credentials (org_id, created_at);

-- Signatures of single-use URLs that were used.
create table _reactor_storage.signed_uses (
  signature  text primary key,
  expires_at timestamptz not null
);
create index signed_uses_expiry on _reactor_storage.signed_uses (expires_at);

create table _reactor_storage.audit_events (
  id              uuid primary key,
  ts              timestamptz not null default now(),
  event_type      text not null,
  bucket          text,
  object_key      text,
  actor_user_id   uuid,
  actor_apikey_id uuid,
  org_id          uuid,
  request_id      text,
  details         jsonb not null default '{}'
);
create index audit_events_org_ts on _reactor_storage.audit_events (org_id, ts desc);

-- Helpers for policies. Postgres' array functions, so that they are inlined.
create function storage.foldername(key text) returns text[] language sql immutable parallel safe
  as $$ select (string_to_array(key, '/'))[1 : cardinality(string_to_array(key, '/')) - 1] $$;
create function storage.filename(key text) returns text language sql immutable parallel safe
  as $$ select (string_to_array(key, '/'))[cardinality(string_to_array(key, '/'))] $$;
create function storage.extension(key text) returns text language sql immutable parallel safe
  as $$ select substring(key from '[.]([^./]+)$') $$;

-- Whether the shipped policy decides on a command, given as in pg_policy.polcmd: as long as nobody wrote one for it.
-- It looks each time, once a statement, so that it does not matter who wrote or dropped the policy, or how.
create function storage.unpoliced(relation regclass, command "char") returns boolean
  language sql stable parallel safe set search_path = pg_catalog
  as $$ select not exists (
    select 1 from pg_policy where polrelid = relation and polcmd in (command, '*') and polname not like 'reactor\_\_shipped\_%') $$;

alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;

do $$
declare
  anon text := quote_ident(current_setting('reactor.anon_role'));
  authenticated text := quote_ident(current_setting('reactor.authenticated_role'));
  service text := quote_ident(current_setting('reactor.service_role'));
  everyone text := concat_ws(', ', anon, authenticated, service);
  command record;
begin
  revoke execute on all functions in schema storage from public;
  execute format('grant usage on schema storage to %s', everyone);
  execute format('grant execute on all functions in schema storage to %s', everyone);
  execute format('grant select, insert, update, delete on storage.buckets, storage.objects to %s, %s', authenticated, service);
  execute format('grant select on storage.buckets, storage.objects to %s', anon);

  execute format($p$create policy reactor__shipped_select on storage.buckets for select to %s using (
    public or org_id = (select auth.org_id()))$p$, everyone);
  execute format($p$create policy reactor__shipped_insert on storage.buckets for insert to %s with check (
    org_id = (select auth.org_id()) and (select auth.has_permission('storage:bucket:create')))$p$, authenticated);
  execute format($p$create policy reactor__shipped_update on storage.buckets for update to %s using (
    org_id = (select auth.org_id()) and auth.has_permission('storage:' || name || ':admin'))$p$, authenticated);
  execute format($p$create policy reactor__shipped_delete on storage.buckets for delete to %s using (
    org_id = (select auth.org_id()) and auth.has_permission('storage:' || name || ':admin'))$p$, authenticated);

  -- For each command: its letter, its clause, and the verbs of which one is needed. Who may replace or delete a row must be able
  -- to find it; that reading its content needs read is checked before.
  for command in
    select * from (values
      ('select', 'r', 'using (%s)', array['read', 'write', 'delete']),
      ('insert', 'a', 'with check (%s)', array['write']),
      ('update', 'w', 'using (%s)', array['write']),
      ('delete', 'd', 'using (%s)', array['delete', 'write'])) as c (name, letter, clause, verbs)
  loop
    execute format('create policy %I on storage.objects for %s to %s %s',
      'reactor__shipped_' || command.name, command.name, authenticated,
      format(command.clause, format('(select storage.unpoliced(''storage.objects'', %L)) and org_id = (select auth.org_id()) and (%s)',
        command.letter,
        (select string_agg(format('auth.has_permission(''storage:'' || bucket || '':%s'')', verb), ' or ') from unnest(command.verbs) verb))));
  end loop;
end $$;
