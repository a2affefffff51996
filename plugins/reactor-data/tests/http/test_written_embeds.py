"""Embeds in what writes return: joined on the rows written, and only what they need is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SHOWN = {"Prefer": "return=representation"}

GRANTS = """
create table goods (
  id int primary key, org_id uuid not null default auth.org_id(), shelf_id int, name text, cost int, secret text);
create table shelves (id int primary key, org_id uuid not null default auth.org_id(), label text, secret text);
alter table goods add foreign key (shelf_id) references shelves;
policy goods_of_the_org on goods for select, insert, update, delete
  using (org_id = auth.org_id()) check (org_id = auth.org_id());
policy shelves_of_the_org on shelves for select, insert, update, delete
  using (org_id = auth.org_id()) check (org_id = auth.org_id());
revoke select on goods, shelves from reactor_authenticated;
grant select (id, org_id, name, shelf_id) on goods to reactor_authenticated;
grant select (id, org_id, label) on shelves to reactor_authenticated;
"""


@pytest.fixture
def project(shop_project: Path) -> Path:
    (shop_project / "migrations" / "002_grants.sql").write_text(GRANTS, encoding="utf-8")
    return shop_project


def test_an_insert_returns_embeds_of_the_new_rows(shop: Any, theirs: Any) -> None:
    answer = shop.call(
        "POST",
        "tracks?select=title,albums(title,artists(name)),...albums(album:title),playlists(name)&order=title.desc",
        body=[
            {"id": 1, "title": "a", "album_id": 10},
            {"id": 2, "title": "b", "album_id": 12},
            {"id": 3, "title": "c", "album_id": None},
        ],
        **SHOWN,
    )
    assert answer.status_code == 201, answer.text
    assert answer.json() == [
        {"title": "c", "albums": None, "album": None, "playlists": []},
        {
            "title": "b",
            "albums": {"title": "Help!", "artists": {"name": "Beatles"}},
            "album": "Help!",
            "playlists": [],
        },
        {
            "title": "a",
            "albums": {"title": "Arrival", "artists": {"name": "Abba"}},
            "album": "Arrival",
            "playlists": [],
        },
    ]
    assert not theirs(answer.text)


def test_an_update_embeds_by_the_new_values(shop: Any) -> None:
    answer = shop.call(
        "PATCH",
        "albums?select=title,artists(name),tracks(title)&id=in.(10,12)&order=id.desc&tracks.order=title&tracks.limit=1"
        "&limit=1&offset=1",
        body={"artist_id": 3},
        **SHOWN,
    )
    assert (answer.status_code, answer.json()) == (
        200,
        [
            {"title": "Help!", "artists": {"name": "Cure"}, "tracks": [{"title": "Yesterday"}]},
            {"title": "Arrival", "artists": {"name": "Cure"}, "tracks": [{"title": "Dancing Queen"}]},
        ],
    )


def test_an_update_embeds_itself_as_it_was(shop: Any) -> None:
    answer = shop.call("PATCH", "people?select=name,boss_id(name),people(name)&id=eq.4", body={"boss_id": 3}, **SHOWN)
    assert answer.json() == [{"name": "Nia", "boss_id": {"name": "Max"}, "people": []}]


def test_a_delete_returns_the_embeds_of_what_is_gone(shop: Any) -> None:
    answer = shop.call(
        "DELETE", "entries?select=place,tracks(title),playlists(name)&playlist_id=eq.1000&order=place", **SHOWN
    )
    assert answer.json() == [
        {"place": 1, "tracks": {"title": "Dancing Queen"}, "playlists": {"name": "party"}},
        {"place": 2, "tracks": {"title": "Chiquitita"}, "playlists": {"name": "party"}},
    ]


def test_related_orders_computed_fields_and_aggregates_shape_what_is_returned(shop: Any) -> None:
    ordered = shop.call(
        "PATCH",
        "albums?select=title,artists(name)&year=gt.1900&order=artists(name).desc,id",
        body={"meta": None},
        **SHOWN,
    )
    assert [row["title"] for row in ordered.json()] == ["Wish", "Help!", "Arrival", "Voulez-Vous"]
    computed = shop.call(
        "PATCH",
        "artists?select=shout,latest_album(title),compatriots(name)&id=eq.2&order=shout",
        body={"name": "Fab"},
        **SHOWN,
    )
    assert computed.json() == [{"shout": "FAB", "latest_album": {"title": "Help!"}, "compatriots": [{"name": "Cure"}]}]
    counted = shop.call("PATCH", "tracks?select=count&seconds=gt.200", body={"price": 1}, **SHOWN)
    assert counted.json() == [{"count": 3}]


def test_an_embed_may_choose_what_is_written(shop: Any, rows: Any) -> None:
    without = shop.call("PATCH", "artists?select=name,albums()&albums=is.null", body={"country": "XX"}, **SHOWN)
    assert without.json() == [{"name": "Dub"}]
    old = shop.call("DELETE", "concerts?select=id,artists()&artists.name=eq.Beatles&artists=not.is.null", **SHOWN)
    assert old.json() == [{"id": 1}]
    assert rows("select id from concerts where id < 50000 order by id") == [("2",), ("3",)]


def test_an_inner_embed_shapes_the_representation_and_not_the_change(shop: Any, rows: Any) -> None:
    answer = shop.call(
        "PATCH", "artists?select=name,albums!inner(title)&albums.year=gt.1990&id=gt.0", body={"country": "YY"}, **SHOWN
    )
    assert answer.json() == [{"name": "Cure", "albums": [{"title": "Wish"}]}]
    assert answer.headers["Content-Range"] == "0-3/*"
    assert rows("select count(*) from artists where country = 'YY'") == [("4",)]
    # Nor does it hide how many are affected, or that there is not the one row to show.
    limited = shop.call(
        "PATCH",
        "artists?select=name,albums!inner()&albums.year=gt.1990&id=gt.0",
        body={"country": "ZZ"},
        Prefer="return=representation,handling=strict,max-affected=1",
    )
    assert (limited.status_code, limited.json()["code"]) == (400, "PGRST124")
    singular = shop.call(
        "PATCH",
        "artists?select=name,albums!inner()&id=eq.4",
        body={"country": "ZZ"},
        Accept="application/vnd.pgrst.object+json",
        **SHOWN,
    )
    assert (singular.status_code, singular.json()["code"]) == (406, "PGRST116")
    assert rows("select count(*) from artists where country = 'ZZ'") == [("0",)]
    assert rows(
        "select row_count from _reactor_data.audit_events where event_type = 'rows.update' order by ts limit 1"
    ) == [("4",)]


def test_nothing_to_set_has_the_form_of_no_rows(shop: Any) -> None:
    answer = shop.call("PATCH", "albums?select=title,artists(name)&id=eq.10", body={}, **SHOWN)
    assert (answer.status_code, answer.json()) == (200, [])
    wrong = shop.call("PATCH", "albums?select=title&idd=eq.10", body={}, **SHOWN)
    assert wrong.json()["message"] == "column albums.idd does not exist"


def test_only_the_columns_that_are_shown_or_joined_are_read(shop: Any) -> None:
    shop.call("POST", "shelves", body={"id": 1, "label": "top"})
    made = shop.call(
        "POST",
        "goods?select=name,shelves(label)",
        body={"id": 1, "name": "tea", "cost": 3, "shelf_id": 1, "secret": "s"},
        **SHOWN,
    )
    assert (made.status_code, made.json()) == (201, [{"name": "tea", "shelves": {"label": "top"}}])
    changed = shop.call(
        "PATCH", "goods?select=name,...shelves(label)&id=eq.1&order=shelves(label)", body={"cost": 4}, **SHOWN
    )
    assert changed.json() == [{"name": "tea", "label": "top"}]
    # `cost` may not be read, so neither a star nor its own name can be returned.
    for select in ("*", "cost", "name,shelves(secret)"):
        refused = shop.call("PATCH", f"goods?select={select}&id=eq.1", body={"cost": 5}, **SHOWN)
        assert (refused.status_code, refused.json()["code"]) == (403, "42501")
    assert shop.call("GET", "goods?select=name,shelves(label)&id=eq.1").json() == [
        {"name": "tea", "shelves": {"label": "top"}}
    ]
    # An embed that is not shown reads nothing.
    quiet = shop.call("PATCH", "goods?select=name,shelves()&id=eq.1", body={"cost": 5}, **SHOWN)
    assert quiet.json() == [{"name": "tea"}]


def test_nothing_of_another_organisation_is_returned(two_orgs: Any, shop: Any, rows: Any, theirs: Any) -> None:
    rows("update albums set artist_id = 50001 where id = 14")
    rows("update tracks set album_id = 14 where id = 50105")
    answer = shop.call(
        "PATCH", "albums?select=title,artists(name),tracks(title)&id=in.(14,50010)", body={"year": 1}, **SHOWN
    )
    assert answer.json() == [{"title": "Various", "artists": None, "tracks": []}]
    upserted = shop.call(
        "POST",
        "people?select=id,name,sales!seller_id(amount)&sales.order=id",
        body=[{"id": 2, "name": "Leo"}, {"id": 9, "name": "New"}],
        Prefer="return=representation,resolution=merge-duplicates",
    )
    assert upserted.json() == [
        {"id": 2, "name": "Leo", "sales": [{"amount": 10.00}, {"amount": 5.00}]},
        {"id": 9, "name": "New", "sales": []},
    ]
    assert not theirs(upserted.text)
