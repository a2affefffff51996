-- The archive of a cinema: the schema that the tables of this directory ask.
-- fixture.refill() puts its rows back; what is not about row security has none.

create schema annex;
create schema fixture;

create type mood as enum ('calm', 'tense', 'wild');
create type place as (town text, zip int);
create domain positive as int check (value > 0);

-- Films and what hangs on them ------------------------------------------------------------------------------------

create table directors (
  id int primary key,
  name text not null,
  born date,
  country text
) with (rls = false);
comment on table directors is 'People who direct';

create table studios (
  id int primary key,
  name text not null unique,
  home place
) with (rls = false);

create table films (
  id int primary key,
  title text not null,
  year int,
  rating numeric(3, 1),
  director_id int references directors,
  studio_id int references studios,
  tags text[],
  color boolean,
  info jsonb
) with (rls = false);

create table screenings (
  id int primary key,
  film_id int not null references films on delete cascade,
  hall text not null,
  starts timestamptz,
  seats int not null default 50,
  sold int not null default 0
) with (rls = false);

create table tickets (
  id int primary key,
  screening_id int references screenings on delete cascade,
  price numeric(6, 2)
) with (rls = false);

-- One-to-one: the foreign key is the primary key.
create table synopses (
  film_id int primary key references films on delete cascade,
  body text not null
) with (rls = false);

-- One-to-one: the foreign key is unique.
create table posters (
  id int primary key,
  film_id int unique references films on delete cascade,
  file text not null
) with (rls = false);

create table actors (
  id int primary key,
  name text not null
) with (rls = false);

create table castings (
  film_id int references films on delete cascade,
  actor_id int references actors on delete cascade,
  part text,
  primary key (film_id, actor_id)
) with (rls = false);

-- Two ways from one to the other.
create table towns (
  id int primary key,
  name text not null
) with (rls = false);

create table deliveries (
  id int primary key,
  from_town int constraint deliveries_from references towns,
  to_town int constraint deliveries_to references towns,
  weight int
) with (rls = false);

create table employees (
  id int primary key,
  name text not null,
  boss_id int references employees,
  dept text,
  salary numeric
) with (rls = false);

-- A key of two columns.
create table halls (
  house text,
  number int,
  seats int,
  primary key (house, number)
) with (rls = false);

create table repairs (
  id int primary key,
  house text,
  number int,
  what text,
  foreign key (house, number) references halls
) with (rls = false);

-- In parts: the whole can be embedded, its parts cannot.
create table visits (
  id int,
  film_id int references films on delete cascade,
  day date,
  guests int,
  primary key (id, day)
) partition by range (day);
create table visits_old partition of visits for values from ('2000-01-01') to ('2020-01-01');
create table visits_new partition of visits for values from ('2020-01-01') to ('2040-01-01');
alter table visits disable row level security;
alter table visits_old disable row level security;
alter table visits_new disable row level security;

-- Views -----------------------------------------------------------------------------------------------------------

create view modern_films as select id, title, year, director_id, studio_id from films where year >= 1990;
create view film_names as select id as film, title as name, director_id as director from films;
create view people as select name from directors union all select name from actors;
create materialized view studio_sizes as
  select s.id, s.name, count(f.id)::int as films from studios s left join films f on f.studio_id = s.id group by s.id;
grant select on studio_sizes to reactor_authenticated;

-- Types and texts -------------------------------------------------------------------------------------------------

create table samples (
  id int primary key,
  b boolean,
  small smallint,
  big bigint,
  num numeric,
  fl double precision,
  t text,
  c char(3),
  d date,
  ts timestamp,
  tz timestamptz,
  iv interval,
  u uuid,
  j json,
  jb jsonb,
  ints int[],
  texts text[],
  m mood,
  p place,
  dom positive,
  raw bytea
) with (rls = false);

create table spans (
  id int primary key,
  span int4range
) with (rls = false);

