-- Earlier versions can be read, restored and removed: they say of which object they were, and the ids of a key's versions ascend.
alter table _reactor_storage.versions
  -- The object's own, so that it is again the same one when it is restored, and policies can be asked about it.
  add column object_id uuid,
  add column owner_id  uuid,
  -- Whether the bucket kept versions when this one was made: then it is kept also if the bucket does so no longer.
  add column versioned boolean not null default false;

update _reactor_storage.versions v set versioned = true
where superseded_at is not null or delete_marker
  or exists (select from storage.buckets b where b.org_id = v.org_id and b.name = v.bucket and b.versioning);

-- What was before a deletion was another object, of whose owner nothing is known.
update _reactor_storage.versions v set object_id = o.id, owner_id = o.owner_id from storage.objects o
where o.org_id = v.org_id and o.bucket = v.bucket and o.key = v.key and not exists (
  select from _reactor_storage.versions m where m.org_id = v.org_id and m.bucket = v.bucket and m.key = v.key
    and m.delete_marker and m.id >= v.id);

-- A note of a deletion ended when the object was there again.
update _reactor_storage.versions v set superseded_at = now()
where superseded_at is null and exists (
  select from _reactor_storage.versions n where n.org_id = v.org_id and n.bucket = v.bucket and n.key = v.key and n.id > v.id);

drop index _reactor_storage.versions_of_key;
create index versions_in_order on _reactor_storage.versions (org_id, bucket, key, id desc);
-- By age, for lifecycle rules; the key lies in the index so that what has another prefix costs no look at the table.
create index versions_current on _reactor_storage.versions (org_id, bucket, created_at, key)
  where superseded_at is null and not delete_marker;
create index versions_deletions on _reactor_storage.versions (org_id, bucket, created_at, key)
  where superseded_at is null and delete_marker;
create index versions_earlier on _reactor_storage.versions (org_id, bucket, superseded_at, key) where superseded_at is not null;

-- What buckets hold, as sums of what each statement changed. Rows are only added, so that writers of one bucket do not wait for each
-- other, and folded into one row a bucket now and then; their sum is right at every moment, also after a rollback.
create table _reactor_storage.usage_changes (
  org_id           uuid not null,
  bucket           text collate "C" not null,
  objects          bigint not null,
  bytes            bigint not null,
  versions         bigint not null,
  noncurrent_bytes bigint not null
);
create index usage_changes_of_bucket on _reactor_storage.usage_changes (org_id, bucket);

-- Each sign has a statement of its own, because a trigger has only those transition tables that its event has.
create function _reactor_storage.note_usage() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  if tg_op <> 'INSERT' then
    insert into _reactor_storage.usage_changes
    select org_id, bucket,
      -count(*) filter (where superseded_at is null), -coalesce(sum(size) filter (where superseded_at is null), 0),
      -count(*) filter (where superseded_at is not null), -coalesce(sum(size) filter (where superseded_at is not null), 0)
    from removed where not delete_marker group by org_id, bucket;
  end if;
  if tg_op <> 'DELETE' then
    insert into _reactor_storage.usage_changes
    select org_id, bucket,
      count(*) filter (where superseded_at is null), coalesce(sum(size) filter (where superseded_at is null), 0),
      count(*) filter (where superseded_at is not null), coalesce(sum(size) filter (where superseded_at is not null), 0)
    from added where not delete_marker group by org_id, bucket;
  end if;
  return null;
end $$;
create trigger usage_of_inserts after insert on _reactor_storage.versions
  referencing new table as added for each statement execute function _reactor_storage.note_usage();
create trigger usage_of_deletes after delete on _reactor_storage.versions
  referencing old table as removed for each statement execute function _reactor_storage.note_usage();
create trigger usage_of_updates after update on _reactor_storage.versions
  referencing old table as removed new table as added for each statement execute function _reactor_storage.note_usage();

insert into _reactor_storage.usage_changes
select org_id, bucket,
  count(*) filter (where superseded_at is null), coalesce(sum(size) filter (where superseded_at is null), 0),
  count(*) filter (where superseded_at is not null), coalesce(sum(size) filter (where superseded_at is not null), 0)
from _reactor_storage.versions where not delete_marker group by org_id, bucket;

create index buckets_with_rules on storage.buckets (id) where lifecycle <> '[]';
