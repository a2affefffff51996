"""What leads from a relation to others, and which of it an embed means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reactor_data.catalog.relationships import find_relationship
from reactor_data.errors import DataError

MUSIC = """
create table artists (id int primary key, name text);
create table albums (
  id int primary key, artist_id int references artists(id), producer_id int references artists(id), title text
);
create table covers (album_id int primary key references albums(id), url text);
create table liner_notes (id int primary key, album_id int unique references albums(id));
create table tags (id int primary key, name text);
create table albums_tags (
  album_id int references albums(id), tag_id int references tags(id), added timestamptz, primary key (album_id, tag_id)
);
create table listens (
  id int primary key, album_id int references albums(id), tag_id int references tags(id)
);
"""


def led(schema: Any, source: str) -> list[tuple[str, str, str]]:
    """The relationships of a relation as (target, cardinality, name)."""
    return [(one.target, one.cardinality, one.name) for one in schema.relationships.get(source, ())]


def chosen(schema: Any, source: str, target: str, hint: str | None = None) -> Any:
    return find_relationship(schema, schema.relations[source], target, hint)


def test_foreign_keys_lead_both_ways_and_junctions_through(load: Callable[..., Any]) -> None:
    schema = load(MUSIC).current()
    assert led(schema, "albums") == [
        ("albums_tags", "one-to-many", "albums_tags_album_id_fkey"),
        ("artists", "many-to-one", "albums_artist_id_fkey"),
        ("artists", "many-to-one", "albums_producer_id_fkey"),
        ("covers", "one-to-one", "covers_album_id_fkey"),
        ("liner_notes", "one-to-one", "liner_notes_album_id_fkey"),
        ("listens", "one-to-many", "listens_album_id_fkey"),
        ("tags", "many-to-many", "albums_tags"),
    ]
    assert led(schema, "covers") == [("albums", "one-to-one", "covers_album_id_fkey")]
    through = chosen(schema, "albums", "tags")
    assert (through.junction.name, through.junction.source_columns, through.junction.target_columns) == (
        "albums_tags",
        (("id", "album_id"),),
        (("tag_id", "id"),),
    )
    back = chosen(schema, "tags", "albums")
    assert (back.junction.source_constraint, back.junction.target_constraint) == (
        "albums_tags_tag_id_fkey",
        "albums_tags_album_id_fkey",
    )
    # Both foreign keys of `listens` lie outside of its primary key.
    assert [one.junction.name for one in schema.relationships["tags"] if one.junction] == ["albums_tags"]


def test_a_composite_key_joins_on_all_its_columns_in_order(load: Callable[..., Any]) -> None:
    schema = load(
        "create table places (country text, city text, primary key (city, country));"
        "create table shops (id int primary key, c text, n text, foreign key (n, c) references places (country, city));"
        "create table halls (c text, n text, unique (n, c), foreign key (c, n) references places (city, country));"
    ).current()
    assert chosen(schema, "shops", "places").columns == (("n", "country"), ("c", "city"))
    assert chosen(schema, "places", "shops").columns == (("country", "n"), ("city", "c"))
    # A unique constraint makes it to-one whatever order its columns have.
    assert chosen(schema, "halls", "places").cardinality == "one-to-one"
    assert chosen(schema, "places", "halls").to_one


def test_the_target_may_be_a_relation_a_constraint_or_a_column(load: Callable[..., Any]) -> None:
    schema = load(MUSIC).current()
    assert chosen(schema, "albums", "albums_artist_id_fkey").columns == (("artist_id", "id"),)
    assert chosen(schema, "albums", "producer_id").name == "albums_producer_id_fkey"
    assert chosen(schema, "artists", "albums_producer_id_fkey").cardinality == "one-to-many"


@pytest.mark.parametrize(
    ("hint", "name"),
    [
        ("albums_artist_id_fkey", "albums_artist_id_fkey"),
        ("artist_id", "albums_artist_id_fkey"),
        ("producer_id", "albums_producer_id_fkey"),
    ],
)
def test_a_hint_chooses_between_several(load: Callable[..., Any], hint: str, name: str) -> None:
    schema = load(MUSIC).current()
    assert chosen(schema, "albums", "artists", hint).name == name
    assert chosen(schema, "artists", "albums", hint).name == name


def test_a_hint_may_be_the_junction(load: Callable[..., Any]) -> None:
    schema = load(
        MUSIC + "create table albums_moods (album_id int references albums, tag_id int references tags,"
        " primary key (tag_id, album_id));"
    ).current()
    with pytest.raises(DataError):
        chosen(schema, "albums", "tags")
    assert chosen(schema, "albums", "tags", "albums_moods").junction.name == "albums_moods"


def test_several_matches_are_300_and_say_how_to_choose(load: Callable[..., Any]) -> None:
    schema = load(MUSIC).current()
    with pytest.raises(DataError) as refused:
        chosen(schema, "albums", "artists")
    error = refused.value
    assert (error.status, error.error_code, error.pgrst) == (300, "ambiguous_embed", "PGRST201")
    assert error.message == "Could not embed because more than one relationship was found for 'albums' and 'artists'"
    assert error.detail == [
        {
            "cardinality": "many-to-one",
            "embedding": "albums with artists",
            "relationship": "albums_artist_id_fkey using albums(artist_id) and artists(id)",
        },
        {
            "cardinality": "many-to-one",
            "embedding": "albums with artists",
            "relationship": "albums_producer_id_fkey using albums(producer_id) and artists(id)",
        },
    ]
    assert error.error_hint == (
        "Try changing 'artists' to one of the following: 'artists!albums_artist_id_fkey',"
        " 'artists!albums_producer_id_fkey'. Find the desired relationship in the 'details' key."
    )


def test_an_ambiguous_junction_is_described_by_both_its_keys(load: Callable[..., Any]) -> None:
    schema = load(
        "create table a (id int primary key); create table b (id int primary key);"
        "create table one (a_id int references a, b_id int references b, primary key (a_id, b_id));"
        "create table two (a_id int references a, b_id int references b, primary key (a_id, b_id));"
    ).current()
    with pytest.raises(DataError) as refused:
        chosen(schema, "a", "b")
    assert refused.value.detail == [
        {
            "cardinality": "many-to-many",
            "embedding": "a with b",
            "relationship": "one using one_a_id_fkey(a_id) and one_b_id_fkey(b_id)",
        },
        {
            "cardinality": "many-to-many",
            "embedding": "a with b",
            "relationship": "two using two_a_id_fkey(a_id) and two_b_id_fkey(b_id)",
        },
    ]
    assert refused.value.error_hint == (
        "Try changing 'b' to one of the following: 'b!one', 'b!two'. Find the desired relationship in the 'details' key."
    )


@pytest.mark.parametrize(
    ("target", "hint", "detail", "suggestion"),
    [
        (
            "artist",
            None,
            "Searched for a foreign key relationship between 'albums' and 'artist' in the schema 'public',"
            " but no matches were found.",
            "Perhaps you meant 'artists' instead of 'artist'.",
        ),
        (
            "artists",
            "nothing",
            "Searched for a foreign key relationship between 'albums' and 'artists' using the hint 'nothing' in the"
            " schema 'public', but no matches were found.",
            None,
        ),
        (
            "zzz",
            None,
            "Searched for a foreign key relationship between 'albums' and 'zzz' in the schema 'public',"
            " but no matches were found.",
            None,
        ),
    ],
)
def test_no_match_is_400_with_what_was_perhaps_meant(
    load: Callable[..., Any], target: str, hint: str | None, detail: str, suggestion: str | None
) -> None:
    schema = load(MUSIC).current()
    with pytest.raises(DataError) as refused:
        chosen(schema, "albums", target, hint)
    error = refused.value
    assert (error.status, error.error_code, error.pgrst) == (400, "embed_not_found", "PGRST200")
    assert error.message == f"Could not find a relationship between 'albums' and '{target}' in the schema cache"
    assert (error.detail, error.error_hint) == (detail, suggestion)


def test_a_source_without_any_is_told_of_a_name_like_its_own(load: Callable[..., Any]) -> None:
    schema = load(MUSIC + "create table album (id int);").current()
    with pytest.raises(DataError) as refused:
        chosen(schema, "album", "artists")
    assert refused.value.error_hint == "Perhaps you meant 'albums' instead of 'album'."


def test_a_self_reference_is_children_by_name_and_parent_by_column(load: Callable[..., Any]) -> None:
    schema = load(
        "create table people (id int primary key, boss int references people, mentor int references people);"
        "create table trees (id int primary key, up int references trees);"
    ).current()
    assert (chosen(schema, "trees", "trees").cardinality, chosen(schema, "trees", "trees").columns) == (
        "one-to-many",
        (("id", "up"),),
    )
    assert chosen(schema, "trees", "up").cardinality == "many-to-one"
    assert chosen(schema, "people", "boss").columns == (("boss", "id"),)
    with pytest.raises(DataError) as refused:
        chosen(schema, "people", "people")
    assert refused.value.status == 300
    assert chosen(schema, "people", "people", "mentor").columns == (("id", "mentor"),)
    assert chosen(schema, "people", "people", "people_boss_fkey").columns == (("id", "boss"),)


VIEWS = (
    MUSIC
    + """