create table articles (
  id int primary key,
  body text,
  found tsvector generated always as (to_tsvector('english', body)) stored
) with (rls = false);

create table words (
  id int primary key,
  word text not null
) with (rls = false);

create table "odd names" (
  "a b" int primary key,
  "c-d" text,
  "e.f" text,
  "g""h" text,
  "日本" text,
  "order" int,
  "limit" int,
  "select" text
) with (rls = false);

-- Writing ---------------------------------------------------------------------------------------------------------

create table prices (
  sku text primary key,
  amount int,
  note text default 'none',
  stock int not null default 5 check (stock >= 0)
) with (rls = false);

create table pairs (
  a int,
  b int,
  c text,
  primary key (a, b)
) with (rls = false);

create table members (
  id int generated by default as identity primary key,
  email text unique,
  name text not null,
  level int default 1
) with (rls = false);

create table loose (a int, b text) with (rls = false);

create table counters (
  id bigint generated always as identity primary key,
  label text not null,
  twice text generated always as (label || label) stored
) with (rls = false);

-- Row security ----------------------------------------------------------------------------------------------------

create table todos (
  id int primary key,
  org_id uuid not null default auth.org_id(),
  title text not null,
  done boolean not null default false,
  unique (org_id, title)
);
policy todos_of_the_org on todos for select, update, delete using (org_id = auth.org_id());
policy todos_write on todos for insert, update
  using (org_id = auth.org_id())
  check (org_id = auth.org_id() and title <> 'forbidden');

create table remarks (
  id int primary key,
  todo_id int references todos,
  film_id int references films,
  body text
);
policy remarks_of_the_org on remarks for select using (exists (select 1 from todos t where t.id = todo_id));

-- Nothing is allowed.
create table sealed (id int primary key, a text);
-- May be written, not read.
create table suggestions (id int primary key, a text);
policy suggestions_in on suggestions for insert check (true);
-- No rights at all.
create table secrets (id int primary key, film_id int references films, a text) with (rls = false);
revoke all on secrets from reactor_authenticated, reactor_anon;
-- Some columns only.
create table ledger (id int primary key, shown text, hidden text default 'h') with (rls = false);
revoke all on ledger from reactor_authenticated, reactor_anon;
grant select (id, shown), insert (id, shown), update (shown), delete on ledger to reactor_authenticated;
-- May be read, not written.
create table plaques (id int primary key, a text) with (rls = false);
revoke insert, update, delete on plaques from reactor_authenticated, reactor_anon;

-- Computed fields and relationships -------------------------------------------------------------------------------

create function label(films) returns text language sql stable as $$ select $1.title || ' (' || coalesce($1.year::text, '?') || ')' $$;
create function age(directors) returns int language sql stable as $$ select 2000 - extract(year from $1.born)::int $$;
create function best_film(directors) returns setof films rows 1 language sql stable as
  $$ select * from films where director_id = $1.id order by rating desc nulls last limit 1 $$;
create function contemporaries(films) returns setof films language sql stable as
  $$ select * from films where id <> $1.id and abs(year - $1.year) < 10 $$;
create function boss(employees) returns setof employees rows 1 language sql stable as
  $$ select * from employees where id = $1.boss_id $$;

-- Functions -------------------------------------------------------------------------------------------------------

