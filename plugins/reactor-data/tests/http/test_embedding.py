"""Embeds in reads: shapes, parameters, conditions, orders, spreads; nothing of another organisation in any."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def project(shop_project: Path) -> Path:
    return shop_project


@pytest.fixture
def answers(shop: Any, theirs: Any) -> Callable[[Iterable[str]], dict[str, Any]]:
    """Ask queries; give what was answered. Nothing of the other organisation may be in it."""

    def ask(queries: Iterable[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for query in queries:
            answer = shop.call("GET", query)
            assert not theirs(answer.text), (query, answer.text)
            found[query] = answer.json() if answer.status_code in (200, 206) else answer.text
        return found

    return ask


def titles(*names: str) -> list[dict[str, str]]:
    return [{"title": name} for name in names]


def names(*found: str) -> list[dict[str, str]]:
    return [{"name": name} for name in found]


SHAPES: dict[str, Any] = {
    # many to one, one to many, both nested
    "albums?select=title,artists(name)&order=id&limit=2&offset=3": [
        {"title": "Wish", "artists": {"name": "Cure"}},
        {"title": "Various", "artists": None},
    ],
    "artists?select=name,albums(title)&order=id": [
        {"name": "Abba", "albums": titles("Arrival", "Voulez-Vous")},
        {"name": "Beatles", "albums": titles("Help!")},
        {"name": "Cure", "albums": titles("Wish")},
        {"name": "Dub", "albums": []},
    ],
    "artists?select=albums(title,tracks(title,details(codec)))&id=eq.1": [
        {
            "albums": [
                {
                    "title": "Arrival",
                    "tracks": [
                        {"title": "Dancing Queen", "details": {"codec": "flac"}},
                        {"title": "Tiger", "details": None},
                    ],
                },
                {"title": "Voulez-Vous", "tracks": [{"title": "Chiquitita", "details": None}]},
            ]
        }
    ],
    # one to one, both ways
    "details?select=codec,tracks(title)&order=track_id": [
        {"codec": "flac", "tracks": {"title": "Dancing Queen"}},
        {"codec": "mp3", "tracks": {"title": "Yesterday"}},
    ],
    # many to many
    "playlists?select=name,tracks(title)&order=id&tracks.order=id": [
        {"name": "party", "tracks": titles("Dancing Queen", "Chiquitita")},
        {"name": "calm", "tracks": titles("Dancing Queen", "Yesterday")},
        {"name": "empty", "tracks": []},
    ],
    "tracks?select=title,lists:playlists!entries(name)&order=id&limit=1&lists.order=name": [
        {"title": "Dancing Queen", "lists": names("calm", "party")}
    ],
    # composite keys
    "concerts?select=id,places(seats)&order=id": [
        {"id": 1, "places": {"seats": 900}},
        {"id": 2, "places": {"seats": 80}},
        {"id": 3, "places": None},
    ],
    "places?select=seats,concerts(id)&order=seats": [
        {"seats": 80, "concerts": [{"id": 2}]},
        {"seats": 900, "concerts": [{"id": 1}]},
    ],
    # self reference: the relation's name is the children, the column the parent
    "people?select=name,people(name),boss:boss_id(name)&id=in.(2,4)&order=id": [
        {"name": "Lee", "people": names("Nia"), "boss": {"name": "Kim"}},
        {"name": "Nia", "people": [], "boss": {"name": "Lee"}},
    ],
    "people?select=name,people(name,people(name,people(name)))&id=eq.1": [
        {
            "name": "Kim",
            "people": [
                {"name": "Lee", "people": [{"name": "Nia", "people": []}]},
                {"name": "Max", "people": []},
            ],
        }
    ],
    # hints and other names of a relationship
    "sales?select=id,seller:people!seller_id(name),buyer:people!sales_buyer_id_fkey(name)&id=in.(1,4)&order=id": [
        {"id": 1, "seller": {"name": "Lee"}, "buyer": {"name": "Nia"}},
        {"id": 4, "seller": {"name": "Max"}, "buyer": None},
    ],
    "albums?select=title,albums_artist(name),artist_id(country)&id=eq.10": [
        {"title": "Arrival", "albums_artist": {"name": "Abba"}, "artist_id": {"country": "SE"}}
    ],
    # views have the foreign keys of the columns they show
    "long_tracks?select=title,albums(title)&order=id&limit=1": [
        {"title": "Dancing Queen", "albums": {"title": "Arrival"}}
    ],
    "albums?select=title,long_tracks(title)&id=eq.10": [{"title": "Arrival", "long_tracks": titles("Dancing Queen")}],
    # everything that a select may hold
    "artists?select=band:name,records:albums(*,name:title,year::text,rank:meta->rank,first:meta->tags->>0)"
    "&records.id=eq.10&id=eq.1": None,
    # one embed twice under other names
    "artists?select=name,old:albums(title),new:albums(title)&old.year=lt.1978&new.year=gte.1978&id=eq.1": [
        {"name": "Abba", "old": titles("Arrival"), "new": titles("Voulez-Vous")}
    ],
    # names that the statement uses itself
    "artists?select=r:id,_:name,e1:albums(t1:title,e1:id,j1:year)&id=eq.2": [
        {"r": 2, "_": "Beatles", "e1": [{"t1": "Help!", "e1": 12, "j1": 1965}]}
    ],
    # an embed without columns has no key
    "artists?select=name,albums(),concerts(id)&id=eq.2": [{"name": "Beatles", "concerts": [{"id": 1}]}],
    "artists?select=albums(tracks()),name&id=eq.2": [{"name": "Beatles"}],
    "artists?select=albums()&id=eq.2": [{}],
}


def test_embeds_have_the_shape_of_their_relationship(answers: Any) -> None:
    expected = {query: value for query, value in SHAPES.items() if value is not None}
    assert answers(expected) == expected


def test_an_embed_selects_as_the_root_does(shop: Any) -> None:
    (query,) = (query for query, value in SHAPES.items() if value is None)
    answer = shop.call("GET", query)
    (found,) = answer.json()
    (record,) = found["records"]
    assert record.pop("org_id") == shop.org_id
    assert (found["band"], record) == (
        "Abba",
        {
            "id": 10,
            "artist_id": 1,
            "title": "Arrival",
            "meta": {"tags": ["pop"], "rank": 3},
            "name": "Arrival",
            "year": "1976",
            "rank": 3,
            "first": "pop",
        },
    )
    # Keys come in the order of `select`.
    assert answer.text.index('"first"') > answer.text.index('"name"') > answer.text.index('"meta"')


PARAMETERS: dict[str, Any] = {
    "artists?select=albums(title)&albums.order=year.desc&id=eq.1": [{"albums": titles("Voulez-Vous", "Arrival")}],
    "artists?select=albums(title)&albums.order=year.desc&albums.limit=1&id=eq.1": [{"albums": titles("Voulez-Vous")}],
    "artists?select=albums(title)&albums.order=year&albums.limit=1&albums.offset=1&id=eq.1": [
        {"albums": titles("Voulez-Vous")}
    ],
    "artists?select=albums(title)&albums.limit=0&id=eq.1": [{"albums": []}],
    "albums?select=artists(name)&artists.limit=0&id=eq.10": [{"artists": None}],
    "artists?select=name,albums(title)&albums.year=gt.1970&albums.title=like.V*&order=id&limit=2": [
        {"name": "Abba", "albums": titles("Voulez-Vous")},
        {"name": "Beatles", "albums": []},
    ],
    "artists?select=name,albums(title)&albums.or=(year.eq.1976,title.eq.Help!)&order=id&limit=2": [
        {"name": "Abba", "albums": titles("Arrival")},
        {"name": "Beatles", "albums": titles("Help!")},
    ],
    "artists?select=albums(title)&albums.not.and=(year.gt.1970,year.lt.1977)&id=eq.1": [
        {"albums": titles("Voulez-Vous")}
    ],
    "albums?select=title,artists(name)&artists.name=eq.Abba&order=id.desc&limit=3": [
        {"title": "Various", "artists": None},
        {"title": "Wish", "artists": None},
        {"title": "Help!", "artists": None},
    ],
    "artists?select=albums(tracks(title))&albums.tracks.order=title.desc&albums.tracks.limit=1&albums.order=id&id=eq.1": [
        {"albums": [{"tracks": titles("Tiger")}, {"tracks": titles("Chiquitita")}]}
    ],
    'artists?select=albums(title)&albums.meta->>rank=eq.3&albums.meta->tags=cs.["pop"]&id=eq.1': [
        {"albums": titles("Arrival")}
    ],
    "albums?select=tracks(title,details(codec))&tracks.order=details(codec).desc.nullslast&id=eq.10": [
        {
            "tracks": [
                {"title": "Dancing Queen", "details": {"codec": "flac"}},
                {"title": "Tiger", "details": None},
            ]
        }
    ],
}


def test_parameters_shape_the_embed_alone(answers: Any) -> None:
    assert answers(PARAMETERS) == PARAMETERS


# By query: the names of the rows, and how many there are.
CONDITIONS: dict[str, list[str]] = {
    "artists?select=name,albums!inner(title)": ["Abba", "Beatles", "Cure"],
    "artists?select=name,albums!left(title)": ["Abba", "Beatles", "Cure", "Dub"],
    "artists?select=name,albums!inner(title)&albums.year=gt.1975": ["Abba", "Cure"],
    "artists?select=name,albums!inner()&albums.year=gt.1975": ["Abba", "Cure"],
    "artists?select=name,albums!inner(tracks!inner())&albums.tracks.seconds=lt.150": ["Beatles"],
    "artists?select=name,albums(tracks!inner())&albums.tracks.seconds=lt.150": ["Abba", "Beatles", "Cure", "Dub"],
    "artists?select=name,albums!inner(),concerts!inner()": ["Abba", "Beatles"],
    "artists?select=name,albums!inner(count)": ["Abba", "Beatles", "Cure"],
    "playlists?select=name,tracks!inner()": ["party", "calm"],
    "playlists?select=name,tracks!inner(title)&tracks.seconds=gt.300": ["party"],
    "playlists?select=name,tracks!inner(albums!inner(artists!inner()))&tracks.albums.artists.name=eq.Beatles": ["calm"],
    "people?select=name,people!inner()": ["Kim", "Lee"],
    "people?select=name,boss_id!inner()&boss_id.name=eq.Lee": ["Nia"],
    "artists?select=name,latest_album!inner(title)": ["Abba", "Beatles", "Cure"],
    "artists?select=name,compatriots!inner(name)": ["Beatles", "Cure"],
    "artists?select=name,albums()&albums=is.null": ["Dub"],
    "artists?select=name,albums()&albums=not.is.null": ["Abba", "Beatles", "Cure"],
    "artists?select=name,albums()&albums=is.not_null": ["Abba", "Beatles", "Cure"],
    "artists?select=name,albums(title)&albums=not.is.null&albums.year=lt.1970": ["Beatles"],
    "artists?select=name,records:albums(title)&records=is.null": ["Dub"],
    "artists?select=name,albums(),concerts()&or=(albums.is.null,concerts.not.is.null)": ["Abba", "Beatles", "Dub"],
    "artists?select=name,albums(),concerts()&not.or=(albums.is.null,concerts.not.is.null)": ["Cure"],
    "artists?select=name,albums(),concerts()&and=(albums.not.is.null,or(concerts.is.null,name.eq.Abba))": [
        "Abba",
        "Cure",
    ],
    "artists?select=name,albums(tracks())&albums.tracks=is.null&albums=not.is.null": [],
    "artists?select=name,albums(tracks())&albums.tracks.seconds=gt.200&albums.tracks=is.null&albums=not.is.null": [
        "Beatles"
    ],
    "artists?select=name,albums()&albums=not.is.null&albums.offset=1": ["Abba"],
    "artists?select=name,albums()&albums=is.null&albums.limit=0": ["Abba", "Beatles", "Cure", "Dub"],
    "artists?select=name,albums()&albums=is.null&albums.limit=2": ["Dub"],
    "artists?select=name,albums!inner(title)&albums.limit=0": [],
    "artists?select=name,albums!inner(title)&albums.limit=1&albums.year=gt.1970": ["Abba", "Cure"],
    "artists?select=name,latest_album()&latest_album=is.null": ["Dub"],
    "artists?select=name,...albums!inner(title)&albums.year=gt.1990": ["Cure"],
    # A column of the same name is filtered as a column, unless for null.
    "people?select=name,boss_id(name)&boss_id=eq.1": ["Lee", "Max"],
    "people?select=name,boss_id(name)&boss_id=is.null": ["Kim"],
}


def test_embeds_choose_their_parents(shop: Any, theirs: Any) -> None:
    found = {}
    for query in CONDITIONS:
        answer = shop.call("GET", f"{query}&order=id", Prefer="count=exact")
        assert answer.status_code == 200, (query, answer.text)
        assert not theirs(answer.text)
        rows = answer.json()
        assert answer.headers["Content-Range"].endswith(f"/{len(rows)}"), query
        found[query] = [row["name"] for row in rows]
    assert found == CONDITIONS


def test_counts_see_inner_embeds_and_null_tests_beyond_the_page(shop: Any) -> None:
    for query in (
        "artists?select=name,albums!inner(title)&albums.year=gt.1970",
        "artists?select=name,albums()&albums=not.is.null&albums.year=gt.1970",
        "artists?select=name,...albums!inner(title)&albums.year=gt.1970",
    ):
        page = shop.call("GET", f"{query}&limit=1&order=id", Prefer="count=exact")
        assert (page.status_code, page.headers["Content-Range"]) == (206, "0-0/2")
        head = shop.call("HEAD", query, Prefer="count=exact")
        assert (head.status_code, head.headers["Content-Range"], head.content) == (200, "0-1/2", b"")
        for count in ("planned", "estimated"):
            found = shop.call("GET", f"{query}&limit=1&order=id", Prefer=f"count={count}")
            assert found.status_code in (200, 206), found.text
            assert found.headers["Content-Range"].startswith("0-0/")


ORDERS: dict[str, list[str]] = {
    "albums?select=title,artists(name)&order=artists(name).desc.nullsfirst,id": [
        "Various",
        "Wish",
        "Help!",
        "Arrival",
        "Voulez-Vous",
    ],
    "albums?select=title,artists()&order=artists(name).desc.nullslast,id.desc": [
        "Wish",
        "Help!",
        "Voulez-Vous",
        "Arrival",
        "Various",
    ],
    "albums?select=title,by:artists(band:name)&order=by(band),year.desc": [
        "Voulez-Vous",
        "Arrival",
        "Help!",
        "Wish",
        "Various",
    ],
    "albums?select=title,artists!inner(id)&order=artists(country),artists(name).desc,id": [
        "Wish",
        "Help!",
        "Arrival",
        "Voulez-Vous",
    ],
    "albums?select=title,...artists(name)&order=artists(name),id.desc": [
        "Voulez-Vous",
        "Arrival",
        "Help!",
        "Wish",
        "Various",
    ],
    "albums?select=title,...artists(band:name)&order=artists(country).desc,artists(band),id": [
        "Various",
        "Arrival",
        "Voulez-Vous",
        "Help!",
        "Wish",
    ],
    "tracks?select=title,albums(meta)&order=albums(meta->rank),id&limit=3": ["Yesterday", "High", "Dancing Queen"],
    "albums?select=title,artists(name)&artists.name=eq.Cure&order=artists(name),id&limit=2": ["Wish", "Arrival"],
}


def test_a_to_one_embed_orders_its_parents(shop: Any, theirs: Any) -> None:
    found = {}
    for query in ORDERS:
        answer = shop.call("GET", query)
        assert answer.status_code == 200, (query, answer.text)
        assert not theirs(answer.text)
        found[query] = [row["title"] for row in answer.json()]
    assert found == ORDERS


SPREADS: dict[str, Any] = {
    "albums?select=title,...artists(artist:name,country)&order=id&limit=1": [
        {"title": "Arrival", "artist": "Abba", "country": "SE"}
    ],
    "albums?select=title,...artists(artist:name)&id=eq.14": [{"title": "Various", "artist": None}],
    "tracks?select=title,...albums(album:title,...artists(artist:name))&id=in.(103,105)&order=id": [
        {"title": "Yesterday", "album": "Help!", "artist": "Beatles"},
        {"title": "Noise", "album": None, "artist": None},
    ],
    "tracks?select=title,...albums(artists(name),tracks(title))&id=eq.103": [
        {"title": "Yesterday", "artists": {"name": "Beatles"}, "tracks": titles("Yesterday")}
    ],
    "playlists?select=name,tracks:entries(place,...tracks(title))&tracks.order=place&id=eq.1001": [
        {"name": "calm", "tracks": [{"place": 1, "title": "Yesterday"}, {"place": 2, "title": "Dancing Queen"}]}
    ],
    "people?select=name,...boss_id(boss:name)&id=eq.4": [{"name": "Nia", "boss": "Lee"}],
    "artists?select=name,...latest_album(latest:title)&order=id&limit=1": [{"name": "Abba", "latest": "Voulez-Vous"}],
    "albums?select=title,...artists()&id=eq.10": [{"title": "Arrival"}],
    # to-many: an array for each column, all in one order
    "artists?select=name,...albums(titles:title,years:year)&albums.order=year.desc&order=id": [
        {"name": "Abba", "titles": ["Voulez-Vous", "Arrival"], "years": [1979, 1976]},
        {"name": "Beatles", "titles": ["Help!"], "years": [1965]},
        {"name": "Cure", "titles": ["Wish"], "years": [1992]},
        {"name": "Dub", "titles": [], "years": []},
    ],
    "artists?select=...albums(title)&albums.order=year.desc&albums.limit=1&id=eq.1": [{"title": ["Voulez-Vous"]}],
    "playlists?select=name,...tracks(title,seconds)&tracks.order=seconds&id=eq.1000": [
        {"name": "party", "title": ["Dancing Queen", "Chiquitita"], "seconds": [230, 326]}
    ],
    "artists?select=...albums(title,...artists(country),tracks(seconds))&albums.order=id&id=eq.1": [
        {
            "title": ["Arrival", "Voulez-Vous"],
            "country": ["SE", "SE"],
            "tracks": [[{"seconds": 230}, {"seconds": 175}], [{"seconds": 326}]],
        }
    ],
    "artists?select=...albums(...tracks(seconds))&albums.order=id&id=eq.1": [{"seconds": [[230, 175], [326]]}],
    "artists?select=name,...albums()&id=eq.1": [{"name": "Abba"}],
    "artists?select=name,...compatriots(friends:name)&id=eq.3": [{"name": "Cure", "friends": ["Beatles"]}],
}


def test_a_spread_embed_becomes_columns_of_its_parent(answers: Any) -> None:
    assert answers(SPREADS) == SPREADS


def test_a_spread_star_is_every_column(shop: Any) -> None:
    (row,) = shop.call("GET", "albums?select=title,...artists(*)&id=eq.10").json()
    assert row == {"title": "Arrival", "id": 1, "org_id": shop.org_id, "name": "Abba", "country": "SE"}
    (row,) = shop.call("GET", "playlists?select=...entries(*)&entries.order=place&id=eq.1000").json()
    assert row == {
        "playlist_id": [1000, 1000],
        "track_id": [100, 102],
        "org_id": [shop.org_id, shop.org_id],
        "place": [1, 2],
    }


CALLS: dict[str, Any] = {
    "rpc/hits?shortest=200&select=title,albums(title,artists(name))&order=albums(title),id": [
        {"title": "Dancing Queen", "albums": {"title": "Arrival", "artists": {"name": "Abba"}}},
        {"title": "Chiquitita", "albums": {"title": "Voulez-Vous", "artists": {"name": "Abba"}}},
        {"title": "High", "albums": {"title": "Wish", "artists": {"name": "Cure"}}},
    ],
    "rpc/hits?shortest=1&select=title,playlists!inner(name)&playlists.order=name&order=seconds.desc": [
        {"title": "Chiquitita", "playlists": names("party")},
        {"title": "Dancing Queen", "playlists": names("calm", "party")},
        {"title": "Yesterday", "playlists": names("calm")},
    ],
    "rpc/hits?shortest=1&select=title,details()&details=not.is.null&order=id": titles("Dancing Queen", "Yesterday"),
    "rpc/hits?shortest=100&select=title,...albums(album:title)&title=like.T*": [{"title": "Tiger", "album": "Arrival"}],
    "rpc/hits?shortest=100&select=count": [{"count": 5}],
}


def test_what_a_function_returns_has_the_embeds_of_its_relation(answers: Any, shop: Any) -> None:
    assert answers(CALLS) == CALLS
    counted = shop.call("GET", "rpc/hits?shortest=1&select=id,playlists!inner()&order=id&limit=1", Prefer="count=exact")
    assert (counted.status_code, counted.headers["Content-Range"]) == (206, "0-0/3")


def test_max_limit_caps_every_to_many_embed(wire: Any, two_orgs: Any, stock: Any) -> None:
    ann, bob = two_orgs
    ann.client = bob.client = wire(max_limit=2)
    stock(ann, bob)
    answer = ann.call("GET", "albums?select=tracks(id)&id=eq.10&tracks.limit=5")
    assert answer.json() == [{"tracks": [{"id": 100}, {"id": 101}]}]
    people = ann.call("GET", "people?select=...sales!seller_id(id)&id=in.(2,3)&order=id")
    assert people.json() == [{"id": [1, 2]}, {"id": [3, 4]}]
    ann.call("POST", "tracks", body={"id": 199, "album_id": 10, "title": "x"})
    assert len(ann.call("GET", "albums?select=tracks(id)&id=eq.10").json()[0]["tracks"]) == 2


REFUSED: dict[str, tuple[int, str, str, str, Any, str | None]] = {
    "artists?select=name,nothing(a)": (
        400,
        "embed_not_found",
        "PGRST200",
        "Could not find a relationship between 'artists' and 'nothing' in the schema cache",
        "Searched for a foreign key relationship between 'artists' and 'nothing' in the schema 'public', but no matches"
        " were found.",
        None,
    ),
    "artists?select=name,albumss(a)": (
        400,
        "embed_not_found",
        "PGRST200",
        "Could not find a relationship between 'artists' and 'albumss' in the schema cache",
        "Searched for a foreign key relationship between 'artists' and 'albumss' in the schema 'public', but no matches"
        " were found.",
        "Perhaps you meant 'albums' instead of 'albumss'.",
    ),
    "sales?select=people(name)": (
        300,
        "ambiguous_embed",
        "PGRST201",
        "Could not embed because more than one relationship was found for 'sales' and 'people'",
        [
            {
                "cardinality": "many-to-one",
                "embedding": "sales with people",
                "relationship": "sales_buyer_id_fkey using sales(buyer_id) and people(id)",
            },
            {
                "cardinality": "many-to-one",
                "embedding": "sales with people",
                "relationship": "sales_seller_id_fkey using sales(seller_id) and people(id)",
            },
        ],
        "Try changing 'people' to one of the following: 'people!sales_buyer_id_fkey', 'people!sales_seller_id_fkey'."
        " Find the desired relationship in the 'details' key.",
    ),
    "artists?select=albums(nam)": (
        400,
        "column_not_found",
        "42703",
        "column albums.nam does not exist",
        None,
        None,
    ),
    "artists?select=albums(title)&albums.tite=eq.1": (
        400,
        "column_not_found",
        "42703",
        "column albums.tite does not exist",
        None,
        "Perhaps you meant the column 'title'",
    ),
    "artists?select=name,albums(title)&albums=eq.3": (
        400,
        "invalid_filter",
        "PGRST120",
        "Bad operator on the 'albums' embedded resource",
        "Only is null or not is null filters are allowed on embedded resources",
        "Filter the embed's rows with 'albums.<column>=…'.",
    ),
    "artists?select=name,albums(title)&order=albums(title)": (
        400,
        "invalid_query",
        "PGRST118",
        "A related order on 'albums' is not possible",
        "'artists' and 'albums' do not form a many-to-one or one-to-one relationship",
        None,
    ),
    "albums?select=title&order=artists(name)": (
        400,
        "invalid_query",
        "PGRST108",
        "'artists' is not an embedded resource in this request",
        None,
        "Verify that 'artists' is included in the 'select' query parameter.",
    ),
    "albums?select=title,artists(name)&order=artists(nam)": (
        400,
        "column_not_found",
        "42703",
        "column artists.nam does not exist",
        None,
        "Perhaps you meant the column 'name'",
    ),
}


@pytest.mark.parametrize("query", REFUSED)
def test_what_cannot_be_embedded_is_named(shop: Any, query: str) -> None:
    status, code, pgrst, message, details, hint = REFUSED[query]
    answer = shop.call("GET", query)
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) == (status, code)
    assert {key: body[key] for key in ("code", "message", "details", "hint")} == {
        "code": pgrst,
        "message": message,
        "details": details,
        "hint": hint,
    }


def test_hidden_rows_are_absent_from_every_kind_of_embed(two_orgs: Any, shop: Any, rows: Any, answers: Any) -> None:
    """Rows of one organisation that refer to those of the other, as only an operator can make them."""
    _, bob = two_orgs
    rows("update albums set artist_id = 50001 where id = 14")  # Ann's album of Bob's artist
    rows("update tracks set album_id = 10 where id = 50105")  # Bob's track on Ann's album
    rows(f"insert into entries values (1002, 50100, '{shop.org_id}', 1)")  # Ann's list has Bob's track
    rows(f"insert into entries values (1002, 101, '{bob.org_id}', 2)")  # Bob's entry joins what is Ann's
    expected: dict[str, Any] = {
        "albums?select=artist_id,artists(name)&id=eq.14": None,
        "albums?select=title,...artists(name)&id=eq.14": [{"title": "Various", "name": None}],
        "albums?select=title,artists!inner(name)&id=eq.14": [],
        "albums?select=title,artists()&artists=is.null": titles("Various"),
        "albums?select=title,artists(name)&order=artists(name).nullsfirst&limit=1": [
            {"title": "Various", "artists": None}
        ],
        "albums?select=tracks(title)&id=eq.10": [{"tracks": titles("Dancing Queen", "Tiger")}],
        "albums?select=...tracks(title)&id=eq.10": [{"title": ["Dancing Queen", "Tiger"]}],
        "albums?select=tracks(count)&id=eq.10": [{"tracks": [{"count": 2}]}],
        "playlists?select=name,tracks(title)&id=eq.1002": [{"name": "empty", "tracks": []}],
        "playlists?select=name,tracks!inner(title)&id=eq.1002": [],
    }
    hidden = expected.pop("albums?select=artist_id,artists(name)&id=eq.14")
    assert hidden is None
    assert answers(expected) == expected
    (album,) = shop.call("GET", "albums?select=artists(name)&id=eq.14").json()
    assert album == {"artists": None}
    assert bob.call("GET", "playlists?select=tracks(id)&id=eq.1002").json() == []