create view records as select id as record_id, artist_id as by, artist_id as again, title from albums;
create view old_records as select record_id as "the {old} id", by from records where record_id in (select id from tags);
create view joined as select a.id as album, b.id as artist, b.name from albums a join artists b on b.id = a.artist_id;
create view mixed as select id, artist_id from albums union all select id, producer_id from albums;
create view counted as select artist_id + 0 as artist_id, id from albums;
create view nested as with picked as (select * from (select id, producer_id from albums) x) select * from picked;
create materialized view people as select id, name from artists;
create recursive view numbers (id) as select 1 union all select id + 1 from numbers where id < 3;
"""
)


def test_views_have_the_keys_of_the_columns_they_show(load: Callable[..., Any]) -> None:
    schema = load(VIEWS).current()
    keys = {name: one.primary_key for name, one in schema.relations.items() if one.view}
    assert keys == {
        "records": ("record_id",),
        "old_records": ("the {old} id",),
        "joined": ("album", "artist"),
        "mixed": (),
        "counted": ("id",),
        "nested": ("id",),
        "people": ("id",),
        "numbers": (),
    }
    assert led(schema, "old_records") == [
        ("albums_tags", "one-to-many", "albums_tags_album_id_fkey"),
        ("artists", "many-to-one", "albums_artist_id_fkey"),
        ("covers", "one-to-one", "covers_album_id_fkey"),
        ("joined", "many-to-one", "albums_artist_id_fkey"),
        ("liner_notes", "one-to-one", "liner_notes_album_id_fkey"),
        ("listens", "one-to-many", "listens_album_id_fkey"),
        ("people", "many-to-one", "albums_artist_id_fkey"),
        ("tags", "many-to-many", "albums_tags"),
    ]
    assert chosen(schema, "nested", "artists").columns == (("producer_id", "id"),)
    assert chosen(schema, "old_records", "people").columns == (("by", "id"),)
    assert not [one for one in schema.relationships.get("counted", ()) if one.target == "artists"]
    assert "mixed" not in schema.relationships


def test_a_column_shown_twice_leads_twice(load: Callable[..., Any]) -> None:
    schema = load(VIEWS).current()
    with pytest.raises(DataError) as refused:
        chosen(schema, "records", "artists")
    assert [one["relationship"] for one in refused.value.detail] == [  # type: ignore[union-attr, index]
        "albums_artist_id_fkey using records(again) and artists(id)",
        "albums_artist_id_fkey using records(by) and artists(id)",
    ]
    assert chosen(schema, "records", "artists", "again").columns == (("again", "id"),)


def test_a_constraint_or_column_as_target_leads_to_tables_only(load: Callable[..., Any]) -> None:
    schema = load(VIEWS).current()
    # `people`, a view of artists, has the same constraint and is not meant.
    assert chosen(schema, "albums", "albums_artist_id_fkey").target == "artists"
    assert chosen(schema, "albums", "artist_id").target == "artists"


def test_a_view_shows_keys_of_tables_that_are_not_exposed(load: Callable[..., Any]) -> None:
    schema = load(
        "create schema hidden; create table hidden.users (id int primary key, email text unique);"
        "create table hidden.posts (id int primary key, author int references hidden.users);"
        "create view users as select id, email from hidden.users; create view posts as select * from hidden.posts;"
    ).current()
    assert led(schema, "posts") == [("users", "many-to-one", "posts_author_fkey")]
    assert led(schema, "users") == [("posts", "one-to-many", "posts_author_fkey")]
    assert schema.relations["users"].uniques == (("email",),)


def test_a_junction_may_be_in_another_exposed_schema_but_not_in_a_hidden_one(load: Callable[..., Any]) -> None:
    sql = (
        "create schema links; create table a (id int primary key); create table b (id int primary key);"
        "create table links.ab (a int references a, b int references b, primary key (a, b));"
    )
    cache = load(sql, schema="public, links")
    assert led(cache.current(), "a") == [("b", "many-to-many", "ab")]
    assert cache.current().relationships["a"][0].junction.sql == '"links"."ab"'
    # A foreign key from one schema to another is no relationship: an answer is of one schema.
    assert cache.current("links").relationships == {}
    assert load("select 1").current().relationships == {}


def test_partitioned_tables_have_relationships_and_partitions_have_none(load: Callable[..., Any]) -> None:
    schema = load(
        "create table users (id int primary key);"
        "create table events (id int, day int, who int references users, primary key (id, day)) partition by range (day);"
        "create table events_1 partition of events for values from (0) to (10);"
        "create table notes (id int primary key, event int, day int, foreign key (event, day) references events);"
    ).current()
    assert led(schema, "users") == [("events", "one-to-many", "events_who_fkey")]
    assert led(schema, "events") == [
        ("notes", "one-to-many", "notes_event_day_fkey"),
        ("users", "many-to-one", "events_who_fkey"),
    ]
    assert "events_1" not in schema.relationships
    assert schema.relations["events_1"].primary_key == ("id", "day")


def test_functions_of_a_row_are_relationships_and_override_detected_ones(load: Callable[..., Any]) -> None:
    schema = load(
        MUSIC + "create function artists(albums) returns setof artists rows 1 stable language sql"
        " as 'select * from artists where id = $1.artist_id';"
        "create function best_of(artists) returns setof albums stable language sql"
        " as 'select * from albums where artist_id = $1.id';"
        "create function debut(artists) returns albums stable language sql"
        " as 'select * from albums where artist_id = $1.id limit 1';"
    ).current()
    own = chosen(schema, "albums", "artists")
    assert (own.function, own.to_one, own.columns) == ('"public"."artists"', True, ())
    assert not chosen(schema, "artists", "best_of").to_one
    assert (chosen(schema, "artists", "debut").to_one, chosen(schema, "artists", "debut").target) == (True, "albums")
    # Only the direction of the function's argument is overridden.
    assert [one.name for one in schema.relationships["artists"] if one.function is None] == [
        "albums_artist_id_fkey",
        "albums_producer_id_fkey",
    ]


def test_a_new_foreign_key_is_known_after_a_reload(load: Callable[..., Any], lab: Any) -> None:
    cache = load("create table a (id int primary key); create table b (a_id int);")
    assert cache.current().relationships == {}
    lab.rows("alter table b add foreign key (a_id) references a")
    assert led(cache.reload(), "b") == [("a", "many-to-one", "b_a_id_fkey")]