create function add_up(a int, b int default 10) returns int language sql immutable as $$ select a + b $$;
create function shout(word text) returns text language sql immutable as $$ select upper(word) $$;
create function nothing() returns void language sql as $$ select $$;
create function empty_value() returns text language sql stable as $$ select null::text $$;
create function three() returns setof int language sql stable as $$ select generate_series(1, 3) $$;
create function films_since(since int) returns setof films language sql stable as $$ select * from films where year >= since order by id $$;
create function film(wanted int) returns films language sql stable as $$ select * from films where id = wanted $$;
create function halves(n int, out low int, out high int) language sql immutable as $$ select n / 2, n - n / 2 $$;
create function only_out(out answer int) language sql immutable as $$ select 42 $$;
create function listing() returns table (id int, name text) language sql stable as $$ select id, name from directors order by id $$;
create function some_record() returns record language sql stable as $$ select 1 as a, 'b'::text as b $$;
create function join_words(variadic words text[]) returns text language sql immutable as $$ select array_to_string(words, '-') $$;
create function total(numbers int[]) returns int language sql immutable as $$ select sum(n)::int from unnest(numbers) as n $$;
create function key_of(doc jsonb) returns text language sql immutable as $$ select doc ->> 'key' $$;
create function whole(json) returns json language sql immutable as $$ select $1 $$;
create function whole_text(text) returns text language sql immutable as $$ select 'got ' || $1 $$;
create function whole_bytes(bytea) returns int language sql immutable as $$ select length($1) $$;
create function kind_of(a int) returns text language sql immutable as $$ select 'one' $$;
create function kind_of(a int, b int) returns text language sql immutable as $$ select 'two' $$;
create function kind_of(c text) returns text language sql immutable as $$ select 'text' $$;
create function torn(a int) returns text language sql immutable as $$ select 'int' $$;
create function torn(a text) returns text language sql immutable as $$ select 'text' $$;
create function rename_film(wanted int, name text) returns setof films language sql volatile as
  $$ update films set title = name where id = wanted returning * $$;
create function sneaky() returns int language plpgsql stable as $$ begin perform set_config('a.b', 'c', true); return 1; end $$;
create function write_now() returns int language sql volatile as $$ insert into words values (99, 'new') returning id $$;
create function teapot() returns text language plpgsql stable as $$ begin
  perform set_config('response.status', '418', true);
  perform set_config('response.headers', '[{"X-Pot": "tea"}, {"Cache-Control": "no-store"}]', true);
  return 'short and stout'; end $$;
create function bad_headers() returns text language plpgsql stable as $$ begin
  perform set_config('response.headers', '{"X-Pot": "tea"}', true); return 'x'; end $$;
create function bad_status() returns text language plpgsql stable as $$ begin
  perform set_config('response.status', 'warm', true); return 'x'; end $$;
create function complain() returns void language plpgsql as $$ begin
  raise exception 'no more films' using detail = 'the shelf is empty', hint = 'buy some'; end $$;
create function pay() returns void language plpgsql as $$ begin
  raise sqlstate 'PT402' using message = 'pay first', detail = 'it costs', hint = 'a coin'; end $$;
create function custom_error() returns void language plpgsql as $$ begin
  raise sqlstate 'PGRST' using
    message = '{"code": "123", "message": "own words", "details": "d", "hint": "h"}',
    detail = '{"status": 332, "headers": {"X-Header": "str"}}'; end $$;
create function divide(a int, b int) returns int language sql immutable as $$ select a / b $$;
create function who() returns json language sql stable as
  $$ select json_build_object('role', current_user, 'org', auth.org_id(), 'user', auth.user_id()) $$;
create function asked(setting text) returns text language sql stable as $$ select current_setting(setting, true) $$;
create function header(name text) returns text language sql stable as
  $$ select current_setting('request.headers')::json ->> name $$;
create function hidden_call() returns int language sql as $$ select 1 $$;
revoke all on function hidden_call() from public, reactor_authenticated, reactor_anon;

-- Media types and representations ---------------------------------------------------------------------------------

create domain "text/html" as text;
create domain "image/x-dot" as bytea;
create function page() returns "text/html" language sql stable as $$ select '<h1>Archive</h1>'::"text/html" $$;
create function dot() returns "image/x-dot" language sql stable as $$ select '\x2e'::bytea::"image/x-dot" $$;

