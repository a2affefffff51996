"""Computed fields and relationships, and domains with a representation of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

COMPUTED = """
create function decade(albums) returns int language sql stable as $$ select $1.year / 10 * 10 $$;
create function words(albums) returns tsvector language sql stable as $$ select to_tsvector('simple', $1.title) $$;
create function facts(albums) returns jsonb language sql stable as
  $$ select jsonb_build_object('long', length($1.title) > 5, 'year', $1.year) $$;
create function tags(albums) returns text[] language sql stable as $$ select array[lower($1.title), 'album'] $$;
create function old_tracks(albums) returns setof tracks rows 3 language sql stable as
  $$ select * from tracks where album_id = $1.id and $1.year < 1978 order by id $$;
create function seller(sales) returns setof people rows 1 language sql stable as
  $$ select * from people where id = $1.seller_id $$;

create function bands() returns setof artists language sql stable as $$ select * from artists $$;
create function a_band() returns artists language sql volatile as $$ select * from artists where id = 1 $$;

create domain colour as int;
create function colour_to_json(colour) returns json language sql immutable as
  $$ select to_json('#' || lpad(to_hex($1::int), 6, '0')) $$;
create function colour_from_json(json) returns colour language sql immutable as
  $$ select public.colour_from_text($1 #>> '{}') $$;
create function colour_from_text(text) returns colour language sql immutable as
  $$ select ('x' || lpad(ltrim($1, '#'), 8, '0'))::bit(32)::int::public.colour $$;
create cast (colour as json) with function colour_to_json(colour) as implicit;
create cast (json as colour) with function colour_from_json(json) as implicit;
create cast (text as colour) with function colour_from_text(text) as implicit;
create table paints (
  id int primary key, org_id uuid not null default auth.org_id(), name text, hue colour default 255, album_id int references albums);
policy paints_of_the_org on paints for select, insert, update, delete
  using (org_id = auth.org_id()) check (org_id = auth.org_id());
grant execute on all functions in schema public to reactor_authenticated;
"""


@pytest.fixture
def project(shop_project: Path) -> Path:
    # The function that is used before it is made is checked when it is called.
    (shop_project / "migrations" / "002_computed.sql").write_text(
        "set check_function_bodies = off;\n" + COMPUTED, encoding="utf-8"
    )
    return shop_project


COMPUTED_FIELDS: dict[str, Any] = {
    "artists?select=name,shout&id=eq.1": [{"name": "Abba", "shout": "ABBA"}],
    "artists?select=name&shout=like.*U*&order=shout.desc": [{"name": "Dub"}, {"name": "Cure"}],
    "artists?select=loud:shout,l:shout::text&id=eq.1": [{"loud": "ABBA", "l": "ABBA"}],
    "albums?select=decade&order=decade.desc,id&limit=2&decade=not.is.null": [{"decade": 1990}, {"decade": 1970}],
    "albums?select=title&words=fts.help": [{"title": "Help!"}],
    "albums?select=facts->>year&facts->long=eq.true&order=id&limit=1": [{"year": "1976"}],
    "albums?select=first:tags->>0&tags=cs.{album}&order=tags&limit=1": [{"first": "arrival"}],
    # within embeds, and given the parent's row
    "artists?select=name,albums(title,decade)&albums.decade=eq.1970&albums.order=decade,id.desc&id=eq.1": [
        {"name": "Abba", "albums": [{"title": "Voulez-Vous", "decade": 1970}, {"title": "Arrival", "decade": 1970}]}
    ],
    "albums?select=title,artists(shout)&order=artists(shout).desc.nullslast,id&limit=1": [
        {"title": "Wish", "artists": {"shout": "CURE"}}
    ],
    "albums?select=title,...artists(shout)&id=eq.13": [{"title": "Wish", "shout": "CURE"}],
    "artists?select=albums(old_tracks(title))&albums.order=id&id=eq.1": [
        {"albums": [{"old_tracks": [{"title": "Dancing Queen"}, {"title": "Tiger"}]}, {"old_tracks": []}]}
    ],
    "albums?select=title,old_tracks!inner(title)&old_tracks.title=like.T*": [
        {"title": "Arrival", "old_tracks": [{"title": "Tiger"}]}
    ],
    "albums?select=...old_tracks(title)&id=eq.10": [{"title": ["Dancing Queen", "Tiger"]}],
    "sales?select=id,seller(name),...seller(pay)&order=seller(pay).desc.nullslast,id&limit=1": [
        {"id": 1, "seller": {"name": "Lee"}, "pay": 40}
    ],
    # of what a function returns
    "rpc/bands?select=shout,latest_album(title),compatriots(shout)&id=eq.2": [
        {"shout": "BEATLES", "latest_album": {"title": "Help!"}, "compatriots": [{"shout": "CURE"}]}
    ],
    "rpc/bands?select=name&shout=eq.CURE&order=shout": [{"name": "Cure"}],
    # a computed relationship leads on by those of its target
    "artists?select=latest_album(title,tracks(title))&id=eq.2": [
        {"latest_album": {"title": "Help!", "tracks": [{"title": "Yesterday"}]}}
    ],
}


def test_computed_fields_are_selected_filtered_and_ordered_by(shop: Any, theirs: Any) -> None:
    found = {}
    for query in COMPUTED_FIELDS:
        answer = shop.call("GET", query)
        assert not theirs(answer.text), (query, answer.text)
        found[query] = answer.json() if answer.status_code == 200 else answer.text
    assert found == COMPUTED_FIELDS


def test_one_row_of_a_function_has_computed_fields(shop: Any) -> None:
    answer = shop.call("POST", "rpc/a_band?select=shout,latest_album(title),...latest_album(year)", body={})
    assert (answer.status_code, answer.json()) == (
        200,
        {"shout": "ABBA", "latest_album": {"title": "Voulez-Vous"}, "year": 1979},
    )


def test_a_star_has_no_computed_fields(shop: Any) -> None:
    (row,) = shop.call("GET", "artists?id=eq.1").json()
    assert set(row) == {"id", "org_id", "name", "country"}


def test_computed_fields_are_grouped_by(shop: Any, two_orgs: Any, wire: Any) -> None:
    ann, _ = two_orgs
    ann.client = wire(aggregates_enabled=True)
    for album in ({"id": 1, "title": "a", "year": 1971}, {"id": 2, "title": "b", "year": 1978}):
        ann.insert(album, table="albums")
    assert ann.call("GET", "albums?select=decade,count()").json() == [{"decade": 1970, "count": 2}]
    assert ann.call("GET", "albums?select=decade.sum()").json() == [{"sum": 3940}]


def test_a_domain_is_shown_read_and_filtered_in_its_representation(shop: Any) -> None:
    made = shop.call(
        "POST",
        "paints?select=id,hue",
        body=[
            {"id": 1, "name": "red", "hue": "#ff0000", "album_id": 10},
            {"id": 2, "name": "sky", "hue": "#0080ff", "album_id": 10},
        ],
        Prefer="return=representation",
    )
    assert (made.status_code, made.json()) == (201, [{"id": 1, "hue": "#ff0000"}, {"id": 2, "hue": "#0080ff"}])
    defaulted = shop.call(
        "POST",
        "paints?columns=id,name,hue&select=*",
        body=[{"id": 3, "name": "blue"}],
        Prefer="return=representation,missing=default",
    )
    assert defaulted.json()[0]["hue"] == "#0000ff"
    changed = shop.call(
        "PATCH", "paints?select=hue&hue=eq.%230000ff", body={"hue": "#00ff00"}, Prefer="return=representation"
    )
    assert changed.json() == [{"hue": "#00ff00"}]
    expected: dict[str, Any] = {
        "paints?select=name&hue=eq.%23ff0000": [{"name": "red"}],
        "paints?select=name&hue=in.(%23ff0000,%230080ff)&order=hue": [{"name": "sky"}, {"name": "red"}],
        "paints?select=name&hue=gt.%23f00000": [{"name": "red"}],
        "paints?select=name&hue=eq(any).{%23ff0000}": [{"name": "red"}],
        "paints?select=shade:hue&id=eq.1": [{"shade": "#ff0000"}],
        "albums?select=title,paints(hue)&id=eq.10&paints.hue=eq.%23ff0000": [
            {"title": "Arrival", "paints": [{"hue": "#ff0000"}]}
        ],
        "albums?select=...paints(hues:hue)&id=eq.10&paints.order=hue": [{"hues": ["#0080ff", "#ff0000"]}],
        "paints?select=name,...albums(title)&hue=not.is.null&order=albums(title).nullslast,hue": [
            {"name": "sky", "title": "Arrival"},
            {"name": "red", "title": "Arrival"},
            {"name": "blue", "title": None},
        ],
    }
    assert {query: shop.call("GET", query).json() for query in expected} == expected
    (starred,) = shop.call("GET", "paints?id=eq.1").json()
    assert list(starred) == ["id", "org_id", "name", "hue", "album_id"]
    assert starred["hue"] == "#ff0000"
    refused = shop.call("GET", "paints?hue=eq.%23zz")
    assert (refused.status_code, refused.json()["code"]) == (400, "22P02")
