-- A record shop: every kind of relationship between tables of which each organisation sees its own rows.
create table artists (id int, org_id uuid not null default auth.org_id(), name text not null, country text, primary key (org_id, id), unique (id));
create table albums (
  id int primary key, org_id uuid not null default auth.org_id(), artist_id int constraint albums_artist references artists (id), title text, year int,
  meta jsonb);
create table tracks (
  id int primary key, org_id uuid not null default auth.org_id(), album_id int references albums, title text, seconds int, price numeric(6, 2));
create table details (track_id int primary key references tracks, org_id uuid not null default auth.org_id(), codec text, raw json);
create table playlists (id int primary key, org_id uuid not null default auth.org_id(), name text);
create table entries (
  playlist_id int references playlists, track_id int references tracks, org_id uuid not null default auth.org_id(), place int,
  primary key (playlist_id, track_id));
create table places (country text, city text, org_id uuid not null default auth.org_id(), seats int, primary key (country, city));
create table concerts (
  id int primary key, org_id uuid not null default auth.org_id(), artist_id int references artists (id), country text, city text, on_day date,
  constraint concerts_place foreign key (country, city) references places);
create table people (
  id int primary key, org_id uuid not null default auth.org_id(), name text, boss_id int references people, pay int);
create table sales (
  id int primary key, org_id uuid not null default auth.org_id(), track_id int references tracks, seller_id int references people,
  buyer_id int references people, amount numeric(8, 2), on_day date);
create view long_tracks as select * from tracks where seconds > 200;
alter view long_tracks set (security_invoker = true);

create function shout(artists) returns text language sql stable as $$ select upper($1.name) $$;
create function latest_album(artists) returns setof albums rows 1 language sql stable as
  $$ select * from albums where artist_id = $1.id order by year desc, id limit 1 $$;
create function compatriots(artists) returns setof artists language sql stable as
  $$ select * from artists where country = $1.country and id <> $1.id $$;
create function hits(shortest int) returns setof tracks language sql stable as $$ select * from tracks where seconds >= shortest $$;
grant execute on all functions in schema public to reactor_authenticated;
policy artists_of_the_org on artists for select, update, delete using (org_id = auth.org_id());
policy artists_added on artists for insert check (org_id = auth.org_id());
policy albums_of_the_org on albums for select, update, delete using (org_id = auth.org_id());
policy albums_added on albums for insert check (org_id = auth.org_id());
policy tracks_of_the_org on tracks for select, update, delete using (org_id = auth.org_id());
policy tracks_added on tracks for insert check (org_id = auth.org_id());
policy details_of_the_org on details for select, update, delete using (org_id = auth.org_id());
policy details_added on details for insert check (org_id = auth.org_id());
policy playlists_of_the_org on playlists for select, update, delete using (org_id = auth.org_id());
policy playlists_added on playlists for insert check (org_id = auth.org_id());
policy entries_of_the_org on entries for select, update, delete using (org_id = auth.org_id());
policy entries_added on entries for insert check (org_id = auth.org_id());
policy places_of_the_org on places for select, update, delete using (org_id = auth.org_id());
policy places_added on places for insert check (org_id = auth.org_id());
policy concerts_of_the_org on concerts for select, update, delete using (org_id = auth.org_id());
policy concerts_added on concerts for insert check (org_id = auth.org_id());
policy people_of_the_org on people for select, update, delete using (org_id = auth.org_id());
policy people_added on people for insert check (org_id = auth.org_id());
policy sales_of_the_org on sales for select, update, delete using (org_id = auth.org_id());
policy sales_added on sales for insert check (org_id = auth.org_id());