create domain hue as int;
create function hue_to_json(hue) returns json language sql immutable as $$ select to_json('#' || lpad(to_hex($1::int), 6, '0')) $$;
create function hue_of_json(json) returns hue language sql immutable as $$ select ('x' || lpad(ltrim($1 #>> '{}', '#'), 8, '0'))::bit(32)::int::hue $$;
create function hue_of_text(text) returns hue language sql immutable as $$ select ('x' || lpad(ltrim($1, '#'), 8, '0'))::bit(32)::int::hue $$;
create cast (hue as json) with function hue_to_json(hue) as implicit;
create cast (json as hue) with function hue_of_json(json) as implicit;
create cast (text as hue) with function hue_of_text(text) as implicit;
create table paints (id int primary key, name text, shade hue) with (rls = false);

-- The second exposed schema ---------------------------------------------------------------------------------------

create table annex.films (id int primary key, title text) with (rls = false);
create table annex.shelves (id int primary key, label text not null) with (rls = false);
create function annex.where_am_i() returns text language sql stable as $$ select 'annex'::text $$;
grant usage on schema annex to reactor_authenticated, reactor_service;
grant select, insert, update, delete on all tables in schema annex to reactor_authenticated, reactor_service;
grant execute on all functions in schema annex to reactor_authenticated, reactor_service;

-- Rows ------------------------------------------------------------------------------------------------------------

create function fixture.refill() returns void language plpgsql set search_path = public as $refill$
begin
  truncate directors, studios, films, visits, screenings, tickets, synopses, posters, actors, castings, towns, deliveries, employees,
    halls, repairs, samples, spans, articles, words, "odd names", prices, pairs, members, loose, counters, todos, remarks,
    sealed, suggestions, secrets, ledger, plaques, paints, annex.films, annex.shelves restart identity;
  insert into directors values
    (1, 'Ada Lund', '1931-02-03', 'SE'), (2, 'Béla Kiss', '1940-05-06', 'HU'), (3, 'Chen Wei', '1975-11-30', 'CN'),
    (4, 'Dora Vane', null, null);
  insert into studios values (1, 'North', row('Kiruna', 98130)), (2, 'South', row('Malmö', null)), (3, 'Unused', null);
  insert into films values
    (1, 'Alba', 1962, 7.5, 1, 1, '{drama,night}', false,
      '{"lang": "sv", "budget": {"amount": 100, "currency": "SEK"}, "awards": [{"name": "Lion", "year": 1963}, {"name": "Bear", "year": 1964}]}'),
    (2, 'Borealis', 1968, 8.1, 1, 2, '{drama}', true, '{"lang": "sv", "budget": {"amount": 250}}'),
    (3, 'Cinders', 1971, 6.0, 2, 1, '{crime,night}', true, '{"lang": "hu", "awards": []}'),
    (4, 'Dust', 1999, null, 3, null, '{}', true, null),
    (5, 'Echo, Again', 2004, 9.0, null, 2, null, null, '{"lang": "en", "awards": [{"name": "Lion", "year": 2005}]}');
  insert into screenings values
    (1, 1, 'Red', '2024-01-01 18:00+00', 100, 80), (2, 1, 'Blue', '2024-01-02 20:00+00', 50, 50),
    (3, 2, 'Red', '2024-01-03 18:00+00', 100, 20), (4, 3, 'Blue', null, 50, 0);
  insert into tickets values (1, 1, 9.50), (2, 1, 12.00), (3, 3, 9.50);
  insert into visits values (1, 1, '2019-05-05', 30), (2, 1, '2021-06-06', 45), (3, 2, '2022-07-07', 10);
  insert into synopses values (1, 'A dawn.'), (2, 'Northern light.');
  insert into posters values (1, 1, 'alba.png'), (2, 3, 'cinders.png');
  insert into actors values (1, 'Ines'), (2, 'Jon'), (3, 'Kira'), (4, 'Lev');
  insert into castings values (1, 1, 'Anna'), (1, 2, 'Bo'), (2, 1, 'Cara'), (3, 3, 'Dan');
  insert into towns values (1, 'Ayr'), (2, 'Bath'), (3, 'Cork');
  insert into deliveries values (1, 1, 2, 10), (2, 2, 3, 20), (3, 1, 3, 5), (4, null, 1, null);
  insert into employees values
    (1, 'Rut', null, 'board', 900), (2, 'Mia', 1, 'desk', 500), (3, 'Lea', 2, 'desk', 300), (4, 'Leo', 2, 'hall', 300);
  insert into halls values ('east', 1, 80), ('east', 2, 40), ('west', 1, 120);
  insert into repairs values (1, 'east', 1, 'lamp'), (2, 'east', 1, 'seat'), (3, 'west', 1, 'door'), (4, null, null, 'roof');
  insert into samples values
    (1, true, 7, 9007199254740993, 12.340, 0.5, 'plain', 'ab', '2024-02-29', '2024-02-29 12:30:00', '2024-02-29 12:30:00+02',
      '1 day 02:00:00', '11111111-2222-7333-8444-555555555555', '{"z": 1, "a": 2}', '{"z": 1, "a": [1, 2, {"b": null}]}',
      '{1,2,3}', '{x,"y z","q\"r"}', 'tense', row('Ayr', 12), 5, '\x00ff'),
    (2, false, -1, -1, -0.5, -1.5, '', 'c', '1999-12-31', '1999-12-31 23:59:59', '1999-12-31 23:59:59+00', '01:00:00', null,
      '[]', '"text"', '{}', '{}', 'calm', null, 1, '\x'),
    (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
  insert into spans values (1, '[1,10)'), (2, '[10,20)'), (3, '[5,15)'), (4, '[30,40)');
  insert into articles values
    (1, 'The quick foxes jump over the dog'), (2, 'A lazy dog sleeps'), (3, 'Nothing to see here, a fox is quick');
  insert into words values
    (1, 'plain'), (2, 'two words'), (3, 'com,ma'), (4, 'do.t'), (5, 'par(en)'), (6, 'quo"te'), (7, 'back\slash'), (8, 'a*b'),
    (9, '100%'), (10, 'under_score'), (11, 'naïve'), (12, '日本語'), (13, '{brace}'), (14, ''), (15, 'a&b=c'), (16, 'a+b'),
    (17, 'null'), (18, '"quoted"'), (19, ' padded ');
  insert into "odd names" values (1, 'dash', 'dot', 'quote', 'nihon', 30, 7, 'chosen'), (2, null, null, null, null, 20, 8, null);
  insert into prices values ('apple', 10, 'red', 3), ('pear', 20, 'none', 5), ('plum', null, null, 0);
  insert into pairs values (1, 1, 'x'), (1, 2, 'y'), (2, 1, 'z');
  insert into members (id, email, name, level) values (1, 'a@x.org', 'Ann', 3), (2, 'b@x.org', 'Bob', 1);
  perform setval('members_id_seq', 10);
  insert into loose values (1, 'one'), (2, 'two'), (2, 'two');
  insert into counters (label) values ('x');
  insert into todos values
    (1, '00000000-0000-7000-8000-00000000000a', 'of ann', false), (2, '00000000-0000-7000-8000-00000000000a', 'second', true),
    (3, '00000000-0000-7000-8000-00000000000b', 'of bob', false);
  insert into remarks values (1, 1, 1, 'mine'), (2, 3, 1, 'theirs'), (3, 2, 2, 'mine too');
  insert into sealed values (1, 'a');
  insert into suggestions values (1, 'a');
  insert into secrets values (1, 1, 'a');
  insert into ledger values (1, 'open', 'closed');
  insert into plaques values (1, 'bronze');
  insert into paints values (1, 'sky', 43775), (2, 'ink', 255);
  insert into annex.films values (1, 'Annexed'), (2, 'Beside');
  insert into annex.shelves values (1, 'low');
  refresh materialized view studio_sizes;
end
$refill$;
